/** Stands for what `grpc_tools_node_protoc --grpc_out=grpc_js` writes: a definition, and a client made of it. */
import {
  type Client,
  type handleUnaryCall,
  makeGenericClientConstructor,
  type requestCallback,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { HelloReply, HelloRequest } from './greeter_pb.ts';

export interface IGreeterServer {
  readonly sayHello: handleUnaryCall<HelloRequest, HelloReply>;
}

export interface IGreeterClient extends Client {
  sayHello(request: HelloRequest, callback: requestCallback<HelloReply>): unknown;
}

export const GreeterService: ServiceDefinition = {
  sayHello: {
    path: '/helloworld.Greeter/SayHello',
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: HelloRequest) => Buffer.from(message.serializeBinary()),
    requestDeserialize: (bytes: Buffer) => HelloRequest.deserializeBinary(new Uint8Array(bytes)),
    responseSerialize: (message: HelloReply) => Buffer.from(message.serializeBinary()),
    responseDeserialize: (bytes: Buffer) => HelloReply.deserializeBinary(new Uint8Array(bytes)),
  },
};

export const GreeterClient = makeGenericClientConstructor(GreeterService, 'helloworld.Greeter');
