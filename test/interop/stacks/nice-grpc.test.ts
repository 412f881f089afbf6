import * as grpc from '@grpc/grpc-js';
import { createClient, createServer, ServerError, type ServiceImplementation, Status } from 'nice-grpc';
import { createMesh, type Mesh } from '../../../src/index.ts';
import { describeStack, type EchoClient } from './describe-stack.ts';
import { REFUSED, type RunningEcho } from './echo-server.ts';
import { EchoServiceDefinition } from './gen/echo/v1/echo.ts';

// nice-grpc takes no interceptors; what it takes is a channel.
function connect(address: string, mesh: Mesh): EchoClient {
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
}

const handlers: ServiceImplementation<typeof EchoServiceDefinition> = {
  say: async ({ text }) => {
    if (text === REFUSED) throw new ServerError(Status.FAILED_PRECONDITION, 'refused as asked');
    return { text };
  },
  count: async function* ({ to }) {
    for (let value = 1; value <= to; value++) yield { value };
  },
};

/** nice-grpc makes its server itself and shows it to nobody, so batches stay off. */
async function startNice(): Promise<RunningEcho> {
  const mesh = createMesh();
  const server = createServer({ ...mesh.server() });
  server.add(EchoServiceDefinition, handlers);
  const port = await server.listen('127.0.0.1:0');
  return {
    address: `127.0.0.1:${port}`,
    mesh,
    close: async () => {
      server.forceShutdown();
      await mesh.close();
    },
  };
}

describeStack('nice-grpc client through mesh.channel()', connect);
describeStack('nice-grpc client, nice-grpc server with mesh.server() in its options', connect, { start: startNice, batches: false });
