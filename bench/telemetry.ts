/**
 * `npm run bench -- telemetry`: microseconds of client CPU that spans and metrics add to a call over a fake channel, without an SDK, with
 * one that samples nothing and with one that samples all; then the calls per second that they cost over a real connection, beside what
 * instrumentation-grpc costs bare grpc-js.
 *
 * @packageDocumentation
 */
import { performance } from 'node:perf_hooks';
import type { Measured } from './baseline.ts';
import { ROUNDS_TO_JUDGE } from './budgets.ts';
import type { Child } from './child.ts';
import type { Flags } from './flags.ts';
import { sliceRound } from './layers.ts';
import { table } from './report.ts';
import { stopAll } from './rounds.ts';
import { quantile, ratios, type Spread, spread } from './stats.ts';
import { type LossCell, lossRound } from './telemetry-loss.ts';
import { whyNotInstrumented } from './telemetry-sdk.ts';
import { COST_NAMES, COSTS, type CostName, FLOOR_NAMES, type FloorName, LOSS_NAMES, LOSSES, type LossName } from './telemetry-variants.ts';

/** What telemetry may add to a call over the fake channel, in microseconds of client CPU. */
export const COST_BUDGET_US: Readonly<Partial<Record<CostName, number>>> = {
  'no-sdk': 0.5,
  unsampled: 2,
  'unsampled-spans': 2,
  sampled: 6,
};
/** Our loss of calls per second may be so much of instrumentation-grpc's. */
export const LOSS_SHARE = 0.5;

/** One variant over the fake channel, over all rounds. */
export interface CostRow {
  readonly variant: CostName;
  /** CPU per call, of the slices of a round the one that {@link QUIET} says. */
  readonly cpuUs: Spread;
  /** The same less that of `off` in the same round. */
  readonly addedUs: Spread;
}

/** One variant over a real connection, over all rounds. */
export interface LossRow {
  readonly variant: LossName;
  readonly callsPerSecond: Spread;
  /** Share of its base's calls per second that it loses. */
  readonly lost: Spread;
  /** Its client's and server's CPU per call in those of its base. */
  readonly cpu: Spread;
}

type Slices = ReadonlyMap<CostName, readonly number[]>;

/** Measures both; `say` hears of progress, `print` gets the tables. */
export async function runTelemetry(
  flags: Flags,
  live: Set<Child>,
  say: (line: string) => void,
  print: (text: string) => void,
): Promise<Measured> {
  const work = flags.quick ? { slices: 40, calls: 500, warmCalls: 15_000 } : { slices: 150, calls: 500, warmCalls: 40_000 };
  const missing = whyNotInstrumented();
  const losses = LOSS_NAMES.filter((name) => missing === undefined || !LOSSES[name].instrumented);
  const faults: string[] = [];
  const costs: Slices[] = [];
  const floors: ReadonlyMap<FloorName, readonly number[]>[] = [];
  const cells: LossCell[][] = [];
  const beganMs = performance.now();
  while (costs.length < flags.rounds) {
    const usedMs = performance.now() - beganMs;
    if (costs.length > 0 && usedMs + usedMs / costs.length > flags.limitMs) {
      say(`stopped after ${costs.length} of ${flags.rounds} rounds: the next would not fit into ${flags.limitMs / 1000} s`);
      break;
    }
    try {
      costs.push(await sliceRound('telemetry-child.ts', COST_NAMES, work, live));
      await stopAll(live);
      floors.push(await sliceRound('telemetry-floor.ts', FLOOR_NAMES, work, live));
      await stopAll(live);
      cells.push(await lossRound(losses, flags, live));
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
      break;
    } finally {
      await stopAll(live);
    }
    say(`round ${costs.length}/${flags.rounds} done, ${Math.round((performance.now() - beganMs) / 1000)} s`);
  }
  const rows = summariseCosts(costs);
  const lossRows = summariseLosses(cells);
  const floorUs = Object.fromEntries(FLOOR_NAMES.map((name) => [name, spread(floors.map((round) => quiet(round.get(name) ?? [])))]));
  print(renderCosts(rows, floorUs, costs.length));
  print(renderLosses(lossRows, cells.length));
  if (missing !== undefined) print(`SKIPPED ${missing}: our loss is compared with nobody's`);
  return {
    json: {
      node: process.version,
      flags,
      costs: costs.map((slices) => Object.fromEntries(slices)),
      rows,
      floorUs,
      cells,
      losses: lossRows,
      faults,
    },
    medians: {
      layerUs: Object.fromEntries(
        rows.filter(({ variant }) => !variant.startsWith('off')).map(({ variant, addedUs }) => [`telemetry ${variant}`, addedUs.median]),
      ),
    },
    faults,
  };
}

