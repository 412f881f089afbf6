/**
 * `npm run bench -- layers`: microseconds of client CPU that each layer adds to a call, over a fake channel. Noise of
 * the network does not hide them. Each layer has a process of its own, started anew for every round; their slices
 * alternate, so that a busy machine is busy for all of them.
 *
 * @packageDocumentation
 */
import { performance } from 'node:perf_hooks';
import type { Measured } from './baseline.ts';
import { LAYER_BUDGET_US, ROUNDS_TO_JUDGE } from './budgets.ts';
import { Child, findCores } from './child.ts';
import type { Flags } from './flags.ts';
import { LAYER_NAMES, type LayerName } from './layer-variants.ts';
import type { LayerResult } from './protocol.ts';
import { table } from './report.ts';
import { stopAll } from './rounds.ts';
import { type Spread, spread } from './stats.ts';

/** Longest time of one slice. */
const SLICE_MS = 30_000;

/** A layer over all rounds. */
interface LayerRow {
  readonly layer: LayerName;
  /** CPU per call, the median slice of each round. */
  readonly cpuUs: Spread;
  /** The same less that of bare in the same slices. */
  readonly addedUs: Spread;
}

/** CPU per call of each slice of one round, by layer. */
type Slices = ReadonlyMap<LayerName, readonly number[]>;

/** How much one round does. */
export interface Work {
  /** Slices of each process. */
  readonly slices: number;
  /** Calls of a slice. */
  readonly calls: number;
  /** Calls before the first. */
  readonly warmCalls: number;
}

/** Measures every layer; `say` hears of progress, `print` gets the table. */
export async function runLayers(
  flags: Flags,
  live: Set<Child>,
  say: (line: string) => void,
  print: (text: string) => void,
): Promise<Measured> {
  const work = flags.quick ? { slices: 8, calls: 3000, warmCalls: 15_000 } : { slices: 16, calls: 5000, warmCalls: 40_000 };
  const faults: string[] = [];
  const rounds: Slices[] = [];
  const beganMs = performance.now();
  while (rounds.length < flags.rounds) {
    const usedMs = performance.now() - beganMs;
    if (rounds.length > 0 && usedMs + usedMs / rounds.length > flags.limitMs) {
      say(`stopped after ${rounds.length} of ${flags.rounds} rounds: the next would not fit into ${flags.limitMs / 1000} s`);
      break;
    }
    try {
      rounds.push(await sliceRound('layer-child.ts', LAYER_NAMES, work, live));
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
      break;
    } finally {
      await stopAll(live);
    }
    say(`round ${rounds.length}/${flags.rounds} done, ${Math.round((performance.now() - beganMs) / 1000)} s`);
  }
  const rows = summariseLayers(rounds);
  print(renderLayers(rows, rounds.length));
  return {
    json: {
      node: process.version,
      flags,
      rounds: rounds.map((slices) => Object.fromEntries(slices)),
      rows,
      faults,
    },
    medians: { layerUs: Object.fromEntries(rows.filter((row) => row.layer !== 'bare').map((row) => [row.layer, row.addedUs.median])) },
    faults,
  };
}

/** One round: a process for each name, whose slices alternate. */
export async function sliceRound<Name extends string>(
  file: string,
  names: readonly Name[],
  work: Work,
  live: Set<Child>,
): Promise<ReadonlyMap<Name, readonly number[]>> {
  const { client: core } = findCores();
  const children = new Map<Name, Child>();
  for (const name of names) {
    const child = new Child(file, [name], core);
    live.add(child);
    await child.hello();
    children.set(name, child);
  }
  const slices = new Map<Name, number[]>([...children.keys()].map((name) => [name, []]));
  for (const child of children.values()) await child.ask<LayerResult>({ do: 'layer', calls: work.warmCalls }, SLICE_MS);
  for (let i = 0; i < work.slices; i++) {
    for (const [name, child] of children) {
      const { cpuUs } = await child.ask<LayerResult>({ do: 'layer', calls: work.calls }, SLICE_MS);
      slices.get(name)?.push(cpuUs);
    }
  }
  return slices;
}

/** One row for each layer: the medians of its rounds. */
export function summariseLayers(rounds: readonly Slices[]): LayerRow[] {
  return LAYER_NAMES.flatMap((layer) => {
    const cpu: number[] = [];
    const added: number[] = [];
    for (const round of rounds) {
      const mine = round.get(layer);
      const bare = round.get('bare');
      if (mine === undefined || bare === undefined) continue;
      cpu.push(spread(mine).median);
      added.push(spread(mine.map((us, i) => us - (bare[i] ?? Number.NaN))).median);
    }
    return cpu.length === 0 ? [] : [{ layer, cpuUs: spread(cpu), addedUs: spread(added) }];
  });
}

function renderLayers(rows: readonly LayerRow[], rounds: number): string {
  const lines = rows.map(({ layer, cpuUs, addedUs }) => [
    layer,
    cpuUs.median.toFixed(1),
    `${addedUs.median.toFixed(1)} [${addedUs.min.toFixed(1)}..${addedUs.max.toFixed(1)}]`,
  ]);
  const { budget, goal } = LAYER_BUDGET_US;
  const verdicts = rows
    .filter((row) => row.layer.startsWith('default-'))
    .map(({ layer, addedUs: { median } }) => {
      const judged = median <= goal ? 'holds, goal met' : median <= budget ? `holds, goal of ${goal} us missed` : 'MISSED';
      const word = rounds < ROUNDS_TO_JUDGE ? `(not judged below ${ROUNDS_TO_JUDGE} rounds)` : judged;
      return `${layer}: adds ${median.toFixed(1)} us of ${budget} us: ${word}`;
    });
  const head = `node ${process.version}, fake channel, client CPU per call, ${rounds} rounds\n`;
  return [head, table(['layer', 'us a call', 'added us [min..max]'], lines), '', ...verdicts].join('\n');
}
