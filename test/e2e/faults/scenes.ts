/** The faults of the matrix: what stands, what happens to it, when it is over, and what may come of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadOptions } from '../coalescing/load.ts';
import type { Played } from './play.ts';
import { sharesOf } from './report.ts';
import type { Caller, Kind, Stage } from './stage.ts';

/** A fault that plays on a stage while calls are made. */
export interface Scene {
  readonly id: string;
  readonly name: string;
  /** Replicas. @defaultValue 3 */
  readonly count?: number;
  /** What lies before them: nothing; a proxy each; a proxy each, on addresses of a name. */
  readonly network?: 'direct' | 'proxied' | 'named';
  readonly workload?: Partial<LoadOptions>;
  /** It makes calls itself, so that a client's count of attempts says nothing about the workload's. */
  readonly calls?: true;
  /** Before any client is there. */
  prepare?(stage: Stage): void;
  /** Plays the fault; resolves when all is as it was. @param factor - 1: the whole matrix; less: everything shorter. */
  strike(stage: Stage, factor: number, callers: readonly Caller[]): Promise<void>;
  /** How long calls go on after it, in ms. */
  readonly afterMs: number;
  readonly limits?: Limits;
}

/** What a mesh must keep; that no call fails goes without saying. */
export interface Limits {
  /** From the fault until the struck replica is left alone. */
  readonly ejectedMs?: number;
  /** From the end of the fault until the struck replica answers a call that was made after it. */
  readonly backMs?: number;
  /** Attempts beyond one a call, as a share of the calls. */
  readonly addedAttempts?: number;
  /** Share of the struck replica in %, from two seconds after the fault to its end. */
  readonly struckShare?: number;
  /** Calls of more than 200 ms; asked for only where the machine does nothing else. */
  readonly slow?: Partial<Record<Kind, number>>;
  /** From each {@link Stage.mark} to the first call made after it that the marked replica ran. */
  readonly usedMs?: number;
  /** Look-ups of the name at least, or the fault was not even seen. */
  readonly lookups?: number;
}

/** How much later than healed a path carries the bytes of old connections: a kernel's timer has doubled so far by then. */
const RTO_MS = 5_500;

/** Calls that are given up after 50 ms, so many a second; fewer where this process gets no time, for a storm must not outgrow its source. */
async function cancelStorm({ client }: Caller, perSecond: number, ms: number): Promise<void> {
  const untilMs = performance.now() + ms;
  for (let lastMs = performance.now(); lastMs < untilMs; ) {
    await sleep(10);
    const nowMs = performance.now();
    const due = Math.round((Math.min(30, nowMs - lastMs) * perSecond) / 1000);
    lastMs = nowMs;
    for (let i = 0; i < due; i++) void client.say('storm 500', { onCall: (call) => void setTimeout(() => call.cancel(), 50) });
  }
}

