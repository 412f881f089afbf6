/**
 * What it costs the main thread to hand a call to a worker thread and its answer back: no network, an echo, batches of 64.
 *
 * @packageDocumentation
 */
import { EventEmitter } from 'node:events';
import { Metadata, type MethodDefinition, type ServerUnaryCall, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { createMesh, type Mesh } from '../src/index.ts';
import { Echo, type Msg } from './echo.ts';
import { spread } from './stats.ts';

const BATCH = 64;

/**
 * How messages cross: `bytes`: as they came; `recoded`: read by the server, written again for the thread; `cloned`: read by
 * the server, objects cloned.
 */
export const WAYS = ['bytes', 'recoded', 'cloned'] as const;
export type Way = (typeof WAYS)[number];

type Handler = (call: ServerUnaryCall<unknown, unknown>, callback: (error: unknown, value?: unknown) => void) => void;

const method = Echo.service['Say'] as MethodDefinition<Msg, Msg>;

function callOf(request: unknown): ServerUnaryCall<unknown, unknown> {
  const surface = {
    request,
    metadata: new Metadata(),
    cancelled: false,
    getPeer: () => 'peer',
    getHost: () => 'host',
    getPath: () => method.path,
    getDeadline: () => Number.POSITIVE_INFINITY,
  };
  return Object.assign(new EventEmitter(), surface) as unknown as ServerUnaryCall<unknown, unknown>;
}

function handlerOf(
  mesh: Mesh,
  way: Way,
): { readonly handler: Handler; readonly ready: Promise<void>; readonly close: () => Promise<void> } {
  const file = way === 'cloned' ? 'workers-objects.ts' : 'workers-handler.ts';
  const workers = mesh.workers({ module: new URL(file, import.meta.url), threads: 1, inFlight: BATCH, data: { steps: 0 } });
  const from: UntypedServiceImplementation =
    way === 'bytes' ? workers.service(Echo.service).implementation : workers.handlers(Echo.service);
  return { handler: from['Say'] as Handler, ready: workers.ready, close: () => workers.close() };
}

/** CPU of the main thread for a call, in us: what the server's codec does is in it where the server has to. */
export async function mainCpuUs(way: Way, textBytes: number, rounds: number): Promise<number> {
  const mesh = createMesh({}, { warn: () => undefined });
  const { handler, ready, close } = handlerOf(mesh, way);
  await ready;
  const wire = method.requestSerialize({ id: 1, text: 'x'.repeat(textBytes) });
  const batch = (): Promise<void> =>
    new Promise((resolve, reject) => {
      let out = BATCH;
      for (let i = 0; i < BATCH; i++) {
        handler(callOf(way === 'bytes' ? wire : method.requestDeserialize(wire)), (error, value) => {
          if (error !== null) reject(error);
          else if (way !== 'bytes') method.responseSerialize(value as Msg);
          if (--out === 0) resolve();
        });
      }
    });
  for (let i = 0; i < 40 * rounds; i++) await batch();
  const figures: number[] = [];
  const batches = 60;
  for (let round = 0; round < rounds; round++) {
    const from = process.threadCpuUsage();
    for (let i = 0; i < batches; i++) await batch();
    const { user, system } = process.threadCpuUsage(from);
    figures.push((user + system) / batches / BATCH);
  }
  await close();
  return spread(figures).median;
}

/** Prints a table: ways by sizes. */
export async function runTransport(rounds: number, print: (line: string) => void): Promise<void> {
  const sizes = [32, 1024, 16_384];
  print('\nCPU of the main thread to hand over a call and take its answer, us, by bytes of its text\n');
  print(`${'messages'.padEnd(12)}${sizes.map((size) => String(size).padStart(9)).join('')}`);
  for (const way of WAYS) {
    const cells: string[] = [];
    for (const size of sizes) cells.push((await mainCpuUs(way, size, rounds)).toFixed(1).padStart(9));
    print(`${way.padEnd(12)}${cells.join('')}`);
  }
}
