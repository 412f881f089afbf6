/**
 * The oracle: a random workload of many tenants in one form of travel, every call held against the model of a bare call.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type CallOptions,
  ChannelCredentials,
  Client,
  type ClientUnaryCall,
  Metadata,
  makeGenericClientConstructor,
  type requestCallback,
  type ServiceError,
} from '@grpc/grpc-js';
import type { TypedClient } from '../../src/grpc/typed-client.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { seededRandom } from '../../src/random.ts';
import type { Form } from '../grpc/pair.ts';
import { type ClientDoor, clientDoors } from '../support/loopback.ts';
import { type OracleServer, oracleService } from './server.ts';
import { type Expected, expectedOf, type Plan, sameMetadata, Workload } from './workload.ts';

/** How the calls travel. `direct`: bare grpc-js, to hold the model against it. */
export type Way = { readonly form: 'direct' } | { readonly form: Form; readonly door: OracleDoor };
/** `typed`: promises, which show of a call what they show: response or error, and the error's trailers. */
export type OracleDoor = ClientDoor | 'typed';
export const oracleDoors: readonly OracleDoor[] = [...clientDoors, 'typed'];

export interface Report {
  readonly way: string;
  readonly calls: number;
  readonly seconds: number;
  /** Items in carriers, by the server's count, and carriers (for tunnels: messages) by the client's. */
  readonly items: number;
  readonly messages: number;
  readonly faults: Readonly<Faults>;
  /** The first few differences, in words. */
  readonly samples: readonly string[];
}

export interface Faults {
  /** Carriers of two tenants. */
  mixed: number;
  /** Answers made of another call's request or tenant, and calls that saw another tenant's metadata. */
  foreign: number;
  /** Callbacks and handlers in another call's context. */
  bleed: number;
  /** Calls with another status, text, bytes, headers or trailers than a bare call. */
  different: number;
  /** Callers that were told no end, or two. */
  untold: number;
  /** Calls that ran not once. */
  ran: number;
  /** Calls that are still out when all have ended. */
  left: number;
}

/** Calls that are out at a time, and made in one turn. */
const WIDTH = 768;
const GUST = 200;
/** So many calls are made in small gusts, each to its end: the client learns what its server takes. */
const WARM = 64;
/** So many calls, and other tenants come. */
const ACT = 10_000;
const MAX_TENANTS = 50;
const STUCK_MS = 30_000;

type Unary = (request: Buffer, metadata: Metadata, options: CallOptions, callback: requestCallback<Buffer>) => ClientUnaryCall;
interface Stub extends Client {
  say: Unary;
  tell: Unary;
}
const Stub = makeGenericClientConstructor(oracleService, 'loop.Oracle');

type Typed = TypedClient<typeof oracleService>;

function clientOf(address: string, way: Way, mesh: Mesh | undefined): Stub | Typed {
  const credentials = ChannelCredentials.createInsecure();
  if (mesh !== undefined && way.form !== 'direct' && way.door === 'typed') return mesh.typed(oracleService, address, credentials);
  const make = (options: object): Stub => new Stub(address, credentials, options) as Client as Stub;
  if (mesh === undefined || way.form === 'direct') return make({ 'grpc.use_local_subchannel_pool': 1 });
  if (way.door === 'interceptors') return make({ ...mesh.options(), interceptors: mesh.interceptors() });
  const stub = make({ ...mesh.client() });
  return way.door === 'wrap' ? mesh.wrap(stub, { interceptors: 'none' }) : stub;
}

/** A generated client is grpc-js's class. */
const isTyped = (client: Stub | Typed): client is Typed => !(client instanceof Client);

const context = new AsyncLocalStorage<number>();

class Run {
  readonly faults: Faults = { mixed: 0, foreign: 0, bleed: 0, different: 0, untold: 0, ran: 0, left: 0 };
  readonly samples: string[] = [];
  readonly #client: Stub | Typed;
  readonly #workload: Workload;
  readonly #told: Uint8Array;
  /** Bare grpc-js runs callbacks on a cold channel in another context: that is its own affair. */
  readonly #checksContext: boolean;
  out = 0;
  #done = 0;
  #wake: (() => void) | undefined;