export const scenes: readonly Scene[] = [
  {
    id: 'X1',
    name: 'kill -9, back in 3 s',
    afterMs: 1_500,
    limits: { addedAttempts: 0.05 },
    strike: async (stage, factor) => {
      await stage.at(0).kill();
      await sleep(3_000 * factor);
      await stage.again(0);
    },
  },
  {
    id: 'X2',
    name: 'SIGSTOP for 6 s',
    afterMs: 5_000,
    limits: { ejectedMs: 1_200, backMs: 5_000, addedAttempts: 0.05, slow: { mesh: 15, coalesced: 15, hedging: 5 } },
    strike: async (stage, factor) => {
      stage.at(0).freeze();
      await sleep(6_000 * factor);
      stage.at(0).thaw();
    },
  },
  {
    id: 'X3',
    name: 'one address accepts and stays silent',
    network: 'proxied',
    afterMs: 500,
    prepare: (stage) => stage.proxy(0).blackhole(),
    strike: async (_stage, factor) => {
      await sleep(8_000 * factor);
    },
  },
  {
    id: 'X4',
    name: 'half-open path for 8 s',
    network: 'proxied',
    afterMs: 2_000,
    limits: { ejectedMs: 1_200, backMs: 500, addedAttempts: 0.05 },
    strike: async (stage, factor) => {
      stage.proxy(0).blackhole();
      await sleep(8_000 * factor);
      stage.proxy(0).heal(RTO_MS);
    },
  },
  {
    id: 'X5',
    name: 'connections reset, five times',
    network: 'proxied',
    afterMs: 1_500,
    limits: { addedAttempts: 0.05 },
    strike: async (stage, factor) => {
      for (let i = 0; i < 5; i++) {
        stage.proxy(i % 3).reset();
        await sleep(1_000 * factor);
      }
    },
  },
  {
    id: 'X6',
    name: '+200 ms on one replica for 6 s',
    network: 'proxied',
    afterMs: 1_000,
    limits: { struckShare: 10 },
    strike: async (stage, factor) => {
      stage.proxy(0).latency(100);
      await sleep(6_000 * Math.max(factor, 0.6));
      stage.proxy(0).latency(0);
    },
  },
  {
    id: 'X10',
    name: 'a name gets one more address',
    network: 'named',
    afterMs: 500,
    limits: { usedMs: 2_000 },
    strike: async (stage, factor) => {
      stage.rename([...stage.addresses, await stage.grow()]);
      await sleep(6_000 * factor);
    },
  },
  {
    id: 'X10',
    name: 'a name is empty, unknown, broken, wrong, cut to one, for two seconds each',
    network: 'named',
    afterMs: 2_000,
    limits: { lookups: 3 },
    strike: async (stage, factor) => {
      const good = stage.addresses;
      for (const answer of [[], 'ENOTFOUND', 'ESERVFAIL', good.slice(0, 1), ['127.0.9.9']] as const) {
        stage.rename(answer);
        await sleep(2_000 * factor);
        stage.rename(good);
        await sleep(500 * factor);
      }
    },
  },
  {
    id: 'X10',
    name: 'replicas replaced on new addresses',
    network: 'named',
    afterMs: 1_000,
    limits: { usedMs: 2_000 },
    strike: async (stage, factor) => {
      const addresses = [...stage.addresses];
      for (const index of [0, 1, 2]) {
        addresses[index] = await stage.grow();
        stage.rename(addresses);
        await stage.at(index).shutdown();
        await stage.proxy(index).close();
        await sleep(4_000 * factor);
      }
    },
  },
  {
    id: 'X12',
    name: '300 cancels a second for 12 s',
    count: 1,
    afterMs: 500,
    // No retry hides what a cancelled neighbour does to a call.
    workload: { idempotent: false },
    calls: true,
    strike: async (_stage, factor, callers) => {
      // The short form has as many of them, in less time: what kills a connection is a thousand at once and 33 a second.
      await Promise.all(callers.map((caller) => cancelStorm(caller, factor < 1 ? 500 : 300, factor < 1 ? 3_500 : 12_000)));
    },
  },
  {
    id: 'G1',
    name: 'rolling restart',
    afterMs: 1_500,
    strike: async (stage, factor) => {
      for (const index of [0, 1, 2]) {
        await stage.at(index).shutdown();
        await stage.again(index);
        await sleep(1_000 * factor);
      }
    },
  },
];

/** Short, and on a machine that has other things to do: so many times as long, and as many tries for the same number of calls. */
const BUSY = 2;
/** The way back waits for a connection, which is tried as often as the first one's time allows. */
const BUSY_BACK = 3;

/** What of its limits a mesh has not kept, in words. @param strict - Also those that a busy machine breaks. */
export function broken({ limits = {} }: Scene, played: Played, strict: boolean): readonly string[] {
  const { kind, ended, faultMs, overMs, ranOn, watched } = played;
  const said: string[] = [];
  const eased = (most: number | undefined, times = BUSY): number | undefined => (most === undefined || strict ? most : times * most);
  const limit = (what: string, value: number | undefined, most: number | undefined): void => {
    if (most !== undefined && !(value !== undefined && value <= most))
      said.push(`${what}: ${value === undefined ? 'never' : round(value)}, not <= ${most}`);
  };
  if (played.failed > 0) said.push(`failed: ${JSON.stringify(played.errors)}`, ...examples(played));
  limit('ejected after ms', watched.ejectedMs, eased(limits.ejectedMs));
  limit('back after ms', firstOn(played, 0, overMs), eased(limits.backMs, BUSY_BACK));
  limit('added attempts', played.attemptsPerCall - 1, eased(limits.addedAttempts));
  if (limits.struckShare !== undefined) {
    const window = ended.filter(({ atMs }) => atMs > faultMs + 2_000 && atMs < overMs);
    limit('share of the struck replica', sharesOf(window, ranOn, 3)[0], limits.struckShare);
  }
  for (const { replica, atMs } of played.marks)
    limit(`replica ${replica} used after ms`, firstOn(played, replica, atMs), eased(limits.usedMs));
  if (played.lookups < (limits.lookups ?? 0)) said.push(`look-ups: ${played.lookups}, not >= ${limits.lookups}`);
  if (strict) limit('slow calls', played.slow, limits.slow?.[kind]);
  return said;
}

/** Some of the calls that failed, in words. */
function examples({ ended, faultMs }: Played): readonly string[] {
  const bad = ended.filter(({ code }) => code !== 'OK').slice(0, 2);
  return bad.map(
    ({ id, code, details, atMs, tookMs }) => `${id} ${code} ${details}, made at ${round(atMs - faultMs)} ms, took ${round(tookMs)} ms`,
  );
}

/** From a time to the start of the first call made after it that ran on a replica, in ms. */
function firstOn({ ended, ranOn }: Played, replica: number, sinceMs: number): number | undefined {
  const first = ended.filter(({ id, atMs }) => atMs >= sinceMs && ranOn.get(id)?.includes(replica)).map(({ atMs }) => atMs - sinceMs);
  return first.length === 0 ? undefined : Math.min(...first);
}

const round = (value: number): number => Math.round(value * 100) / 100;
