// Written by hand in the shape of what grpc_tools_node_protoc_ts (`grpc_js`) writes for echo/v1/echo.proto: neither tool can be had from npm without a
// download of its own. Types of the file beside it.

import * as grpc from '@grpc/grpc-js';
import * as echo_pb from './echo_pb.cjs';

export const EchoServiceService: IEchoServiceService;

export interface IEchoServiceService extends grpc.ServiceDefinition<grpc.UntypedServiceImplementation> {
  say: grpc.MethodDefinition<echo_pb.SayRequest, echo_pb.SayResponse>;
  count: grpc.MethodDefinition<echo_pb.CountRequest, echo_pb.CountResponse>;
}

export interface IEchoServiceServer extends grpc.UntypedServiceImplementation {
  say: grpc.handleUnaryCall<echo_pb.SayRequest, echo_pb.SayResponse>;
  count: grpc.handleServerStreamingCall<echo_pb.CountRequest, echo_pb.CountResponse>;
}

export class EchoServiceClient extends grpc.Client {
  constructor(address: string, credentials: grpc.ChannelCredentials, options?: Partial<grpc.ClientOptions>);
  say(request: echo_pb.SayRequest, callback: (error: grpc.ServiceError | null, response: echo_pb.SayResponse) => void): grpc.ClientUnaryCall;
  say(request: echo_pb.SayRequest, metadata: grpc.Metadata, callback: (error: grpc.ServiceError | null, response: echo_pb.SayResponse) => void): grpc.ClientUnaryCall;
  count(request: echo_pb.CountRequest, options?: Partial<grpc.CallOptions>): grpc.ClientReadableStream<echo_pb.CountResponse>;
}
