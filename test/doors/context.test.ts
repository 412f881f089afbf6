import { AsyncLocalStorage } from 'node:async_hooks';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { clientDoors, EchoClient, type Handlers, serve } from '../support/loopback.ts';

const als = new AsyncLocalStorage<string>();

/** Makes a call as `who`, and tells whose context each of its callbacks ran in. */
function asCaller({ stub }: EchoClient, who: string): Promise<string[]> {
  return als.run(
    who,
    () =>
      new Promise((resolve) => {
        const seen: string[] = [];
        const note = (what: string): void => void seen.push(`${what} ${als.getStore()}`);
        const call = stub.say({ text: who }, new Metadata(), {}, () => note('callback'));
        call.on('metadata', () => note('metadata'));
        call.on('status', () => {
          note('status');
          resolve(seen);
        });
      }),
  );
}
const own = (who: string): string[] => [`callback ${who}`, `metadata ${who}`, `status ${who}`];

const failFirst: Partial<Handlers> = {
  say: (call, callback) => callback(call.metadata.get('grpc-previous-rpc-attempts').length === 0 ? { code: 14 } : null, { text: 'late' }),
};

interface Case {
  readonly name: string;
  readonly policy: Policy;
  readonly handlers?: Partial<Handlers>;
  /** Make the connection before the calls. */
  readonly warm?: boolean;
}
const cases: readonly Case[] = [
  { name: 'on a cold channel', policy: {} },
  { name: 'on a warm channel', policy: {}, warm: true },
  { name: 'after a retry', policy: { defaults: { idempotent: true, retryPolicy: { initialBackoff: '0.005s' } } }, handlers: failFirst },
  { name: 'after waiting in a bulkhead', policy: { defaults: { bulkhead: { slots: 1, queue: 10 } } }, warm: true },
  { name: 'after waiting in a bulkhead on a cold channel', policy: { defaults: { bulkhead: { slots: 2, queue: 10 } } } },
  { name: 'out of a batch', policy: { coalesce: 'auto' }, warm: true },
];

describe.for(clientDoors)('callbacks behind %s', (door) => {
  test.for(cases)('run in the context in which the call was made $name', async ({ policy, handlers = {}, warm = false }) => {
    await using running = await serve({ server: new MeshServer(), handlers });
    const mesh = createMesh(policy);
    using client = new EchoClient({ address: running.address, mesh, door });
    if (warm) await client.learn();
    const callers = ['anna', 'ben', 'carl', 'dora', 'emil'];
    const seen = await Promise.all(callers.map((who) => asCaller(client, who)));
    expect(seen.map((lines) => lines.toSorted())).toEqual(callers.map(own));
    await mesh.close();
  });

  test('what interceptors of others below do for a waiting call runs in the context of its caller', async () => {
    await using running = await serve();
    const mesh = createMesh({ defaults: { bulkhead: { slots: 1, queue: 10 } } });
    const seen: (string | undefined)[] = [];
    using client = new EchoClient({
      address: running.address,
      options: {
        ...mesh.options(),
        interceptors: [
          ...mesh.interceptors(),
          (options, nextCall) => {
            seen.push(als.getStore());
            return nextCall(options) as never;
          },
        ],
      },
    });
    await Promise.all(['anna', 'ben', 'carl'].map((who) => asCaller(client, who)));
    expect(seen).toEqual(['anna', 'ben', 'carl']);
    await mesh.close();
  });
});
