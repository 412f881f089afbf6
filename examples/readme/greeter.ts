/** The service of all examples in this folder. Nothing in here knows inmesh. */
import { fileURLToPath } from 'node:url';
import {
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientOptions,
  type ClientUnaryCall,
  type handleUnaryCall,
  loadPackageDefinition,
  type requestCallback,
  type Server,
  ServerCredentials,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface HelloRequest {
  readonly name: string;
}

export interface HelloReply {
  readonly message: string;
}

/** The client, as a code generator would type it. */
export interface GreeterClient extends Client {
  sayHello(request: HelloRequest, callback: requestCallback<HelloReply>): ClientUnaryCall;
  sayHello(request: HelloRequest, options: CallOptions, callback: requestCallback<HelloReply>): ClientUnaryCall;
}

interface GreeterConstructor {
  new (target: string, credentials: ChannelCredentials, options?: ClientOptions): GreeterClient;
  readonly service: ServiceDefinition;
}

const loaded = loadPackageDefinition(loadSync(fileURLToPath(new URL('greeter.proto', import.meta.url))));

export const Greeter: GreeterConstructor = (loaded['helloworld'] as unknown as { readonly Greeter: GreeterConstructor }).Greeter;

export type SayHello = handleUnaryCall<HelloRequest, HelloReply>;

/** The handler. */
export const sayHello: SayHello = (call, callback) => callback(null, { message: `Hello ${call.request.name}` });

/** Opens a free port of this machine; its address. */
export function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(`127.0.0.1:${port}`);
      else reject(error);
    });
  });
}

/** One call as a promise. */
export function hello(client: GreeterClient, name: string, options: CallOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    client.sayHello({ name }, options, (error, reply) => {
      if (error === null && reply !== undefined) resolve(reply.message);
      else reject(error);
    });
  });
}
