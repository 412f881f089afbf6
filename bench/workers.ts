/**
 * `node bench/workers.ts`: a handler that needs the CPU for 5 ms, called in batches of 64, on the main thread, in one worker thread and in two;
 * and what it costs the main thread to hand calls to threads. `--quick` takes less time.
 *
 * Server and client are in this process, so that the event loop whose delay is shown has the client's work as well.
 *
 * @packageDocumentation
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { credentials, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { createMesh, type Mesh, MeshServer } from '../src/index.ts';
import { Echo, type Msg, sayOf, TEXT } from './echo.ts';
import { spread } from './stats.ts';
import { type Work, work } from './workers-handler.ts';
import { runTransport } from './workers-transport.ts';

/** Calls of one batch. */
const BATCH = 64;
/** Batches out at a time, so that threads have the next one when the last one runs out. */
const BATCHES_OUT = 2;

/** One measurement. */
export interface Cell {
  /** 0: the handler runs on the main thread. */
  readonly threads: number;
  /** Work of a call, from `calibrate`. */
  readonly steps: number;
  readonly warmMs: number;
  readonly sliceMs: number;
}

/** What came of it. */
export interface Result {
  readonly callsPerSecond: number;
  /** 99th percentile and highest delay of the main thread's event loop, in ms. */
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly failed: number;
}

/** Steps of work that take `ms` of an idle core, by the fastest of some tries. */
export function calibrate(ms: number): number {
  const probe = 2_000_000;
  let bestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 15; i++) {
    const from = performance.now();
    work(probe);
    bestMs = Math.min(bestMs, performance.now() - from);
  }
  return Math.round((probe * ms) / bestMs);
}

interface Service {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
  readonly ready?: Promise<void>;
}

function serviceOf(mesh: Mesh, { threads, steps }: Cell): Service {
  const definition = Echo.service;
  if (threads === 0) {
    const Say: UntypedServiceImplementation[string] = (call: { request: Msg }, callback: (error: null, answer: Msg) => void) => {
      work(steps);
      callback(null, call.request);
    };
    return { definition, implementation: { Say } };
  }
  const data: Work = { steps };
  const workers = mesh.workers({ module: new URL('workers-handler.ts', import.meta.url), threads, data });
  return { ...workers.service(definition), ready: workers.ready };
}

/** Runs one cell, with a server and a client of its own. */
export async function measure(cell: Cell): Promise<Result> {
  const mesh = createMesh({}, { warn: () => undefined });
  const caller = createMesh({ coalesce: 'auto' });
  const server = new MeshServer({ mesh });
  const { definition, implementation, ready } = serviceOf(mesh, cell);
  server.addService(definition, implementation);
  await ready;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const client = new Echo(`127.0.0.1:${port}`, credentials.createInsecure(), caller.client());
  const say = sayOf(client);
  let answered = 0;
  let failed = 0;
  const batch = (): Promise<void> =>
    new Promise((resolve) => {
      let out = BATCH;
      for (let id = 0; id < BATCH; id++) {
        say({ id, text: TEXT }, (error) => {
          if (error === null) answered++;
          else failed++;
          if (--out === 0) resolve();
        });
      }
    });
  await new Promise<void>((resolve) => say({ id: 0, text: TEXT }, () => resolve())); // learns that the server takes batches
  let until = performance.now() + cell.warmMs;
  const loop = async (): Promise<void> => {
    while (performance.now() < until) await batch();
  };
  await Promise.all(Array.from({ length: BATCHES_OUT }, loop));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  answered = failed = 0;
  const fromMs = performance.now();
  until = fromMs + cell.sliceMs;
  delay.enable();
  await Promise.all(Array.from({ length: BATCHES_OUT }, loop));
  delay.disable();
  const seconds = (performance.now() - fromMs) / 1000;
  const calls = answered;
  client.close();
  await Promise.all([caller.close(), mesh.close()]);
  server.forceShutdown();
  return {
    callsPerSecond: calls / seconds,
    loopP99Ms: Math.max(0, delay.percentile(99) / 1e6 - 1),
    loopMaxMs: Math.max(0, delay.max / 1e6 - 1),
    failed,
  };
}

/** How long all of it takes. */
export interface Plan {
  readonly rounds: number;
  readonly warmMs: number;
  readonly sliceMs: number;
}

/** Two threads against one, in alternating rounds; the main thread once. */
export async function runThreads({ rounds, warmMs, sliceMs }: Plan, print: (line: string) => void): Promise<readonly number[]> {
  const base = { steps: calibrate(5), warmMs, sliceMs };
  const row = (name: string, results: readonly Result[]): void => {
    const of = (pick: (result: Result) => number): number => spread(results.map(pick)).median;
    const failed = results.reduce((sum, result) => sum + result.failed, 0);
    const cells = [of((r) => r.callsPerSecond), of((r) => r.loopP99Ms), of((r) => r.loopMaxMs)].map((value) =>
      value.toFixed(1).padStart(9),
    );
    print(`${name.padEnd(12)}${cells.join('')}${failed > 0 ? `   ${failed} FAILED` : ''}`);
  };
  print(`a handler of 5 ms CPU, ${BATCHES_OUT} batches of ${BATCH} out\n`);
  print(`${'handler in'.padEnd(12)}${['calls/s', 'loop p99', 'max ms'].map((title) => title.padStart(9)).join('')}`);
  row('main', [await measure({ ...base, threads: 0 })]);
  const one: Result[] = [];
  const two: Result[] = [];
  for (let round = 0; round < rounds; round++) {
    one.push(await measure({ ...base, threads: 1 }));
    two.push(await measure({ ...base, threads: 2 }));
  }
  row('1 thread', one);
  row('2 threads', two);
  const gains = two.map((result, round) => result.callsPerSecond / (one[round]?.callsPerSecond ?? Number.NaN));
  const { median, min, max } = spread(gains);
  print(`\n2 threads / 1: ${median.toFixed(2)} [${min.toFixed(2)}..${max.toFixed(2)}] over ${rounds} rounds; target >= 1.7`);
  const p99 = spread(two.map(({ loopP99Ms }) => loopP99Ms)).median;
  print(`event-loop delay with 2 threads, p99: ${p99.toFixed(2)} ms; target < 20`);
  return gains;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' } } });
  const print = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  print(`node ${process.version}\n`);
  const plan = values.quick ? { rounds: 1, warmMs: 150, sliceMs: 600 } : { rounds: 9, warmMs: 500, sliceMs: 1500 };
  await runThreads(plan, print);
  if (process.threadCpuUsage === undefined) print('\nNode 24 tells the CPU of one thread, this one does not');
  else await runTransport(values.quick ? 3 : 9, print);
}
