/**
 * A random workload through a front node to nodes with batch handlers: every item has the outcome that a call of its own has, runs once,
 * and meets nobody of another tenant (K1, K5, Q8).
 */
import { ChannelCredentials, type Metadata } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import type { BatchHandler } from '../../src/grpc/batch-handler.ts';
import type { BatchReply } from '../../src/grpc/batch-handler-reply.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { CarrierForm } from '../../src/policy/policy.gen.ts';
import { seededRandom } from '../../src/random.ts';
import { bind, EchoClient, echoDefinition, type Message, metadataOf, type Outcome, serve } from '../support/loopback.ts';

const TENANTS = 5;
const ITEMS = 1500;
const carriers: readonly CarrierForm[] = ['envelope', 'auto'];

/** What any handler makes of a request: by its text and its tenant alone. */
function reply(text: string, tenant: string): { readonly reply: BatchReply<Message>; readonly trailers: Metadata } {
  const n = Number(text);
  const trailers = metadataOf({ 'x-tenant': tenant, 'x-n-bin': n.toString(16).padStart(4, '0') });
  if (n % 7 === 3) return { trailers, reply: Object.assign(new Error('hidden'), { code: 1 + (n % 16), details: `no ${n} for ${tenant}` }) };
  return { trailers, reply: { text: `${tenant} ${'x'.repeat(n % 300)} ${n}` } };
}

test.each(carriers)('1500 random items of 5 tenants, carrier %s', { timeout: 30_000 }, async (carrier) => {
  const random = seededRandom(20_261);
  const ran = new Map<string, number>();
  const nodeMeshes: Mesh[] = [];
  const nodes = await Promise.all(
    [1, 2, 3].map(() => {
      const mesh = createMesh();
      nodeMeshes.push(mesh);
      const handler: BatchHandler<Message, Message> = async (items) => {
        const tenants = new Set(items.map(({ metadata }) => String(metadata.get('tenant')[0])));
        if (tenants.size !== 1) throw new Error('tenants in one run');
        if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 5));
        return items.map((item) => {
          const tenant = String(item.metadata.get('tenant')[0]);
          ran.set(item.request.text, (ran.get(item.request.text) ?? 0) + 1);
          const made = reply(item.request.text, tenant);
          item.trailers.merge(made.trailers);
          return made.reply;
        });
      };
      const say = mesh.batchHandler<Message, Message>(handler, {
        maxItems: 16,
        maxConcurrent: 2,
        keyOf: ({ metadata }) => String(metadata.get('tenant')[0]),
      });
      return serve({ server: new MeshServer({ mesh }), handlers: { say } });
    }),
  );
  const mesh = createMesh({ coalesce: { mode: 'auto', carrier }, defaults: { retryPolicy: { maxAttempts: 1 } } });
  const server = new MeshServer({ mesh });
  const target = `ipv4:${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  mesh.forward({ target, credentials: ChannelCredentials.createInsecure() }).addTo(server, echoDefinition);
  const address = `localhost:${await bind(server)}`;
  const clientMesh = createMesh({ coalesce: { mode: 'auto', carrier }, defaults: { retryPolicy: { maxAttempts: 1 } } });
  const clients = [
    new EchoClient({ address }),
    new EchoClient({ address, mesh: clientMesh }),
    new EchoClient({ address, mesh: clientMesh, door: 'interceptors' }),
  ];
  for (const client of clients) await client.say('learn', { method: 'tell' });

  const outcomes: Promise<{ n: number; tenant: string; outcome: Outcome }>[] = [];
  for (let n = 0; n < ITEMS; ) {
    for (let burst = 1 + Math.floor(random() * 40); burst > 0 && n < ITEMS; burst--, n++) {
      const tenant = `t${Math.floor(random() * TENANTS)}`;
      const own = n;
      const client = clients[Math.floor(random() * clients.length)];
      if (client === undefined) continue;
      outcomes.push(client.say(`${n}`, { metadata: metadataOf({ tenant }) }).then((outcome) => ({ n: own, tenant, outcome })));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const { n, tenant, outcome } of await Promise.all(outcomes)) {
    const { reply: expected } = reply(`${n}`, tenant);
    expect(outcome.trailers).toEqual({ 'x-tenant': [tenant], 'x-n-bin': [`0x${n.toString(16).padStart(4, '0')}`] });
    if (expected instanceof Error) expect(outcome).toMatchObject({ details: `no ${n} for ${tenant}`, text: undefined });
    else expect(outcome.text).toBe((expected as Message).text);
  }
  expect(ran.size).toBe(ITEMS);
  expect([...ran.values()].every((times) => times === 1)).toBe(true);
  const { coalesce } = mesh.stats();
  expect(coalesce.items + coalesce.tunnels.items).toBeGreaterThan(ITEMS / 4);
  const gathered = nodeMeshes.map((one) => one.stats().server.gathered);
  expect(gathered.reduce((sum, { items }) => sum + items, 0)).toBe(ITEMS);
  expect(gathered.reduce((sum, { runs }) => sum + runs, 0)).toBeLessThan(ITEMS / 2);
  for (const client of clients) client[Symbol.dispose]();
  await Promise.all([mesh, clientMesh, ...nodeMeshes].map((one) => one.close()));
  server.forceShutdown();
  for (const node of nodes) node.kill();
});
