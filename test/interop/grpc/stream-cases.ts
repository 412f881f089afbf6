/** The standard cases of the public interop descriptions that streams make up. */
import assert from 'node:assert/strict';
import * as grpc from '@grpc/grpc-js';
import { deferred, observe, Reader } from './calls.ts';
import { type Clients, zeros } from './contract.ts';
import { assertEchoed, assertStatus, assertZeros, echoMetadata, LARGE_REQUEST, LARGE_RESPONSE, STATUS } from './unary-cases.ts';

const REQUEST_SIZES = [27_182, 8, 1_828, 45_904];
const RESPONSE_SIZES = [31_415, 9, 2_653, 58_979];

/** A failing stream raises `error` besides `status`; the cases look at the latter. */
function ignoreError(stream: { on(event: 'error', listener: () => void): unknown }): void {
  stream.on('error', () => {});
}

export async function clientStreaming({ test }: Clients): Promise<void> {
  const settled = deferred<number | undefined>();
  const call = test.streamingInputCall((error, value) => {
    if (error) settled.reject(error);
    else settled.resolve(value?.aggregatedPayloadSize);
  });
  for (const size of REQUEST_SIZES) call.write({ payload: zeros(size) });
  call.end();
  assert.equal(await settled.promise, 74_922);
}

export async function serverStreaming({ test }: Clients): Promise<void> {
  const call = test.streamingOutputCall({ responseParameters: RESPONSE_SIZES.map((size) => ({ size })) });
  const observed = observe(call);
  const messages = await new Reader(call).rest();
  assertStatus((await observed).status, grpc.status.OK);
  assert.equal(messages.length, RESPONSE_SIZES.length);
  for (const [index, size] of RESPONSE_SIZES.entries()) assertZeros(messages[index], size);
}

export async function pingPong({ test }: Clients): Promise<void> {
  const call = test.fullDuplexCall();
  const observed = observe(call);
  const reader = new Reader(call);
  for (const [index, size] of RESPONSE_SIZES.entries()) {
    call.write({ responseParameters: [{ size }], payload: zeros(REQUEST_SIZES[index] ?? 0) });
    assertZeros(await reader.next(), size);
  }
  call.end();
  assert.deepEqual(await reader.rest(), []);
  assertStatus((await observed).status, grpc.status.OK);
}

export async function emptyStream({ test }: Clients): Promise<void> {
  const call = test.fullDuplexCall();
  const observed = observe(call);
  call.end();
  assert.deepEqual(await new Reader(call).rest(), []);
  assertStatus((await observed).status, grpc.status.OK);
}

export async function timeoutOnSleepingServer({ test }: Clients): Promise<void> {
  const call = test.fullDuplexCall(new grpc.Metadata(), { deadline: Date.now() + 1 });
  ignoreError(call);
  const observed = observe(call);
  call.write({ responseParameters: [{ size: 31_415, intervalUs: 1_000_000 }], payload: zeros(27_182) });
  assertStatus((await observed).status, grpc.status.DEADLINE_EXCEEDED);
}

export async function cancelAfterBegin({ test }: Clients): Promise<void> {
  const settled = deferred<grpc.ServiceError | null>();
  const call = test.streamingInputCall((error) => settled.resolve(error));
  ignoreError(call);
  const observed = observe(call);
  call.cancel();
  assertStatus((await observed).status, grpc.status.CANCELLED);
  assert.equal((await settled.promise)?.code, grpc.status.CANCELLED);
}

export async function cancelAfterFirstResponse({ test }: Clients): Promise<void> {
  const call = test.fullDuplexCall();
  ignoreError(call);
  const observed = observe(call);
  call.write({ responseParameters: [{ size: 31_415 }], payload: zeros(27_182) });
  assertZeros(await new Reader(call).next(), 31_415);
  call.cancel();
  assertStatus((await observed).status, grpc.status.CANCELLED);
}

export async function duplexStatus({ test }: Clients): Promise<void> {
  const call = test.fullDuplexCall();
  ignoreError(call);
  call.on('data', () => {});
  const observed = observe(call);
  call.write({ responseStatus: STATUS });
  call.end();
  assertStatus((await observed).status, STATUS.code, STATUS.message);
}

export async function duplexCustomMetadata({ test }: Clients): Promise<void> {
  const call = test.fullDuplexCall(echoMetadata());
  const observed = observe(call);
  const reader = new Reader(call);
  call.write({ responseParameters: [{ size: LARGE_RESPONSE }], payload: zeros(LARGE_REQUEST) });
  assertZeros(await reader.next(), LARGE_RESPONSE);
  call.end();
  assert.deepEqual(await reader.rest(), []);
  const answer = await observed;
  assertStatus(answer.status, grpc.status.OK);
  assertEchoed(answer);
}
