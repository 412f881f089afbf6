// Written by hand in the shape of what grpc-tools (`--grpc_out=grpc_js`) writes for echo/v1/echo.proto: neither tool can be had from npm without a
// download of its own.

'use strict';
var grpc = require('@grpc/grpc-js');
var echo_pb = require('./echo_pb.cjs');

function serialize_echo_v1_CountRequest(arg) {
  if (!(arg instanceof echo_pb.CountRequest)) {
    throw new Error('Expected argument of type echo.v1.CountRequest');
  }
  return Buffer.from(arg.serializeBinary());
}

function deserialize_echo_v1_CountRequest(buffer_arg) {
  return echo_pb.CountRequest.deserializeBinary(new Uint8Array(buffer_arg));
}

function serialize_echo_v1_CountResponse(arg) {
  if (!(arg instanceof echo_pb.CountResponse)) {
    throw new Error('Expected argument of type echo.v1.CountResponse');
  }
  return Buffer.from(arg.serializeBinary());
}

function deserialize_echo_v1_CountResponse(buffer_arg) {
  return echo_pb.CountResponse.deserializeBinary(new Uint8Array(buffer_arg));
}

function serialize_echo_v1_SayRequest(arg) {
  if (!(arg instanceof echo_pb.SayRequest)) {
    throw new Error('Expected argument of type echo.v1.SayRequest');
  }
  return Buffer.from(arg.serializeBinary());
}

function deserialize_echo_v1_SayRequest(buffer_arg) {
  return echo_pb.SayRequest.deserializeBinary(new Uint8Array(buffer_arg));
}

function serialize_echo_v1_SayResponse(arg) {
  if (!(arg instanceof echo_pb.SayResponse)) {
    throw new Error('Expected argument of type echo.v1.SayResponse');
  }
  return Buffer.from(arg.serializeBinary());
}

function deserialize_echo_v1_SayResponse(buffer_arg) {
  return echo_pb.SayResponse.deserializeBinary(new Uint8Array(buffer_arg));
}

var EchoServiceService = exports.EchoServiceService = {
  say: {
    path: '/echo.v1.EchoService/Say',
    requestStream: false,
    responseStream: false,
    requestType: echo_pb.SayRequest,
    responseType: echo_pb.SayResponse,
    requestSerialize: serialize_echo_v1_SayRequest,
    requestDeserialize: deserialize_echo_v1_SayRequest,
    responseSerialize: serialize_echo_v1_SayResponse,
    responseDeserialize: deserialize_echo_v1_SayResponse,
  },
  count: {
    path: '/echo.v1.EchoService/Count',
    requestStream: false,
    responseStream: true,
    requestType: echo_pb.CountRequest,
    responseType: echo_pb.CountResponse,
    requestSerialize: serialize_echo_v1_CountRequest,
    requestDeserialize: deserialize_echo_v1_CountRequest,
    responseSerialize: serialize_echo_v1_CountResponse,
    responseDeserialize: deserialize_echo_v1_CountResponse,
  },
};

exports.EchoServiceClient = grpc.makeGenericClientConstructor(EchoServiceService, 'EchoService');
