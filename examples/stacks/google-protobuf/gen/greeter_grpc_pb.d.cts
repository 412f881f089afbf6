// Written by hand in the shape of what grpc_tools_node_protoc_ts (`grpc_js`) writes for greeter.proto: neither tool can be had from npm without a
// download of its own. Types of the file beside it.

import * as grpc from '@grpc/grpc-js';
import * as greeter_pb from './greeter_pb.cjs';

export const GreeterService: IGreeterService;

export interface IGreeterService extends grpc.ServiceDefinition<grpc.UntypedServiceImplementation> {
  sayHello: grpc.MethodDefinition<greeter_pb.HelloRequest, greeter_pb.HelloReply>;
}

export interface IGreeterServer extends grpc.UntypedServiceImplementation {
  sayHello: grpc.handleUnaryCall<greeter_pb.HelloRequest, greeter_pb.HelloReply>;
}

export class GreeterClient extends grpc.Client {
  constructor(address: string, credentials: grpc.ChannelCredentials, options?: Partial<grpc.ClientOptions>);
  sayHello(request: greeter_pb.HelloRequest, callback: (error: grpc.ServiceError | null, response: greeter_pb.HelloReply) => void): grpc.ClientUnaryCall;
  sayHello(request: greeter_pb.HelloRequest, metadata: grpc.Metadata, callback: (error: grpc.ServiceError | null, response: greeter_pb.HelloReply) => void): grpc.ClientUnaryCall;
}
