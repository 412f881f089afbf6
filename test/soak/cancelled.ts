/**
 * Calls that their callers give up: before they went, on their way, at the handler. Each caller is told once, those that
 * nobody gave up are answered, and the heap is as it was. Ends with exit code 1 otherwise.
 *
 *     node --expose-gc test/soak/cancelled.ts [calls given up in all, default 1000000] [seed, default 1]
 */
import { type ClientUnaryCall, Metadata } from '@grpc/grpc-js';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { type Random, seededRandom } from '../../src/random.ts';
import { coalesceIn, type Form, forms } from '../grpc/pair.ts';
import { EchoClient, type Handlers, serve } from '../support/loopback.ts';

const [total = 1_000_000, seed = 1] = process.argv.slice(2).map(Number);
const { gc } = globalThis;
if (gc === undefined) throw new Error('run with --expose-gc');

/** One call in so many is kept. */
const KEPT = 16;
/** How calls travel: each alone, or in batches. */
type Way = 'alone' | Form;
const ways: readonly Way[] = ['alone', ...forms];

/**
 * Share of handlers that answer when they hear of the cancellation, or are done after {@link HOLD_MS}. A tunnel says it of each
 * item; a call alone and an envelope have only the stream's reset for it, of which the reset budget allows few: the rest is left
 * to finish. Alone, each is a stream of its own, so that a few thousand a second stay open for the whole time.
 */
const HELD: Readonly<Record<Way, number>> = { alone: 0.3, envelope: 0.5, tunnel: 0.5 };
const HOLD_MS = 1000;
const WIDTH = 512;
const GUST = 100;

/** Heap in MB once all garbage is gone. */
async function heapMb(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => void setTimeout(resolve, 20));
    gc?.();
    least = Math.min(least, process.memoryUsage().heapUsed / 2 ** 20);
  }
  return least;
}

/** Answers at once, after a few turns, or when it is cancelled or done. */
const handler: Handlers['say'] = (call, callback) => {
  const { text } = call.request;
  const answer = (): void => callback(null, { text });
  if (text === 'kept' || text === 'learn') answer();
  else if (text === 'soon') setImmediate(answer);
  else {
    const done = setTimeout(answer, HOLD_MS);
    call.on('cancelled', () => {
      clearTimeout(done);
      answer();
    });
  }
};

class Load {
  readonly #client: EchoClient;
  readonly #random: Random;
  readonly #held: number;
  out = 0;
  /** Callers by what they were told, and those that were told twice. */
  readonly codes: Record<number, number> = {};
  /** Of those that nobody gave up. */
  readonly keptCodes: Record<number, number> = {};
  twice = 0;
  #wake: (() => void) | undefined;

  constructor(client: EchoClient, random: Random, held: number) {
    this.#client = client;
    this.#random = random;
    this.#held = held;
  }

  async run(calls: number): Promise<void> {
    for (let next = 0; next < calls; ) {
      const until = Math.min(calls, next + 1 + Math.floor(this.#random() * GUST));
      for (; next < until; next++) this.#call();
      if (this.out > WIDTH) await this.#below(WIDTH / 2);
      else await new Promise((resolve) => void setImmediate(resolve));
    }
    await this.#below(0);
  }

  async #below(limit: number): Promise<void> {
    while (this.out > limit) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  #call(): void {
    const dice = this.#random();
    const kept = dice < 1 / KEPT;
    const text = kept ? 'kept' : this.#random() < this.#held ? 'held' : 'soon';
    let told = 0;
    this.out++;
    const call = this.#client.stub.say({ text }, new Metadata(), {}, (error) => {
      if (++told > 1) this.twice++;
      const codes = kept ? this.keptCodes : this.codes;
      codes[error?.code ?? 0] = (codes[error?.code ?? 0] ?? 0) + 1;
      this.out--;
      this.#wake?.();
    });
    if (!kept) this.#giveUp(call);
  }

  #giveUp(call: ClientUnaryCall): void {
    const dice = this.#random();
    if (dice < 0.2) call.cancel();
    else if (dice < 0.6) setImmediate(() => call.cancel());
    else setTimeout(() => call.cancel(), Math.floor(this.#random() * 5));
  }
}

const faults: string[] = [];
function check(name: string, holds: boolean, seen: unknown): void {
  if (!holds) faults.push(`${name}: ${JSON.stringify(seen)}`);
}

/** Once nothing is served any more, at the latest when the last held handler is done. */
async function quiet(serving: Mesh): Promise<void> {
  for (let i = 0; i < 100 && serving.stats().server.active > 0; i++) await new Promise((resolve) => void setTimeout(resolve, 50));
}

async function soak(form: Way, calls: number): Promise<void> {
  const serving = createMesh();
  const running = await serve({ server: new MeshServer({ mesh: serving }), handlers: { say: handler } });
  const mesh = createMesh({ coalesce: form === 'alone' ? 'never' : coalesceIn(form) });
  const client = new EchoClient({ address: running.address, mesh, door: 'channel' });
  await client.learn();
  const load = new Load(client, seededRandom(seed), HELD[form]);
  await load.run(Math.min(calls, form === 'alone' ? 2000 : 20_000));
  await quiet(serving);
  const before = await heapMb();
  const startedMs = performance.now();
  await load.run(calls);
  const seconds = (performance.now() - startedMs) / 1000;
  await quiet(serving);
  const grown = (await heapMb()) - before;
  const { client: counts, coalesce, endpoints } = mesh.stats();
  const items = form === 'alone' ? calls : form === 'tunnel' ? coalesce.tunnels.items : coalesce.items;
  check(`${form}: callers told twice`, load.twice === 0, load.twice);
  check(`${form}: calls that were kept and not answered`, Object.keys(load.keptCodes).join() === '0', load.keptCodes);
  check(
    `${form}: calls given up that ended otherwise`,
    Object.keys(load.codes).every((code) => code === '0' || code === '1'),
    load.codes,
  );
  check(`${form}: calls still out`, counts.active === 0, counts.active);
  check(`${form}: calls still served`, serving.stats().server.active === 0, serving.stats().server.active);
  const inFlight = Object.values(endpoints).flatMap((list) => list.map((endpoint) => endpoint.inFlight));
  check(
    `${form}: load left on an endpoint`,
    inFlight.every((one) => one === 0),
    inFlight,
  );
  check(`${form}: streams left open`, counts.resets.left === 0, counts.resets);
  check(`${form}: heap in MB`, grown < 2, grown);
  check(`${form}: items`, items > calls / 4, coalesce);
  await mesh.close();
  running.kill();
  const told = `told ${JSON.stringify(load.codes)}, kept ${JSON.stringify(load.keptCodes)}`;
  const { granted, withheld } = counts.resets;
  console.log(
    `${form}: ${calls} calls in ${seconds.toFixed(1)} s, ${items} items, ${told}, resets ${granted} of ${granted + withheld}, heap ${grown.toFixed(2)} MB`,
  );
}

const each = Math.ceil((total / ways.length) * (KEPT / (KEPT - 1)));
for (const way of ways) await soak(way, each);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
