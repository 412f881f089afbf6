/**
 * The alternating rounds. Each round starts every process anew (so that the luck of one process is a sample, not a
 * bias), and measures all variants one after another at each number of callers, in an order of its own; several times for
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
  readonly warmCalls: number;
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
/** Slices of warm-up at least, however many calls fit into them: code that makes more calls a second has no less to compile. */
const WARM_SLICES = 2;
/** At most, however few. */
const MOST_WARM_SLICES = 12;
/** Of the calls of a warm-up, where a lone caller has one of its own. */
const LONE_SHARE = 1 / 5;
/** Measured time of one pass, roughly. */
const PASS_MS = 100;
const MAX_PASSES = 6;
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
  while (rounds < plan.rounds) {
    const usedMs = performance.now() - beganMs;
    if (rounds > 0 && usedMs + usedMs / rounds > plan.limitMs) {
      say(`stopped after ${rounds} of ${plan.rounds} rounds: the next would not fit into ${plan.limitMs / 1000} s`);
      break;
    }
    try {
      const pairs = new Set(await startPairs(plan, faults, live));
      // A pair that failed may still answer later: it is out of this round.
      const attempt = async (pair: Pair, work: () => Promise<unknown>): Promise<void> => {
        try {
          await work();
        } catch (error) {
          pairs.delete(pair);
          faults.push(`${pair.variant}: ${error instanceof Error ? error.message : String(error)}`);
        }
      };
      for (const pair of pairs) await attempt(pair, () => warm(pair, plan));
      const passes = Math.min(MAX_PASSES, Math.max(1, Math.floor(plan.sliceMs / PASS_MS)));
      for (const callers of plan.callers) {
        for (let pass = 0; pass < passes; pass++) {
          for (const pair of shuffled([...pairs], random)) {
            await attempt(pair, async () => cells.push({ round: rounds, pass, ...(await measure(pair, callers, plan.sliceMs / passes)) }));
          }
        }
      }
    } finally {
      await stopAll(live);
    }
    rounds++;
    say(`round ${rounds}/${plan.rounds} done, ${Math.round((performance.now() - beganMs) / 1000)} s`);
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

/** Runs until the code is compiled, which takes calls, not time: on a busy machine many times as long. Half-warm, more code looks slower than it is. */
async function warm({ client }: Pair, plan: Plan): Promise<void> {
  const most = Math.min(WARM_CALLERS, Math.max(...plan.callers));
  const least = Math.min(...plan.callers);
  const steps = [
    ...(most > least ? [{ callers: most, enough: plan.warmCalls }] : []),
    ...(least < FEW_CALLERS || most === least ? [{ callers: least, enough: plan.warmCalls * (most > least ? LONE_SHARE : 1) }] : []),
  ];
  for (const { callers, enough } of steps) {
    let calls = 0;
    for (let i = 0; i < WARM_SLICES || (i < MOST_WARM_SLICES && calls < enough); i++) {
      const ran = await client.ask<RunResult>({ do: 'run', callers, warmMs: 0, sliceMs: plan.warmMs }, plan.warmMs + GRACE_MS);
      calls += ran.calls;
    }
  }
}

async function measure(pair: Pair, callers: number, sliceMs: number): Promise<Omit<Cell, 'round' | 'pass'>> {
  const warmMs = Math.max(50, sliceMs / 2);
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
