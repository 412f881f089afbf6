/** The standard cases of the public interop descriptions that unary calls make up. */
import assert from 'node:assert/strict';
import * as grpc from '@grpc/grpc-js';
import { type Answer, unary } from './calls.ts';
import { type Clients, ECHO_INITIAL, ECHO_TRAILING, type SimpleRequest, type SimpleResponse, zeros } from './contract.ts';

/** Sizes of the protocol's large messages. */
export const LARGE_REQUEST = 271_828;
export const LARGE_RESPONSE = 314_159;

export const STATUS = { code: grpc.status.UNKNOWN, message: 'test status message' } as const;
const SPECIAL_MESSAGE = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

export const INITIAL_VALUE = 'test_initial_metadata_value';
export const TRAILING_VALUE: Buffer = Buffer.from([0x0a, 0x0b, 0x0a, 0x0b, 0x0a, 0x0b]);

export function echoMetadata(): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set(ECHO_INITIAL, INITIAL_VALUE);
  metadata.set(ECHO_TRAILING, TRAILING_VALUE);
  return metadata;
}

export function assertEchoed({ metadata, status }: Omit<Answer<never>, 'messages'>): void {
  assert.deepEqual(metadata?.get(ECHO_INITIAL), [INITIAL_VALUE], 'initial metadata');
  assert.deepEqual(status.metadata.get(ECHO_TRAILING), [TRAILING_VALUE], 'trailing metadata');
}

/** A payload of zeros of that length. */
export function assertZeros(response: SimpleResponse | undefined, size: number): void {
  const body = response?.payload?.body;
  assert.equal(response?.payload?.type, 'COMPRESSABLE', 'type of the payload');
  assert.equal(body?.length, size, 'length of the payload');
  assert.ok(
    body?.every((byte) => byte === 0),
    'the payload is all zeros',
  );
}

export function assertStatus(status: grpc.StatusObject, code: grpc.status, details?: string): void {
  assert.equal(grpc.status[status.code], grpc.status[code], `status code (details: ${status.details})`);
  if (details !== undefined) assert.equal(status.details, details, 'status details');
}

function simple({ test }: Clients, request: SimpleRequest, metadata = new grpc.Metadata()): Promise<Answer<SimpleResponse>> {
  return unary(test, test.unaryCall, request, metadata);
}

export async function emptyUnary({ test }: Clients): Promise<void> {
  const { messages, status } = await unary(test, test.emptyCall, {}, new grpc.Metadata());
  assertStatus(status, grpc.status.OK);
  assert.deepEqual(messages, [{}]);
}

/** `part` below 1 makes the messages smaller, so that several of them fit in one batch. */
export async function largeUnary(clients: Clients, part = 1): Promise<void> {
  const responseSize = Math.round(LARGE_RESPONSE * part);
  const { messages, status } = await simple(clients, { responseSize, payload: zeros(Math.round(LARGE_REQUEST * part)) });
  assertStatus(status, grpc.status.OK);
  assertZeros(messages[0], responseSize);
}

export async function unaryStatus(clients: Clients): Promise<void> {
  const { status } = await simple(clients, { responseStatus: STATUS });
  assertStatus(status, STATUS.code, STATUS.message);
}

export async function specialStatusMessage(clients: Clients): Promise<void> {
  const { status } = await simple(clients, { responseStatus: { code: grpc.status.UNKNOWN, message: SPECIAL_MESSAGE } });
  assertStatus(status, grpc.status.UNKNOWN, SPECIAL_MESSAGE);
}

export async function unimplementedMethod({ test }: Clients): Promise<void> {
  const { status } = await unary(test, test.unimplementedCall, {}, new grpc.Metadata());
  assertStatus(status, grpc.status.UNIMPLEMENTED);
}

export async function unimplementedService({ unimplemented }: Clients): Promise<void> {
  const { status } = await unary(unimplemented, unimplemented.unimplementedCall, {}, new grpc.Metadata());
  assertStatus(status, grpc.status.UNIMPLEMENTED);
}

/** `part` as in {@link largeUnary}. */
export async function unaryCustomMetadata(clients: Clients, part = 1): Promise<void> {
  const responseSize = Math.round(LARGE_RESPONSE * part);
  const answer = await simple(clients, { responseSize, payload: zeros(Math.round(LARGE_REQUEST * part)) }, echoMetadata());
  assertStatus(answer.status, grpc.status.OK);
  assertZeros(answer.messages[0], responseSize);
  assertEchoed(answer);
}
