/**
 * The soak: 100,000 calls with random cancels, deadlines and errors through both doors, with and without coalescing. Every
 * caller must be told once; heap, timers and sockets must be back where they were. Ends with exit code 1 otherwise.
 *
 *     node --expose-gc test/soak/run.ts [calls in all, default 100000] [seed, default 1]
 */

import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { seededRandom } from '../../src/random.ts';
import { coalesceIn, type Form, forms } from '../grpc/pair.ts';
import { type Door, doors, EchoClient, serve } from '../support/loopback.ts';
import { type Book, load, moody } from './load.ts';

const [total = 100_000, seed = 1] = process.argv.slice(2).map(Number);
const { gc } = globalThis;
if (gc === undefined) throw new Error('run with --expose-gc');

/** What must be the same before and after. */
async function measure(): Promise<{ readonly heapMb: number; readonly timers: number; readonly sockets: number }> {
  let heapMb = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => void setTimeout(resolve, 20));
    gc?.();
    heapMb = Math.min(heapMb, process.memoryUsage().heapUsed / 2 ** 20);
  }
  const resources = process.getActiveResourcesInfo();
  const count = (name: string): number => resources.filter((one) => one === name).length;
  return { heapMb, timers: count('Timeout'), sockets: count('TCPSocketWrap') };
}

const faults: string[] = [];
function check(name: string, holds: boolean, seen: unknown): void {
  if (!holds) faults.push(`${name}: ${JSON.stringify(seen)}`);
}
/** Both ends of one connection, at least. */
const mostSockets = (before: number): number => Math.max(2, before);
const once = ({ told }: Book): boolean => told.every((times) => times === 1);

async function soak(door: Door, form: 'never' | Form, calls: number): Promise<void> {
  const name = `${door}, ${form === 'never' ? 'no batches' : `in ${form}s`}`;
  const random = seededRandom(seed);
  const serving = createMesh({ server: { bulkhead: { slots: 100, queue: 1000 } } });
  const running = await serve({ server: new MeshServer({ mesh: serving }), handlers: moody });
  const mesh = createMesh({
    coalesce: form === 'never' ? 'never' : coalesceIn(form),
    defaults: { bulkhead: { slots: 96, queue: 8 }, retryPolicy: { initialBackoff: '0.002s' }, timeout: '10s' },
    retryBudget: { ratio: 1 },
  });
  const client = new EchoClient({ address: running.address, mesh, door });
  check(`${name}: warm-up`, once(await load(client.stub, Math.min(3000, calls), 110, random)), '');
  const before = await measure();
  const startedMs = performance.now();
  const book = await load(client.stub, calls, 110, random);
  const seconds = (performance.now() - startedMs) / 1000;
  let after = await measure();
  // A connection that fell silent was replaced: grpc-js lets the old one go with its next sweep, every ten seconds.
  for (let waits = 0; waits < 15 && after.sockets > mostSockets(before.sockets); waits++) {
    await new Promise((resolve) => void setTimeout(resolve, 1_000));
    after = await measure();
  }
  const stats = mesh.stats();
  const wrong = book.told.filter((times) => times !== 1).length;
  check(`${name}: callers that were not told exactly once`, wrong === 0, wrong);
  check(`${name}: calls still out`, stats.client.active === 0, stats.client.active);
  check(`${name}: calls still served`, serving.stats().server.active === 0, serving.stats().server.active);
  check(
    `${name}: load left on an endpoint`,
    Object.values(stats.endpoints).every((list) => list.every(({ inFlight }) => inFlight === 0)),
    stats.endpoints,
  );
  check(`${name}: heap`, after.heapMb - before.heapMb < 3 + calls / 50_000, { before, after });
  check(`${name}: timers`, after.timers <= before.timers, { before, after });
  check(`${name}: sockets`, after.sockets <= mostSockets(before.sockets), { before, after });
  check(
    `${name}: it was a soak`,
    [0, 1, 4, 9].every((code) => (book.codes[code] ?? 0) > calls / 200),
    book.codes,
  );
  const items = form === 'tunnel' ? stats.coalesce.tunnels.items : stats.coalesce.items;
  if (form !== 'never') check(`${name}: batches`, items > calls / 10, stats.coalesce);
  await mesh.close();
  running.kill();
  const heap = (after.heapMb - before.heapMb).toFixed(1);
  console.log(
    `${name}: ${calls} calls in ${seconds.toFixed(1)} s, codes ${JSON.stringify(book.codes)}, heap ${heap} MB, retries ${stats.client.retries}, items ${items}`,
  );
}

for (const door of doors) for (const form of ['never', ...forms] as const) await soak(door, form, Math.ceil(total / (3 * doors.length)));
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
