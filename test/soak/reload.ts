/**
 * 100 reloads a second on each side under load, all in one process: every call is answered, none is told twice, and heap, timers, sockets
 * and tunnels are back where they were. Ends with exit code 1 otherwise.
 *
 *     node --expose-gc test/soak/reload.ts [seconds of each part, default 10]
 */
import { Metadata } from '@grpc/grpc-js';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { coalesceIn, type Form, forms } from '../grpc/pair.ts';
import { type ClientDoor, clientDoors, EchoClient, type RunningServer, serve } from '../support/loopback.ts';

const [seconds = 10] = process.argv.slice(2).map(Number);
const WIDTH = 64;
const RELOAD_EVERY_MS = 10;
const { gc } = globalThis;
if (gc === undefined) throw new Error('run with --expose-gc');

const faults: string[] = [];
function check(name: string, holds: boolean, seen: unknown): void {
  if (!holds) faults.push(`${name}: ${JSON.stringify(seen)}`);
}
const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** What must be the same before and after. */
async function measure(): Promise<{ readonly heapMb: number; readonly timers: number; readonly sockets: number }> {
  let heapMb = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    await sleep(20);
    gc?.();
    heapMb = Math.min(heapMb, process.memoryUsage().heapUsed / 2 ** 20);
  }
  const resources = process.getActiveResourcesInfo();
  const count = (name: string): number => resources.filter((one) => one === name).length;
  return { heapMb, timers: count('Timeout'), sockets: count('TCPSocketWrap') };
}

/** Documents that differ in everything that can be changed without losing a call. */
function clientPolicies(form: Form | 'never', other: RunningServer): readonly Policy[] {
  const coalesce = (more: object): Policy => ({ coalesce: form === 'never' ? 'never' : { ...(coalesceIn(form) as object), ...more } });
  const methods = (slots: number, more: object = {}): Policy => ({
    methods: { 'loop.Echo/Say': { idempotent: true, timeout: '60s', bulkhead: { slots, queue: 1000 }, ...more } },
  });
  return [
    { ...coalesce({}), ...methods(64) },
    { ...coalesce({}), ...methods(8), retryBudget: { ratio: 0.5 } },
    { ...coalesce({ maxItems: 16 }), ...methods(8, { limit: { algorithm: 'aimd', initial: 100, min: 64 } }) },
    { ...coalesce({ maxItems: 16 }), retryBudget: { throttle: { maxTokens: 100, tokenRatio: 0.1 } }, balance: { decay: '5s' } },
    { ...methods(100, { hedgingPolicy: { maxAttempts: 2, hedgingDelay: '5s' }, breaker: { consecutiveFailures: 1000 } }) },
    { ...coalesce({}), ...methods(32), clusters: { other: { target: other.address } }, routes: [{ cluster: 'other' }] },
    { ...coalesce({ itemMetadata: ['x-id'] }), adaptiveThrottle: {}, outlierDetection: { consecutiveFailures: 0 } },
    { clusters: { other: { target: other.address } }, routes: [{ split: [{ weight: 1 }, { cluster: 'other', weight: 1 }] }] },
  ];
}

const SERVER_POLICIES: readonly Policy[] = [
  {},
  { server: { bulkhead: { slots: 16, queue: 1000 } } },
  { server: { carriers: false, limit: { algorithm: 'vegas', min: 50, initial: 50, queue: 1000 } } },
  { server: { methodBulkheads: { 'loop.Echo/Say': { slots: 16, queue: 1000 } }, maxItems: 64 } },
  { server: { tunnels: false, defaultTimeout: '60s' } },
];

/** Reloads in turn, one for every 10 ms that have passed (under load timers come late), until it is told to end. */
function reloading(mesh: Mesh, policies: readonly Policy[]): { readonly count: () => number; readonly end: () => void } {
  const startMs = performance.now();
  let count = 0;
  const timer = setInterval(() => {
    const due = (performance.now() - startMs) / RELOAD_EVERY_MS;
    while (count < due) mesh.reload(policies[count++ % policies.length] ?? {});
  }, RELOAD_EVERY_MS);
  return { count: () => count, end: () => clearInterval(timer) };
}

