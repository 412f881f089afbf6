/**
 * Native batches against what people write by hand: a `dataloader` in front of the batch method.
 *
 *     node bench/native.ts [--callers 256] [--rounds 9] [--slice-ms 500] [--variants dataloader,native-wrap]
 *
 * One server process, one client process, every variant in every round in an order of its own; ratios are those of one
 * round. `dataloader` keeps no cache, for then it would answer without a call.
 *
 * @packageDocumentation
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  type Client,
  type ClientOptions,
  credentials,
  loadPackageDefinition,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type ServiceDefinition,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { createMesh, type Mesh, type Policy } from '../src/index.ts';
import { seededRandom } from '../src/random.ts';
import { closedLoop } from './closed-loop.ts';
import type { Call } from './echo.ts';
import { cpuUs } from './protocol.ts';
import { ratios, spread } from './stats.ts';

const TARGET = 0.9;
const SERVICE = 'bench.v1.Items';
const definition: PackageDefinition = loadSync(fileURLToPath(new URL('native.proto', import.meta.url)));
const Items = (loadPackageDefinition(definition) as unknown as { bench: { v1: { Items: ServiceClientConstructor } } }).bench.v1.Items;

interface Item {
  readonly id: number;
  readonly text: string;
}
/** As a code generator would type it. */
type ItemsDefinition = {
  readonly GetItem: MethodDefinition<{ readonly id: number }, Item> & { readonly requestStream: false; readonly responseStream: false };
};
type Answer = (error: ServiceError | null, value?: Item) => void;
/** The generated client. */
interface ItemsClient extends Client {
  getItem(request: { readonly id: number }, answer: Answer): unknown;
  batchGetItems(
    request: { readonly ids: readonly number[] },
    answer: (error: ServiceError | null, value?: { readonly items: Item[] }) => void,
  ): unknown;
}

/** A way to get an item. */
interface Variant {
  readonly name: VariantName;
  readonly call: Call;
  /** Calls in one batch so far. */
  readonly perBatch: () => number;
  readonly close: () => void;
}
/** What is compared; `bare` merges nothing, `lean` has no telemetry. */
export const NATIVE_VARIANTS = [
  'dataloader',
  'native-interceptors',
  'native-channel',
  'native-wrap',
  'native-wrap-lean',
  'native-typed',
  'bare',
] as const;
type VariantName = (typeof NATIVE_VARIANTS)[number];

const POLICY: Policy = {
  methods: { [`${SERVICE}/GetItem`]: { batch: { via: 'BatchGetItems', lift: { from: 'id', to: 'ids' }, result: { items: 'items' } } } },
};

const itemOf = (id: number): Item => ({ id, text: `the text of item ${id}, which is as long as most texts are` });

async function serve(): Promise<void> {
  const handlers: UntypedServiceImplementation = {
    getItem: (call: { request: { id: number } }, answer: Answer) => answer(null, itemOf(call.request.id)),
    batchGetItems: (call: { request: { ids: number[] } }, answer: (error: null, value: object) => void) =>
      answer(null, { items: call.request.ids.map(itemOf) }),
  };
  const server = new Server();
  server.addService(definition[SERVICE] as ServiceDefinition, handlers);
  process.on('disconnect', () => process.exit(0));
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) => process.send?.(port));
}

async function variant(name: VariantName, address: string): Promise<Variant> {
  const open = (options: ClientOptions): ItemsClient =>
    new Items(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1, ...options }) as unknown as ItemsClient;
  if (name === 'dataloader') return byHand(open({}));
  if (name === 'bare') {
    const client = open({});
    return { name, call: adapted(client), perBatch: () => 1, close: () => client.close() };
  }
  const policy: Policy = name === 'native-wrap-lean' ? { ...POLICY, telemetry: { traces: false, metrics: false } } : POLICY;
  const mesh: Mesh = createMesh(policy, { descriptors: definition });
  const perBatch = (): number => {
    const { items, batches } = mesh.stats().native;
    return items / batches;
  };
  if (name === 'native-typed') {
    const typed = mesh.typed(definition[SERVICE] as unknown as ItemsDefinition, address, credentials.createInsecure());
    const call: Call = ({ id }, answer) => {
      typed.getItem({ id }).then(
        (item) => answer(null, item),
        (error: ServiceError) => answer(error),
      );
    };
    return { name, call, perBatch, close: () => typed.close() };
  }
  const client = open(name === 'native-interceptors' ? { ...mesh.options(), interceptors: mesh.interceptors() } : mesh.client());
  const called = name.startsWith('native-wrap') ? (mesh.wrap(client, { interceptors: 'none' }) as unknown as ItemsClient) : client;
  return { name, call: adapted(called), perBatch, close: () => client.close() };
}

const adapted =
  (client: ItemsClient): Call =>
  ({ id }, answer) =>
    void client.getItem({ id }, answer);

/** What people write. */
async function byHand(client: ItemsClient): Promise<Variant> {
  const { default: DataLoader } = await import('dataloader');
  let batches = 0;
  let items = 0;
  const loader = new DataLoader<number, Item>(
    (ids) => {
      batches++;
      items += ids.length;
      return new Promise((resolve, reject) => {
        client.batchGetItems({ ids }, (error, value) => (error === null ? resolve(value?.items ?? []) : reject(error)));
      });
    },
    { cache: false, maxBatchSize: 128 },
  );
  const call: Call = ({ id }, answer) => {
    loader.load(id).then(
      (item) => answer(null, item),
      (error: ServiceError) => answer(error),
    );
  };
  return { name: 'dataloader', call, perBatch: () => items / batches, close: () => client.close() };
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
  console.log('variant              calls/s   a batch   client us   of dataloader (min..max)');
  for (const { name, perBatch } of variants) {
    const rate = spread(column(name, 'callsPerSecond'));
    const us = spread(column(name, 'clientUs'));
    const ratio = spread(ratios(column(name, 'callsPerSecond'), column('dataloader', 'callsPerSecond')));
    const judged = name.startsWith('native') ? ` >= ${TARGET}: ${ratio.median >= TARGET ? 'holds' : 'does not hold'}` : '';
    const range = `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)})`;
    const numbers = [Math.round(rate.median).toString().padStart(7), perBatch().toFixed(1).padStart(9), us.median.toFixed(1).padStart(11)];
    console.log(`${name.padEnd(20)} ${numbers.join(' ')}   ${range}${judged}`);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { callers: { type: 'string' }, rounds: { type: 'string' }, 'slice-ms': { type: 'string' }, variants: { type: 'string' } },
  });
  const callers = Number(values.callers ?? 256);
  const plan = { callers, rounds: Number(values.rounds ?? 9), sliceMs: Number(values['slice-ms'] ?? 500) };
  const server: ChildProcess = fork(fileURLToPath(import.meta.url), ['serve']);
  try {
    const [port] = (await once(server, 'message')) as [number];
    const variants: Variant[] = [];
    const names = NATIVE_VARIANTS.filter((name) => values.variants?.split(',').includes(name) ?? true);
    for (const name of names) variants.push(await variant(name, `127.0.0.1:${port}`));
    report(variants, await rounds(variants, plan), callers);
    for (const { close } of variants) close();
  } finally {
    server.disconnect();
  }
}

if (process.argv[2] === 'serve') await serve();
else await main();
