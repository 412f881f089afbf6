import { createRequire } from 'node:module';
import * as grpc from '@grpc/grpc-js';
import jspb from 'google-protobuf';
import { expect, test } from 'vitest';
import { createMesh, type Mesh, MeshServer } from '../../../src/index.ts';
import { describeStack, type EchoClient } from './describe-stack.ts';
import { REFUSED, type RunningEcho } from './echo-server.ts';
import type { IEchoServiceServer } from './gen/echo/v1/echo_grpc_pb.cjs';

// By `require`, as programs of such code are: vitest would load the messages a second time for an import.
const require = createRequire(import.meta.url);
const {
  EchoServiceClient,
  EchoServiceService,
}: typeof import('./gen/echo/v1/echo_grpc_pb.cjs') = require('./gen/echo/v1/echo_grpc_pb.cjs');
const messages: typeof import('./gen/echo/v1/echo_pb.cjs') = require('./gen/echo/v1/echo_pb.cjs');
const { CountRequest, CountResponse, SayRequest, SayResponse } = messages;

function connect(address: string, mesh: Mesh): EchoClient {
  const client = new EchoServiceClient(address, grpc.credentials.createInsecure(), mesh.client());
  return {
    say: (text) =>
      new Promise((resolve, reject) => {
        client.say(new SayRequest().setText(text), (error, response) => (error ? reject(error) : resolve(response.getText())));
      }),
    count: async (to) => {
      const values: number[] = [];
      for await (const response of client.count(new CountRequest().setTo(to))) values.push(response.getValue());
      return values;
    },
    close: () => client.close(),
  };
}

/** A server whose handlers, too, get and give classes of google-protobuf. */
async function startStatic(): Promise<RunningEcho> {
  const mesh = createMesh();
  const handlers: IEchoServiceServer = {
    say: ({ request }, callback) => {
      if (request.getText() === REFUSED) callback({ code: grpc.status.FAILED_PRECONDITION, details: 'refused as asked' });
      else callback(null, new SayResponse().setText(request.getText()));
    },
    count: (call) => {
      for (let value = 1; value <= call.request.getTo(); value++) call.write(new CountResponse().setValue(value));
      call.end();
    },
  };
  const server = new MeshServer({ mesh });
  server.addService(EchoServiceService, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return {
    address: `127.0.0.1:${port}`,
    mesh,
    close: async () => {
      server.forceShutdown();
      await mesh.close();
    },
  };
}

test('messages are of google-protobuf itself', () => {
  const request = new SayRequest().setText('hello');
  expect(request).toBeInstanceOf(jspb.Message);
  expect(SayRequest.deserializeBinary(request.serializeBinary()).toObject()).toEqual({ text: 'hello' });
});

describeStack('google-protobuf client through mesh.client()', connect);
describeStack('google-protobuf client, google-protobuf server on a MeshServer', connect, { start: startStatic });
