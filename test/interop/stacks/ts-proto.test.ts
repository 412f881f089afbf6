import * as grpc from '@grpc/grpc-js';
import { describeStack } from './describe-stack.ts';
import { EchoServiceClient } from './gen/echo/v1/echo.ts';

describeStack('ts-proto client through mesh.client()', (address, mesh) => {
  const client = new EchoServiceClient(address, grpc.credentials.createInsecure(), mesh.client());
  return {
    say: (text) =>
      new Promise((resolve, reject) => {
        client.say({ text }, (error, response) => (error ? reject(error) : resolve(response.text)));
      }),
    count: async (to) => {
      const values: number[] = [];
      for await (const { value } of client.count({ to })) values.push(value);
      return values;
    },
    close: () => client.close(),
  };
});

describeStack('ts-proto client through mesh.wrap()', (address, mesh) => {
  const client = mesh.wrap(new EchoServiceClient(address, grpc.credentials.createInsecure(), mesh.client()), { interceptors: 'none' });
  return {
    say: async (text) => (await client.promises.say({ text })).text,
    count: async (to) => {
      const values: number[] = [];
      for await (const { value } of client.count({ to })) values.push(value);
      return values;
    },
    close: () => client.close(),
  };
});
