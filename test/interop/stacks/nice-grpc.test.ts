import * as grpc from '@grpc/grpc-js';
import { createClient } from 'nice-grpc';
import { describeStack } from './describe-stack.ts';
import { EchoServiceDefinition } from './gen/echo/v1/echo.ts';

// nice-grpc takes no interceptors; what it takes is a channel.
describeStack('nice-grpc client through mesh.channel()', (address, mesh) => {
  const channel = mesh.channel(address, grpc.credentials.createInsecure());
  const client = createClient(EchoServiceDefinition, channel as grpc.Channel);
  return {
    say: async (text) => (await client.say({ text })).text,
    count: async (to) => {
      const values: number[] = [];
      for await (const { value } of client.count({ to })) values.push(value);
      return values;
    },
    close: () => channel.close(),
  };
});