/**
 * Slices are short, and what is taken of them is the one that a twentieth are below: what others do on the machine makes many of
 * them dearer, and none cheaper.
 */
const QUIET = 0.05;

const quiet = (slices: readonly number[]): number =>
  quantile(
    slices.toSorted((a, b) => a - b),
    QUIET,
  );

/** One row for each variant: the medians of its rounds. */
export function summariseCosts(rounds: readonly Slices[]): CostRow[] {
  return COST_NAMES.flatMap((variant): CostRow[] => {
    const both = rounds.flatMap((round) => {
      const mine = round.get(variant);
      const off = round.get('off');
      return mine === undefined || off === undefined ? [] : [{ mine, off }];
    });
    if (both.length === 0) return [];
    const cpuUs = spread(both.map(({ mine }) => quiet(mine)));
    const addedUs = spread(both.map(({ mine, off }) => quiet(mine) - quiet(off)));
    return [{ variant, cpuUs, addedUs }];
  });
}

/** One row for each variant: its ratios to its base, round by round. */
export function summariseLosses(rounds: readonly (readonly LossCell[])[]): LossRow[] {
  const of = (name: LossName, read: (cell: LossCell) => number): (number | undefined)[] =>
    rounds.map((cells) => {
      const cell = cells.find(({ variant }) => variant === name);
      return cell && read(cell);
    });
  return LOSS_NAMES.flatMap((variant): LossRow[] => {
    const rates = of(variant, (cell) => cell.callsPerSecond);
    const known = rates.filter((rate) => rate !== undefined);
    if (known.length === 0) return [];
    const { base } = LOSSES[variant];
    const rate = ratios(
      rates,
      of(base, (cell) => cell.callsPerSecond),
    );
    const cpu = ratios(of(variant, totalCpu), of(base, totalCpu));
    return [{ variant, callsPerSecond: spread(known), lost: spread(rate.map((ratio) => 1 - ratio)), cpu: spread(cpu) }];
  });
}

const totalCpu = ({ clientCpuUs, serverCpuUs }: LossCell): number => clientCpuUs + serverCpuUs;

function renderCosts(rows: readonly CostRow[], floorUs: Readonly<Record<string, Spread>>, rounds: number): string {
  const lines = rows.map(({ variant, cpuUs, addedUs }) => [
    variant,
    cpuUs.median.toFixed(1),
    `${addedUs.median.toFixed(2)} [${addedUs.min.toFixed(2)}..${addedUs.max.toFixed(2)}]`,
    COSTS[variant].about,
  ]);
  const verdicts = rows.flatMap(({ variant, addedUs: { median } }) => {
    const budget = COST_BUDGET_US[variant];
    if (budget === undefined) return [];
    const floor = floorUs[variant]?.median;
    const of = floor === undefined ? '' : `; ${floor.toFixed(2)} us of it are the SDK's own for a span and a duration`;
    return [`${variant}: adds ${median.toFixed(2)} us of ${budget} us${of}: ${verdict(median <= budget, rounds)}`];
  });
  const head = `node ${process.version}, default stack over a fake channel, client CPU per call, ${rounds} rounds\n`;
  return [head, table(['telemetry', 'us a call', 'added us [min..max]', 'what'], lines), '', ...verdicts, ''].join('\n');
}

function renderLosses(rows: readonly LossRow[], rounds: number): string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const lines = rows.map(({ variant, callsPerSecond, lost, cpu }) => [
    variant,
    callsPerSecond.median.toFixed(0),
    `${percent(lost.median)} [${percent(lost.min)}..${percent(lost.max)}]`,
    `${cpu.median.toFixed(2)} [${cpu.min.toFixed(2)}..${cpu.max.toFixed(2)}]`,
    `${LOSSES[variant].about}; against ${LOSSES[variant].base}`,
  ]);
  const theirs = rows.find(({ variant }) => variant === 'bare-theirs')?.lost.median;
  const verdicts = rows.flatMap(({ variant, lost: { median } }) => {
    if (theirs === undefined || !variant.startsWith('mesh-')) return [];
    const holds = median <= theirs * LOSS_SHARE;
    return [`${variant}: loses ${percent(median)}, instrumentation-grpc ${percent(theirs)}; at most half of it: ${verdict(holds, rounds)}`];
  });
  const head = `over a real connection, every call sampled, ${rounds} rounds\n`;
  return [head, table(['variant', 'calls/s', 'lost [min..max]', 'x CPU', 'what'], lines), '', ...verdicts].join('\n');
}

function verdict(holds: boolean, rounds: number): string {
  if (rounds < ROUNDS_TO_JUDGE) return `${holds ? 'holds' : 'past it'} (not judged below ${ROUNDS_TO_JUDGE} rounds)`;
  return holds ? 'holds' : 'MISSED';
}