  constructor(client: Stub | Typed, workload: Workload, calls: number, checksContext: boolean) {
    this.#client = client;
    this.#workload = workload;
    this.#told = new Uint8Array(calls);
    this.#checksContext = checksContext;
  }

  /** Makes one call. */
  call(index: number, tenants: readonly number[]): void {
    const plan = this.#workload.plan(index, tenants);
    this.out++;
    context.run(index, () => (isTyped(this.#client) ? this.#promise(this.#client, plan) : this.#start(this.#client, plan)));
  }

  #promise(client: Typed, plan: Plan): void {
    const { index, method, ending, request, metadata, credentials } = plan;
    const expected = expectedOf(plan);
    const ended = (code: number, details: string, response: Buffer | undefined, trailers: Metadata | undefined): void => {
      this.#told[index] = (this.#told[index] ?? 0) + 1;
      if (this.#checksContext && context.getStore() !== index) this.faults.bleed++;
      const seen = { ...expected, headers: 'any' as const, trailers: trailers && expected.trailers };
      this.#compare(index, seen, code, details, response, undefined, trailers ?? new Metadata());
      this.#ended();
    };
    const stop = new AbortController();
    const time = ending === 'never' ? { deadline: Date.now() + 40 } : ending === 'given up' ? { signal: stop.signal } : {};
    client[method](request, { metadata, ...(credentials && { credentials }), ...time }).then(
      (response) => ended(0, 'OK', response, undefined),
      (error: ServiceError) => ended(error.code, error.details, undefined, error.metadata),
    );
    if (ending === 'given up') setImmediate(() => stop.abort());
  }

  #start(stub: Stub, plan: Plan): void {
    const { index, method, ending, request, metadata, credentials } = plan;
    const expected = expectedOf(plan);
    let headers: Metadata | undefined;
    let response: Buffer | undefined;
    let parts = 2;
    const inContext = (): void => {
      if (this.#checksContext && context.getStore() !== index) this.faults.bleed++;
    };
    const part = (): void => {
      inContext();
      if (--parts === 0) this.#ended();
    };
    const options: CallOptions = {};
    if (credentials !== undefined) options.credentials = credentials;
    if (ending === 'never') options.deadline = Date.now() + 40;
    const call = stub[method](request, metadata, options, (_error, value) => {
      this.#told[index] = (this.#told[index] ?? 0) + 1;
      response = value;
      part();
    });
    call.on('metadata', (got: Metadata) => {
      inContext();
      headers = got;
    });
    call.on('status', ({ code, details, metadata: trailers }) => {
      // grpc-js tells the callback first.
      this.#compare(index, expected, code, details, response, headers, trailers);
      part();
    });
    if (ending === 'given up') setImmediate(() => call.cancel());
  }

  #ended(): void {
    this.out--;
    this.#done++;
    this.#wake?.();
  }

  #compare(
    index: number,
    expected: Expected,
    code: number,
    details: string,
    response: Buffer | undefined,
    headers: Metadata | undefined,
    trailers: Metadata,
  ): void {
    const problem = (what: string, seen: unknown, wanted: unknown): void => {
      this.faults.different++;
      if (this.samples.length < 5) this.samples.push(`call ${index}: ${what} ${JSON.stringify(seen)}, expected ${JSON.stringify(wanted)}`);
    };
    if (code !== expected.code) problem('status', [code, details], [expected.code, expected.details]);
    else if (expected.details !== undefined && details !== expected.details) problem('details', details, expected.details);
    else if (expected.response !== undefined && response?.equals(expected.response) !== true) {
      // The first sixteen bytes are the request's digest, what follows names the tenant.
      const sameDigest = response?.subarray(0, 16).equals(expected.response.subarray(0, 16)) === true;
      if (!sameDigest) this.faults.foreign++;
      problem('bytes', response?.toString('latin1').slice(0, 200), expected.response.toString('latin1').slice(0, 200));
    } else if (expected.response === undefined && response !== undefined) problem('bytes', response.length, 'none');
    else if (expected.headers !== 'any' && !sameMetadata(headers, expected.headers))
      problem('headers', headers?.toJSON(), expected.headers);
    else if (expected.trailers !== undefined && !sameMetadata(trailers, expected.trailers))
      problem('trailers', trailers.toJSON(), expected.trailers);
  }

  /** Resolves when fewer calls are out. @throws Error when nothing ends any more. */
  async below(limit: number): Promise<void> {
    while (this.out > limit) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const stuck = setTimeout(() => reject(new Error(`${this.out} calls do not end, after ${this.#done}`)), STUCK_MS);
      await promise.finally(() => clearTimeout(stuck));
    }
    this.#wake = undefined;
  }