/** Calls for so long, some at a time; how often each was told its end, and by what. */
async function load(client: EchoClient, forMs: number): Promise<{ readonly told: number[]; readonly codes: Record<number, number> }> {
  const told: number[] = [];
  const codes: Record<number, number> = {};
  const untilMs = performance.now() + forMs;
  const worker = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const index = told.push(0) - 1;
      await new Promise<void>((resolve) => {
        client.stub.say({ text: 'x' }, new Metadata(), {}, (error) => {
          const code = error === null ? 0 : error.code;
          codes[code] = (codes[code] ?? 0) + 1;
          told[index] = (told[index] ?? 0) + 1;
          resolve();
        });
      });
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  await sleep(50); // whoever would be told twice, is told by now
  return { told, codes };
}

async function soak(door: ClientDoor, form: Form | 'never'): Promise<void> {
  const name = `${door}, ${form === 'never' ? 'no batches' : `in ${form}s`}`;
  const serving = createMesh({}, { warn: () => {} });
  const running = await serve({ server: new MeshServer({ mesh: serving }) });
  const other = await serve({ server: new MeshServer({ mesh: createMesh({}) }) });
  const policies = clientPolicies(form, other);
  const mesh = createMesh(policies[0] ?? {});
  const client = new EchoClient({ address: running.address, mesh, door });
  const part = async (forMs: number): Promise<{ readonly reloads: number; readonly calls: number; readonly wrong: unknown }> => {
    const [ours, theirs] = [reloading(mesh, policies), reloading(serving, SERVER_POLICIES)];
    const { told, codes } = await load(client, forMs);
    ours.end();
    theirs.end();
    const twice = told.filter((times) => times !== 1).length;
    const { 0: _ok, ...failed } = codes;
    return { reloads: ours.count() + theirs.count(), calls: told.length, wrong: { twice, failed } };
  };
  const settled = async (): Promise<void> => {
    mesh.reload({});
    serving.reload({});
    for (let i = 0; i < 100 && (mesh.stats().coalesce.tunnels.open > 0 || Object.keys(mesh.stats().endpoints).length > 1); i++)
      await sleep(50);
  };
  await part(1_000); // whatever is made once is made
  await settled();
  const before = await measure();
  const { reloads, calls, wrong } = await part(seconds * 1000);
  await settled();
  const after = await measure();
  const stats = mesh.stats();
  check(`${name}: calls that were lost or told twice`, JSON.stringify(wrong) === '{"twice":0,"failed":{}}', wrong);
  check(`${name}: reloads`, reloads >= 2 * 95 * seconds, reloads);
  check(`${name}: calls still out`, stats.client.active + serving.stats().server.active === 0, stats.client.active);
  check(`${name}: tunnels`, stats.coalesce.tunnels.open === 0, stats.coalesce.tunnels);
  check(`${name}: targets`, Object.keys(stats.endpoints).length === 1, Object.keys(stats.endpoints));
  check(`${name}: heap`, after.heapMb - before.heapMb < 3 + reloads / 5_000, { before, after });
  check(`${name}: timers`, after.timers <= before.timers + 1, { before, after });
  check(`${name}: sockets`, after.sockets <= before.sockets, { before, after });
  client[Symbol.dispose]();
  await mesh.close();
  await serving.close();
  running.kill();
  other.kill();
  const heap = (after.heapMb - before.heapMb).toFixed(1);
  console.log(`${name}: ${calls} calls, ${reloads} reloads, heap ${heap} MB, ${JSON.stringify({ wrong, before, after })}`);
}

for (const door of clientDoors) for (const form of ['never', ...forms] as const) await soak(door, form);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
