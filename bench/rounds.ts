/**
 * The alternating rounds. Each third round starts every process anew (so that the luck of one process is a sample, not a
 * bias). A round measures all variants one after another at each number of callers, in an order of its own; many times for
 * a short while rather than once for long, for the machine's speed strays from one second to the next.
 *
 * @packageDocumentation
 */
import { performance } from 'node:perf_hooks';
import { type Random, seededRandom } from '../src/random.ts';
import { Child, type Cores } from './child.ts';
import type { RunResult, Usage } from './protocol.ts';
import type { VariantName } from './variants.ts';

/** One variant at one number of callers in one round. */
export interface Cell {
  readonly variant: VariantName;
  readonly callers: number;
  readonly round: number;
  /** Which of the round's passes over all variants. */
  readonly pass: number;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU microseconds per call. */
  readonly clientCpuUs: number;
  readonly serverCpuUs: number;
  /** Calls in one batch; undefined where nothing was batched. */
  readonly perCarrier: number | undefined;
}

/** What a run is made of. */
export interface Plan {
  readonly variants: readonly VariantName[];
  readonly callers: readonly number[];
  readonly rounds: number;
  readonly sliceMs: number;
  readonly warmMs: number;
  /** Slices of warm-up at most. */
  readonly warmSlices: number;
  readonly limitMs: number;
  readonly cores: Cores;
}

/** What a run gave. */
export interface Outcome {
  readonly cells: readonly Cell[];
  /** Rounds finished. */
  readonly rounds: number;
  /** Cells that could not be measured, in words. */
  readonly faults: readonly string[];
}

/** Time a cell may take past its slices before it counts as stuck. */
const GRACE_MS = 15_000;
/** Most callers while a fresh process warms up. */
const WARM_CALLERS = 256;
/** A slice of warm-up that has so many times the calls of the best before it still got faster. */
const FASTER = 1.03;
/** So many slices in a row that did not: it is warm. With two, a lone caller's p50 was 8 % above what it came to. */
const STEADY_SLICES = 4;
/** Rounds that the same processes are good for: to warm them up takes longer than to measure. */
const ROUNDS_OF_PROCESSES = 3;
/** Measured time of one pass, roughly. */
const PASS_MS = 50;
const MAX_PASSES = 40;
/** Time before a pass that is not measured, in ms: the callers are all there, and what the others left in the caches is not. */
const LEAD_MS = 25;
/** Below so many callers a cell wants its own warm-up: where many share a batch, only a lone caller makes plain calls. */
const FEW_CALLERS = 8;

interface Pair {
  readonly variant: VariantName;
  readonly client: Child;
  readonly server: Child;
}

/** Runs the rounds; `say` hears of progress. `live` holds the processes at any time, for whoever must stop them. */
export async function runRounds(plan: Plan, live: Set<Child>, say: (line: string) => void): Promise<Outcome> {
  const cells: Cell[] = [];
  const faults: string[] = [];
  const beganMs = performance.now();
  const random = seededRandom(1);
  let rounds = 0;
  let pairs = new Set<Pair>();
  // A pair that failed may still answer later: it is out until all are started anew.
  const attempt = async (pair: Pair, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      pairs.delete(pair);
      faults.push(`${pair.variant}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  try {
    while (rounds < plan.rounds) {
      const usedMs = performance.now() - beganMs;
      if (rounds > 0 && usedMs + usedMs / rounds > plan.limitMs) {
        say(`stopped after ${rounds} of ${plan.rounds} rounds: the next would not fit into ${plan.limitMs / 1000} s`);
        break;
      }
      if (rounds % ROUNDS_OF_PROCESSES === 0) {
        await stopAll(live);
        pairs = new Set(await startPairs(plan, faults, live));
        for (const pair of pairs) await attempt(pair, () => warm(pair, plan));
      }
      const passes = Math.min(MAX_PASSES, Math.max(1, Math.floor(plan.sliceMs / PASS_MS)));
      for (const callers of plan.callers) {
        for (let pass = 0; pass < passes; pass++) {
          for (const pair of shuffled([...pairs], random)) {
            await attempt(pair, async () => cells.push({ round: rounds, pass, ...(await measure(pair, callers, plan.sliceMs / passes)) }));
          }
        }
      }
      rounds++;
      say(`round ${rounds}/${plan.rounds} done, ${Math.round((performance.now() - beganMs) / 1000)} s`);
    }
  } finally {
    await stopAll(live);
  }
  return { cells, rounds, faults };
}

/** Ends every process that is still there. */
export async function stopAll(live: Set<Child>): Promise<void> {
  const children = [...live];
  live.clear();
  await Promise.all(children.map((child) => child.stop()));
}

/** A random order, so that no variant always runs after the same other. */
function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

async function startPairs(plan: Plan, faults: string[], live: Set<Child>): Promise<Pair[]> {
  const start = async (file: string, args: readonly string[], core: string | undefined): Promise<{ child: Child; port: number }> => {
    const child = new Child(file, args, core);
    live.add(child);
    const { port } = await child.hello();
    return { child, port };
  };
  const startPair = async (variant: VariantName): Promise<Pair | undefined> => {
    try {
      const server = await start('server.ts', [variant], plan.cores.server);
      const client = await start('client.ts', [variant, String(server.port)], plan.cores.client);
      return { variant, client: client.child, server: server.child };
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const pairs = await Promise.all(plan.variants.map(startPair));
  return pairs.filter((pair) => pair !== undefined);
}

/**
 * Runs until it no longer gets faster. Code is compiled after so many runs of it, and on a busy machine later: a batch of 128 calls runs
 * its code once where plain calls run theirs 128 times, so neither a time nor a number of calls would be fair.
 */
async function warm({ client }: Pair, { callers, warmMs, warmSlices }: Plan): Promise<void> {
  const most = Math.min(WARM_CALLERS, Math.max(...callers));
  const least = Math.min(...callers);
  for (const width of most > least && least < FEW_CALLERS ? [most, least] : [most]) {
    let best = 0;
    for (let i = 0, steady = 0; i < warmSlices && steady < STEADY_SLICES; i++) {
      const { calls } = await client.ask<RunResult>({ do: 'run', callers: width, warmMs: 0, sliceMs: warmMs }, warmMs + GRACE_MS);
      steady = calls > FASTER * best ? 0 : steady + 1;
      best = Math.max(best, calls);
    }
  }
}

async function measure(pair: Pair, callers: number, sliceMs: number): Promise<Omit<Cell, 'round' | 'pass'>> {
  const warmMs = Math.max(LEAD_MS, sliceMs / 2);
  const before = await pair.server.ask<Usage>({ do: 'usage' }, GRACE_MS);
  const ran = await pair.client.ask<RunResult>({ do: 'run', callers, warmMs, sliceMs }, sliceMs + warmMs + GRACE_MS);
  const after = await pair.server.ask<Usage>({ do: 'usage' }, GRACE_MS);
  if (ran.failed > 0) throw new Error(`${ran.failed} calls failed at ${callers} callers, the first with: ${ran.firstError}`);
  if (ran.calls === 0) throw new Error(`no call was answered within ${sliceMs} ms at ${callers} callers`);
  return {
    variant: pair.variant,
    callers,
    callsPerSecond: (ran.calls * 1000) / ran.elapsedMs,
    p50Ms: ran.p50Ms,
    p99Ms: ran.p99Ms,
    clientCpuUs: ran.cpuUs / ran.calls,
    serverCpuUs: (after.cpuUs - before.cpuUs) / (after.served - before.served),
    perCarrier: ran.carriers > 0 ? ran.items / ran.carriers : undefined,
  };
}
