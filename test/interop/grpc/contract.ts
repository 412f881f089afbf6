/** The public gRPC interop protocol, typed: what its standard cases send and get. */
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export type Empty = Record<string, never>;
export interface Payload {
  readonly type?: 'COMPRESSABLE';
  readonly body: Buffer;
}
export interface EchoStatus {
  readonly code: number;
  readonly message: string;
}
export interface SimpleRequest {
  readonly responseType?: 'COMPRESSABLE';
  readonly responseSize?: number;
  readonly payload?: Payload | null;
  readonly responseStatus?: EchoStatus | null;
}
export interface SimpleResponse {
  readonly payload: Payload | null;
}
export interface StreamingInputRequest {
  readonly payload: Payload | null;
}
export interface StreamingInputResponse {
  readonly aggregatedPayloadSize: number;
}
export interface StreamingOutputRequest extends SimpleRequest {
  readonly responseParameters?: readonly { readonly size: number; readonly intervalUs?: number }[];
}
export type StreamingOutputResponse = SimpleResponse;

/** How grpc-js types a unary method of a client. */
export type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  callback: grpc.requestCallback<Response>,
) => grpc.ClientUnaryCall;

/** A client of `grpc.testing.TestService`. */
export interface TestClient extends grpc.Client {
  emptyCall: UnaryMethod<Empty, Empty>;
  unaryCall: UnaryMethod<SimpleRequest, SimpleResponse>;
  unimplementedCall: UnaryMethod<Empty, Empty>;
  streamingOutputCall(request: StreamingOutputRequest): grpc.ClientReadableStream<StreamingOutputResponse>;
  streamingInputCall(callback: grpc.requestCallback<StreamingInputResponse>): grpc.ClientWritableStream<StreamingInputRequest>;
  fullDuplexCall(
    metadata?: grpc.Metadata,
    options?: grpc.CallOptions,
  ): grpc.ClientDuplexStream<StreamingOutputRequest, StreamingOutputResponse>;
}

/** A client of `grpc.testing.UnimplementedService`. */
export interface UnimplementedClient extends grpc.Client {
  unimplementedCall: UnaryMethod<Empty, Empty>;
}

const PROTO_ROOT = fileURLToPath(new URL('../../support/protos/interop', import.meta.url));

interface ClientClass<Client> {
  new (address: string, credentials: grpc.ChannelCredentials, options?: grpc.ClientOptions): Client;
  readonly service: grpc.ServiceDefinition;
}

const loaded = grpc.loadPackageDefinition(
  loadSync('grpc/testing/test.proto', { includeDirs: [PROTO_ROOT], enums: String, defaults: true }),
) as unknown as {
  readonly grpc: {
    readonly testing: {
      readonly TestService: ClientClass<TestClient>;
      readonly UnimplementedService: ClientClass<UnimplementedClient>;
    };
  };
};

export const { TestService, UnimplementedService } = loaded.grpc.testing;

/** The two clients that the cases need, and the way to close them. */
export interface Clients {
  readonly test: TestClient;
  readonly unimplemented: UnimplementedClient;
  close(): void;
}

/** Connects both clients to one server with the same options. */
export function connect(address: string, options: grpc.ClientOptions): Clients {
  const credentials = grpc.credentials.createInsecure();
  const test = new TestService(address, credentials, options);
  const unimplemented = new UnimplementedService(address, credentials, options);
  return {
    test,
    unimplemented,
    close: () => {
      test.close();
      unimplemented.close();
    },
  };
}

/** A payload of `size` zeros, the only kind that the protocol knows. */
export function zeros(size: number): Payload {
  return { type: 'COMPRESSABLE', body: Buffer.alloc(size) };
}

/** Metadata key that a server sends back in its initial metadata. */
export const ECHO_INITIAL = 'x-grpc-test-echo-initial';
/** Metadata key that a server sends back in its trailers. */
export const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';
