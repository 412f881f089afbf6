/**
 * The oracle: one random workload, direct and coalesced; every call has the same outcome, and ran once (K1, K5).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { type Random, seededRandom } from '../../src/random.ts';
import {
  doors,
  EchoClient,
  type Handlers,
  metadataOf,
  type Outcome,
  type RunningServer,
  type SayOptions,
  serve,
} from '../support/loopback.ts';
import { coalesceIn, forms, openTunnel } from './pair.ts';

const CALLS = 2_000;
const SEED = 20_261;

/** One call of the workload. Its text says all that the handler needs to know. */
interface Call {
  readonly text: string;
  readonly options: SayOptions;
}

function workload(seed: number): Call[] {
  const random = seededRandom(seed);
  const oneOf = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  return Array.from({ length: CALLS }, (_, i) => {
    const plan = {
      id: `${seed}-${i}`,
      outcome: oneOf(['ok', 'ok', 'ok', 'ok', 'error', 'details', 'throw', 'reject', 'empty']),
      turns: oneOf([0, 0, 0, 1, 2, 5]),
      headers: random() < 0.3,
      trailers: random() < 0.3,
      filler: 'é'.repeat(Math.floor(random() ** 6 * 20_000)),
    };
    const values: Record<string, string | string[]> = { 'x-request-id': plan.id };
    if (random() < 0.5) values['tenant'] = oneOf(['a', 'b', 'c']);
    if (random() < 0.2) values['x-many'] = ['1', oneOf(['1', '2'])];
    if (random() < 0.2) values['x-blob-bin'] = oneOf(['00', 'ff', '']);
    return { text: JSON.stringify(plan), options: { metadata: metadataOf(values), method: oneOf(['say', 'say', 'tell'] as const) } };
  });
}

/** What ran, how often. */
const ran = new Map<string, number>();

const handler: Handlers['say'] = async (call, callback) => {
  const { text } = call.request;
  if (text === 'learn') return callback(null, { text });
  const plan: { id: string; outcome: string; turns: number; headers: boolean; trailers: boolean } = JSON.parse(text);
  ran.set(plan.id, (ran.get(plan.id) ?? 0) + 1);
  for (let i = 0; i < plan.turns; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  const { id } = plan;
  if (plan.headers) call.sendMetadata(metadataOf({ 'x-head': id, 'x-head-bin': ['00ff', '01'] }));
  const trailers = plan.trailers ? metadataOf({ 'x-trail': [id, 'more'], 'grpc-status-details-bin': '0a' }) : undefined;
  const seen = {
    id,
    path: call.getPath(),
    metadata: Object.keys(call.metadata.getMap())
      .sort()
      .map((key) => [key, call.metadata.get(key).map(String)]),
  };
  switch (plan.outcome) {
    case 'error':
      return callback({ code: 5, details: `no ${id}`, ...(trailers === undefined ? {} : { metadata: trailers }) });
    case 'details':
      return callback({ code: 9, details: `%, ü and € of ${id}` }, null, trailers);
    case 'throw':
      throw new Error(`secret of ${id}`);
    case 'reject':
      return Promise.reject(Object.assign(new Error(`of ${id}`), { code: 10 }));
    case 'empty':
      return callback(null, { text: '' }, trailers);
    default:
      callback(null, { text: JSON.stringify(seen) + text.length }, trailers);
  }
};

/** Makes the calls in gusts of random size, as an app under load does. */
async function run(client: EchoClient, calls: readonly Call[], random: Random): Promise<Outcome[]> {
  const outcomes: Promise<Outcome>[] = [];
  for (let next = 0; next < calls.length; ) {
    const gust = 1 + Math.floor(random() * 60);
    for (const { text, options } of calls.slice(next, next + gust)) outcomes.push(client.say(text, options));
    next += gust;
    if (random() < 0.3) await Promise.all(outcomes.slice(-gust));
    else await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return Promise.all(outcomes);
}

const calls = workload(SEED);
let running: RunningServer;
/** What a bare client gets. */
let expected: Outcome[];
beforeAll(async () => {
  running = await serve({ server: new MeshServer(), handlers: { say: handler, tell: handler } });
  using client = new EchoClient({ address: running.address });
  expected = await run(client, calls, seededRandom(SEED));
});
afterAll(() => running.kill());

describe.each(doors.flatMap((door) => forms.map((form) => ({ door, form }))))('at door $door, in $form', ({ door, form }) => {
  test(`${CALLS} random calls have the same outcomes direct and coalesced (K1)`, async () => {
    const mesh = createMesh({ coalesce: coalesceIn(form) });
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.learn();
    if (form === 'tunnel') await openTunnel(mesh, client);
    ran.clear();
    const before = mesh.stats();
    const outcomes = await run(client, calls, seededRandom(SEED));
    for (const [i, outcome] of outcomes.entries()) expect(outcome).toEqual(expected[i]);
    expect([...ran.values()].filter((times) => times !== 1)).toEqual([]);
    expect(ran.size).toBe(CALLS);
    const { coalesce, client: counts } = mesh.stats();
    const { items, messages } =
      form === 'tunnel' ? { ...coalesce.tunnels, messages: coalesce.tunnels.frames } : { ...coalesce, messages: coalesce.carriers };
    expect(items).toBeGreaterThan(CALLS / 2);
    expect(messages).toBeLessThan(items / 2);
    expect(counts).toMatchObject({ calls: CALLS + before.client.calls, active: 0, retries: 0 });
  });
});
