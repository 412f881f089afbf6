/**
 * When calls are made: arrival processes, closed loops, and one recorded trace.
 *
 * @packageDocumentation
 */
import { readFileSync } from 'node:fs';
import { type Random, seededRandom } from '../../src/random.ts';

export interface Workload {
  readonly name: string;
  readonly about: string;
  /** Mean time of a handler that waits for something else, exponential, in ms. */
  readonly handlerMs: number;
  /** Open: the times in ms at which calls are made, ascending. Closed: so many callers, each with one call at a time. */
  readonly load: { readonly arrivals: readonly number[] } | { readonly callers: number; readonly calls: number };
}

const exponential = (random: Random, mean: number): number => -mean * Math.log(1 - random());

function renewal(count: number, gap: () => number): number[] {
  let atMs = 0;
  return Array.from({ length: count }, () => {
    atMs += gap();
    return atMs;
  });
}

const poisson = (random: Random, count: number, perSecond: number): number[] => renewal(count, () => exponential(random, 1000 / perSecond));

/** Two states, 4 times and a quarter of the rate, of 10 ms and 40 ms in the mean, so that the rate is the mean of both. */
function mmpp(random: Random, count: number, perSecond: number): number[] {
  const times: number[] = [];
  let atMs = 0;
  for (let fast = false; times.length < count; fast = !fast) {
    const untilMs = atMs + exponential(random, fast ? 10 : 40);
    for (;;) {
      const nextMs = atMs + exponential(random, 1000 / (perSecond * (fast ? 4 : 0.25)));
      atMs = Math.min(nextMs, untilMs);
      if (nextMs > untilMs || times.length >= count) break;
      times.push(nextMs);
    }
  }
  return times;
}

/** Self-exciting: each arrival brings 0.8 more in the mean, each after an exponential 2 ms. Branching form. */
function hawkes(random: Random, count: number, perSecond: number): number[] {
  const times: number[] = [];
  const parents = poisson(random, Math.ceil(count * 0.2), perSecond * 0.2);
  const grow = (atMs: number): void => {
    times.push(atMs);
    for (let left = exponential(random, 1); left < 0.8; left += exponential(random, 1)) grow(atMs + exponential(random, 2));
  };
  for (const atMs of parents) grow(atMs);
  return times.sort((a, b) => a - b).slice(0, count);
}

/** Bursts made in one turn, as `Promise.all` does; `perSecond` counts calls. */
function fanOut(random: Random, count: number, perSecond: number, size: () => number, meanSize: number): number[] {
  const times: number[] = [];
  let atMs = 0;
  while (times.length < count) {
    atMs += exponential(random, (1000 * meanSize) / perSecond);
    for (let left = size(); left > 0; left--) times.push(atMs);
  }
  return times;
}

/** Geometric up and down again: 100/s to 20,000/s and back. */
function ramp(random: Random, count: number): number[] {
  let made = 0;
  return renewal(count, () => {
    const place = made++ / count;
    const rate = 100 * 200 ** (1 - Math.abs(2 * place - 1));
    return exponential(random, 1000 / rate);
  });
}

/** Independent gamma-distributed gaps of this coefficient of variation (Marsaglia and Tsang 2000). */
function gammaRenewal(random: Random, count: number, perSecond: number, variation: number): number[] {
  const shape = 1 / variation ** 2;
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const gamma = (k: number): number => {
    if (k < 1) return gamma(k + 1) * (1 - random()) ** (1 / k);
    const d = k - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  };
  return renewal(count, () => (gamma(shape) / shape) * (1000 / perSecond));
}

/** The recorded arrivals, at another speed. See traces/README.md. */
function replay(count: number, perSecond: number): number[] {
  const text = readFileSync(new URL('traces/azure-llm-2023-code.txt', import.meta.url), 'utf8');
  const seconds = text.trim().split('\n').map(Number).slice(0, count);
  const span = seconds.at(-1) ?? 1;
  return seconds.map((at) => (at / span) * (seconds.length / perSecond) * 1000);
}

/** All workloads, each from its own seed. */
export function workloads(count: number, seed: number): Workload[] {
  let nth = 0;
  const open = (name: string, about: string, make: (random: Random) => number[], handlerMs = 0): Workload => ({
    name,
    about,
    handlerMs,
    load: { arrivals: make(seededRandom(seed + 7919 * nth++)) },
  });
  const closed = (callers: number, calls: number): Workload => ({
    name: `closed-${callers}`,
    about: `${callers} callers, each with one call at a time`,
    handlerMs: 0,
    load: { callers, calls },
  });
  const size10 = (random: Random) => (): number => 1 + Math.floor(exponential(random, 9.49));
  const pareto = (random: Random) => (): number => Math.min(200, Math.floor((1 - random()) ** (-1 / 1.2)));
  return [
    open('poisson-100', 'Poisson, 100/s', (r) => poisson(r, Math.min(count, 4000), 100)),
    open('poisson-1000', 'Poisson, 1000/s', (r) => poisson(r, count, 1000)),
    open('poisson-4000', 'Poisson, 4000/s', (r) => poisson(r, count, 4000)),
    open('poisson-15000', 'Poisson, 15,000/s: more than plain calls can do', (r) => poisson(r, count, 15_000)),
    open('slow-4000', 'Poisson, 4000/s, handlers take 5 ms in the mean', (r) => poisson(r, count, 4000), 5),
    open('mmpp-4000', 'two states, 4 times and a quarter of 4000/s', (r) => mmpp(r, count, 4000)),
    open('hawkes-2000', 'self-exciting, 2000/s, four of five calls follow another', (r) => hawkes(r, count, 2000)),
    open('fanout-1000', 'bursts of 10 in the mean, 1000/s', (r) => fanOut(r, count, 1000, size10(r), 10)),
    open('multiget-2000', 'bursts of a heavy-tailed size up to 200, 2000/s', (r) => fanOut(r, count, 2000, pareto(r), 3.9)),
    open('ramp', '100/s to 20,000/s and back', (r) => ramp(r, count)),
    open('azure-code-2000', 'recorded arrivals (Azure LLM 2023, code) at 2000/s, gap variation 13', () => replay(count, 2000)),
    open('azure-conv-like', 'drawn, not recorded: gamma gaps with the variation 1.09 of Azure LLM 2023, conv, at 2000/s', (r) =>
      gammaRenewal(r, count, 2000, 1.09),
    ),
    closed(1, Math.min(count, 4000)),
    closed(16, count),
    closed(64, count),
    closed(256, count),
  ];
}
