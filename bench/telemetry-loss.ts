/**
 * One round over a real connection: a client and a server for each variant, whose slices alternate.
 *
 * @packageDocumentation
 */
import { Child, findCores } from './child.ts';
import type { RunResult, Usage } from './protocol.ts';
import { quantile } from './stats.ts';
import type { LossName } from './telemetry-variants.ts';

/** One variant in one round: of its slices the ones that nobody disturbed much (see {@link UNDISTURBED}). */
export interface LossCell {
  readonly variant: LossName;
  readonly callsPerSecond: number;
  /** CPU microseconds per call. */
  readonly clientCpuUs: number;
  readonly serverCpuUs: number;
}

/** Callers at a time. */
const CALLERS = 64;
/** Slices of each variant, each this part of the slice that was asked for: many short ones, for some to be undisturbed. */
const SLICES = 15;
const SHORTER = 3;
/** So many of the slices are dearer than the one that is taken: other work on the machine makes them so, and none cheaper. */
const UNDISTURBED = 0.9;
const GRACE_MS = 15_000;

interface Pair {
  readonly variant: LossName;
  readonly client: Child;
  readonly server: Child;
}

/** Measures each variant. Rejects when a call fails. */
export async function lossRound(
  variants: readonly LossName[],
  plan: { readonly sliceMs: number; readonly warmMs: number },
  live: Set<Child>,
): Promise<LossCell[]> {
  const cores = findCores();
  const start = async (file: string, args: readonly string[], core: string | undefined): Promise<{ child: Child; port: number }> => {
    const child = new Child(file, args, core);
    live.add(child);
    return { child, port: (await child.hello()).port };
  };
  const pairs: Pair[] = [];
  for (const variant of variants) {
    const server = await start('telemetry-server.ts', [variant], cores.server);
    const client = await start('telemetry-client.ts', [variant, String(server.port)], cores.client);
    pairs.push({ variant, client: client.child, server: server.child });
  }
  // Twice: what is compiled late is not to count.
  for (const pair of [...pairs, ...pairs]) await measure(pair, plan.warmMs, 0);
  const cells = new Map<LossName, LossCell[]>(variants.map((variant) => [variant, []]));
  const sliceMs = plan.sliceMs / SHORTER;
  for (let i = 0; i < SLICES; i++) {
    // To and fro, so that none always runs after the same other.
    for (const pair of i % 2 === 0 ? pairs : pairs.toReversed()) cells.get(pair.variant)?.push(await measure(pair, sliceMs, sliceMs / 4));
  }
  const best = (all: readonly LossCell[], read: (cell: LossCell) => number, share: number): number =>
    quantile(
      all.map(read).toSorted((a, b) => a - b),
      share,
    );
  return [...cells].map(([variant, all]) => ({
    variant,
    callsPerSecond: best(all, (cell) => cell.callsPerSecond, UNDISTURBED),
    clientCpuUs: best(all, (cell) => cell.clientCpuUs, 1 - UNDISTURBED),
    serverCpuUs: best(all, (cell) => cell.serverCpuUs, 1 - UNDISTURBED),
  }));
}

async function measure({ variant, client, server }: Pair, sliceMs: number, warmMs: number): Promise<LossCell> {
  const before = await server.ask<Usage>({ do: 'usage' }, GRACE_MS);
  const ran = await client.ask<RunResult>({ do: 'run', callers: CALLERS, warmMs, sliceMs }, sliceMs + warmMs + GRACE_MS);
  const after = await server.ask<Usage>({ do: 'usage' }, GRACE_MS);
  if (ran.failed > 0) throw new Error(`${variant}: ${ran.failed} calls failed, the first with: ${ran.firstError}`);
  return {
    variant,
    callsPerSecond: (ran.calls * 1000) / ran.elapsedMs,
    clientCpuUs: ran.cpuUs / ran.calls,
    serverCpuUs: (after.cpuUs - before.cpuUs) / (after.served - before.served),
  };
}
