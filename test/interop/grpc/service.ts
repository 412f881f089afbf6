/** `grpc.testing.TestService` as the interop descriptions ask for it, in plain grpc-js: it knows nothing of inmesh. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import {
  ECHO_INITIAL,
  ECHO_TRAILING,
  type EchoStatus,
  type Empty,
  type SimpleRequest,
  type SimpleResponse,
  type StreamingInputRequest,
  type StreamingInputResponse,
  type StreamingOutputRequest,
  type StreamingOutputResponse,
  TestService,
  zeros,
} from './contract.ts';

interface Echo {
  readonly initial: grpc.Metadata | undefined;
  readonly trailing: grpc.Metadata;
}

/** What the call's metadata asks to have sent back. */
function echoOf(metadata: grpc.Metadata): Echo {
  const trailing = new grpc.Metadata();
  for (const value of metadata.get(ECHO_TRAILING)) trailing.add(ECHO_TRAILING, value);
  const values = metadata.get(ECHO_INITIAL);
  if (values.length === 0) return { initial: undefined, trailing };
  const initial = new grpc.Metadata();
  for (const value of values) initial.add(ECHO_INITIAL, value);
  return { initial, trailing };
}

function wants(status: EchoStatus | null | undefined): status is EchoStatus {
  return status != null && status.code !== grpc.status.OK;
}

function failure(status: EchoStatus, metadata: grpc.Metadata): Partial<grpc.StatusObject> {
  return { code: status.code, details: status.message, metadata };
}

type Streaming =
  | grpc.ServerWritableStream<StreamingOutputRequest, StreamingOutputResponse>
  | grpc.ServerDuplexStream<StreamingOutputRequest, StreamingOutputResponse>;

async function answer(call: Streaming, request: StreamingOutputRequest): Promise<void> {
  for (const { size, intervalUs } of request.responseParameters ?? []) {
    if (intervalUs) await sleep(intervalUs / 1000);
    if (call.cancelled) return;
    call.write({ payload: zeros(size) });
  }
}

const emptyCall: grpc.handleUnaryCall<Empty, Empty> = (call, callback) => {
  const { initial, trailing } = echoOf(call.metadata);
  if (initial) call.sendMetadata(initial);
  callback(null, {}, trailing);
};

const unaryCall: grpc.handleUnaryCall<SimpleRequest, SimpleResponse> = (call, callback) => {
  const { initial, trailing } = echoOf(call.metadata);
  if (initial) call.sendMetadata(initial);
  const { responseStatus, responseSize } = call.request;
  if (wants(responseStatus)) callback(failure(responseStatus, trailing));
  else callback(null, { payload: zeros(responseSize ?? 0) }, trailing);
};

const streamingInputCall: grpc.handleClientStreamingCall<StreamingInputRequest, StreamingInputResponse> = (call, callback) => {
  let aggregatedPayloadSize = 0;
  call.on('data', (request: StreamingInputRequest) => {
    aggregatedPayloadSize += request.payload?.body.length ?? 0;
  });
  call.on('error', () => {}); // a cancelled call has nobody to answer
  call.on('end', () => callback(null, { aggregatedPayloadSize }));
};

const streamingOutputCall: grpc.handleServerStreamingCall<StreamingOutputRequest, StreamingOutputResponse> = (call) => {
  const { initial, trailing } = echoOf(call.metadata);
  if (initial) call.sendMetadata(initial);
  void answer(call, call.request).then(() => call.end(trailing));
};

const fullDuplexCall: grpc.handleBidiStreamingCall<StreamingOutputRequest, StreamingOutputResponse> = (call) => {
  const { initial, trailing } = echoOf(call.metadata);
  if (initial) call.sendMetadata(initial);
  let answered = Promise.resolve(); // answers leave in the order of their requests
  call.on('data', (request: StreamingOutputRequest) => {
    const { responseStatus } = request;
    answered = answered.then(async () => {
      if (wants(responseStatus)) call.emit('error', failure(responseStatus, trailing));
      else await answer(call, request);
    });
  });
  call.on('error', () => {}); // ours above, or a cancelled call
  call.on('end', () => void answered.then(() => call.end(trailing)));
};

/** Adds the service to `server` and binds a free port of the loopback interface. */
export function serve(server: grpc.Server): Promise<{ readonly port: number; close(): void }> {
  // UnimplementedCall has no handler: grpc-js answers it with UNIMPLEMENTED, as the case wants.
  server.addService(TestService.service, { emptyCall, unaryCall, streamingInputCall, streamingOutputCall, fullDuplexCall });
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve({ port, close: () => server.forceShutdown() });
    });
  });
}
