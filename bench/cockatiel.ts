/**
 * cockatiel's policies around calls, against bare grpc-js and against the same behaviours of ours.
 *
 *     node bench/cockatiel.ts [--callers 64] [--rounds 9] [--slice-ms 500] [--variants bare,policies]
 *
 * One server process, one client process, every variant in every round in an order of its own; ratios are those of one
 * round. The four policies are retry, circuit breaker, bulkhead and timeout, none of which ever has to act.
 *
 * @packageDocumentation
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type ClientOptions, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import {
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  type IPolicy,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { createMesh, type Mesh, type MeshDependencies, type Policy, policyInterceptor } from '../src/index.ts';
import { seededRandom } from '../src/random.ts';
import { closedLoop } from './closed-loop.ts';
import { type Call, Echo, type EchoClient, type Msg, makeClient, sayOf } from './echo.ts';
import { cpuUs } from './protocol.ts';
import { ratios, spread } from './stats.ts';

/** What is compared. `by-hand`: `policy.execute` around a promise of each call, as programs have it without inmesh. */
export const COCKATIEL_VARIANTS = ['bare', 'by-hand', 'interceptor', 'policies', 'ours', 'ours-wrap'] as const;
type VariantName = (typeof COCKATIEL_VARIANTS)[number];

interface Variant {
  readonly name: VariantName;
  readonly call: Call;
  readonly close: () => void;
}

const SLOTS = 1000;
const LEAN: Policy = { telemetry: { traces: false, metrics: false } };
/** The same four of ours. */
const OURS: Policy = {
  ...LEAN,
  defaults: {
    timeout: '10s',
    idempotent: true,
    retryPolicy: { maxAttempts: 3 },
    breaker: { consecutiveFailures: 5 },
    bulkhead: { slots: SLOTS, queue: SLOTS },
  },
};

function four(): IPolicy {
  const isUnavailable = handleWhen((error) => (error as ServiceError).code === status.UNAVAILABLE);
  return wrap(
    retry(isUnavailable, { maxAttempts: 2, backoff: new ExponentialBackoff() }),
    circuitBreaker(isUnavailable, { halfOpenAfter: 1000, breaker: new ConsecutiveBreaker(5) }),
    bulkhead(SLOTS, SLOTS),
    timeout(10_000, TimeoutStrategy.Cooperative),
  );
}

async function serve(): Promise<void> {
  const server = new Server();
  server.addService(Echo.service, {
    say: (call: { request: Msg }, callback: (error: null, value: Msg) => void) => callback(null, call.request),
  });
  process.on('disconnect', () => process.exit(0));
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) => process.send?.(port));
}

/** What people write. */
function byHand(client: EchoClient): Call {
  const say = sayOf(client);
  const policy = four();
  return (request, done) => {
    const promised = (): Promise<Msg | undefined> =>
      new Promise((resolve, reject) => {
        say(request, (error, answer) => (error === null ? resolve(answer) : reject(error)));
      });
    policy.execute(promised).then(
      (answer) => done(null, answer),
      (error: ServiceError) => done(error),
    );
  };
}

function variant(name: VariantName, address: string): Variant {
  const open = (options: ClientOptions): EchoClient =>
    makeClient(address, { options: { 'grpc.use_local_subchannel_pool': 1, ...options } });
  const meshed = (policy: Policy, dependencies: MeshDependencies = {}): { mesh: Mesh; client: EchoClient } => {
    const mesh = createMesh(policy, dependencies);
    return { mesh, client: open(mesh.client()) };
  };
  if (name === 'bare' || name === 'by-hand' || name === 'interceptor') {
    const client = open(name === 'interceptor' ? { interceptors: [policyInterceptor(four())] } : {});
    return { name, call: name === 'by-hand' ? byHand(client) : sayOf(client), close: () => client.close() };
  }
  const { mesh, client } =
    name === 'policies' ? meshed({ ...LEAN, defaults: { retryPolicy: { maxAttempts: 1 } } }, { policies: four() }) : meshed(OURS);
  const called = name === 'ours-wrap' ? mesh.wrap(client, { interceptors: 'none' }) : client;
  return { name, call: sayOf(called as EchoClient), close: () => client.close() };
}

/** What one round gave. */
interface Cell {
  readonly callsPerSecond: number;
  /** CPU microseconds per call. */
  readonly clientUs: number;
}
type Cells = Partial<Record<VariantName, Cell>>;

async function rounds(variants: readonly Variant[], plan: { callers: number; rounds: number; sliceMs: number }): Promise<Cells[]> {
  const random = seededRandom(1);
  const all: Cells[] = [];
  for (let round = 0; round <= plan.rounds; round++) {
    const cells: Cells = {};
    for (const { name, call } of variants.toSorted(() => random() - 0.5)) {
      const loop = { callers: plan.callers, warmMs: Math.max(50, plan.sliceMs / 2), sliceMs: plan.sliceMs };
      let cpu = 0;
      const { calls, elapsedMs, failed, firstError } = await closedLoop(call, loop, () => {
        cpu = cpuUs() - cpu;
      });
      if (failed > 0) throw new Error(`${name}: ${failed} calls failed, the first with: ${firstError}`);
      cells[name] = { callsPerSecond: (calls * 1000) / elapsedMs, clientUs: cpu / calls };
    }
    if (round > 0) all.push(cells); // the first one warms up
  }
  return all;
}

function report(variants: readonly Variant[], all: readonly Cells[], callers: number): void {
  const column = (name: VariantName, what: keyof Cell): number[] => all.flatMap((cells) => cells[name]?.[what] ?? []);
  console.log(`node ${process.version}, ${availableParallelism()} cores, ${callers} callers, ${all.length} rounds`);
  console.log('variant        calls/s   client us   of bare (min..max)');
  for (const { name } of variants) {
    const rate = spread(column(name, 'callsPerSecond'));
    const us = spread(column(name, 'clientUs'));
    const ratio = spread(ratios(column(name, 'callsPerSecond'), column('bare', 'callsPerSecond')));
    const range = `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)})`;
    console.log(`${name.padEnd(14)} ${Math.round(rate.median).toString().padStart(7)} ${us.median.toFixed(1).padStart(11)}   ${range}`);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { callers: { type: 'string' }, rounds: { type: 'string' }, 'slice-ms': { type: 'string' }, variants: { type: 'string' } },
  });
  const callers = Number(values.callers ?? 64);
  const plan = { callers, rounds: Number(values.rounds ?? 9), sliceMs: Number(values['slice-ms'] ?? 500) };
  const server: ChildProcess = fork(fileURLToPath(import.meta.url), ['serve']);
  try {
    const [port] = (await once(server, 'message')) as [number];
    const names = COCKATIEL_VARIANTS.filter((name) => values.variants?.split(',').includes(name) ?? true);
    const variants = names.map((name) => variant(name, `127.0.0.1:${port}`));
    report(variants, await rounds(variants, plan), callers);
    for (const { close } of variants) close();
  } finally {
    server.disconnect();
  }
}

if (process.argv[2] === 'serve') await serve();
else await main();