  /** Callers that were not told once. */
  get untold(): number {
    return this.#told.reduce((sum, times) => sum + (times === 1 ? 0 : 1), 0);
  }
}

const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Runs so many calls one way. The server's book is begun anew. */
export async function runOracle(
  server: OracleServer,
  way: Way,
  calls: number,
  seed: number,
  more: Exclude<NonNullable<Policy['coalesce']>, string> = {},
): Promise<Report> {
  const { form } = way;
  const mesh = form === 'direct' ? undefined : createMesh({ coalesce: { mode: 'auto', carrier: form, ...more } });
  const client = clientOf(server.address, way, mesh);
  const { book } = server;
  book.ran = new Uint8Array(calls);
  Object.assign(book, { envelopes: 0, tunnels: 0, items: 0, mixed: 0, foreign: 0, bleed: 0 });
  const run = new Run(client, new Workload(seed), calls, mesh !== undefined);
  const random = seededRandom(seed);
  const startedMs = performance.now();
  try {
    await play(run, calls, random);
    await run.below(0);
  } catch (error) {
    run.samples.push(String(error));
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const patienceMs = performance.now() + 5_000;
  while (server.active() > 0 && performance.now() < patienceMs) await tick();
  for (let i = 0; i < 10; i++) await tick(); // whoever would be told twice, is told by now
  const { faults, samples } = run;
  faults.mixed = book.mixed;
  faults.foreign += book.foreign;
  faults.bleed += book.bleed;
  faults.untold = run.untold;
  faults.ran = wrongRuns(book.ran, seed, calls);
  faults.left = server.active() + (mesh?.stats().client.active ?? 0) + run.out;
  const { carriers = 0, tunnels } = mesh?.stats().coalesce ?? {};
  const messages = carriers + (tunnels?.frames ?? 0);
  client.close();
  await mesh?.close();
  return { way: form === 'direct' ? form : `${form}, ${way.door}`, calls, seconds, items: book.items, messages, faults, samples };
}

async function play(run: Run, calls: number, random: () => number): Promise<void> {
  let all: number[] = [];
  for (let next = 0, act = 0; next < calls; ) {
    if (next >= act) {
      act += ACT;
      const count = 2 + Math.floor(random() * (MAX_TENANTS - 1));
      all = Array.from({ length: count }, (_, tenant) => tenant);
    }
    // The tenants of a gust, mixed; few enough for company.
    const some = Array.from({ length: 2 + Math.floor(random() * 4) }, () => all[Math.floor(random() * all.length)] ?? 0);
    const until = Math.min(calls, next + 1 + Math.floor(random() * (next < WARM ? 8 : GUST)));
    while (next < until) run.call(next++, some);
    if (next < WARM) await run.below(0);
    else if (run.out > WIDTH) await run.below(WIDTH / 2);
    else await tick();
  }
}

/** Calls that ran not once; one that was given up may not have run at all. */
function wrongRuns(ran: Uint8Array, seed: number, calls: number): number {
  const workload = new Workload(seed);
  let wrong = 0;
  for (let index = 0; index < calls; index++) {
    if (ran[index] === 1) continue;
    const { ending } = workload.plan(index, [0]);
    if (ran[index] !== 0 || (ending !== 'never' && ending !== 'given up')) wrong++;
  }
  return wrong;
}

/** What is wrong with a run; nothing: it held. */
export function verdict({ way, calls, items, messages, faults, samples }: Report): string[] {
  const wrong = Object.entries(faults).flatMap(([what, count]) => (count > 0 ? [`${way}: ${what} ${count}`] : []));
  if (way !== 'direct' && (items < calls / 2 || messages > items / 2)) wrong.push(`${way}: only ${items} items, in ${messages} messages`);
  return [...wrong, ...samples.map((line) => `${way}: ${line}`)];
}
