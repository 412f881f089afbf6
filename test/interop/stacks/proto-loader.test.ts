import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Mesh } from '../../../src/index.ts';
import { describeStack, type EchoClient, PROTO_FILE, PROTO_ROOT } from './describe-stack.ts';
import { type RunningEcho, startEcho } from './echo-server.ts';

interface Echo {
  say(request: { text: string }, callback: (error: Error | null, reply?: { text: string }) => void): void;
  count(request: { to: number }): AsyncIterable<{ value: number }>;
}

const { echo } = grpc.loadPackageDefinition(loadSync(join(PROTO_ROOT, PROTO_FILE))) as unknown as {
  readonly echo: { readonly v1: { readonly EchoService: grpc.ServiceClientConstructor } };
};

// proto-loader's messages are plain objects, and its clients have no types.
function connect(address: string, mesh: Mesh): EchoClient {
  const client = new echo.v1.EchoService(address, grpc.credentials.createInsecure(), mesh.client());
  const typed = client as unknown as Echo;
  return {
    say: (text) =>
      new Promise((resolve, reject) => {
        typed.say({ text }, (error, reply) => (error === null ? resolve(reply?.text ?? '') : reject(error)));
      }),
    count: async (to) => {
      const values: number[] = [];
      for await (const { value } of typed.count({ to })) values.push(value);
      return values;
    },
    close: () => client.close(),
  };
}

const startLoaded = (): Promise<RunningEcho> => startEcho(echo.v1.EchoService.service);

describeStack('proto-loader client through mesh.client()', connect);
describeStack('proto-loader client, proto-loader server on a MeshServer', connect, { start: startLoaded });
