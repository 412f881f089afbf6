/**
 * The committed medians, and the gate on them.
 *
 * @packageDocumentation
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { GATE_SHARE } from './budgets.ts';

/** Medians by name. `rate`: calls/s against bare, more is better. `layerUs`: CPU added over a fake channel, less is better. */
export interface Baseline {
  /** By `variant@callers`. */
  readonly rate: Readonly<Record<string, number>>;
  /** By layer. */
  readonly layerUs: Readonly<Record<string, number>>;
}

/** What a suite hands to the JSON file and to the gate. */
export interface Measured {
  readonly json: unknown;
  readonly medians: Partial<Baseline>;
  readonly faults: readonly string[];
}

const FILE = new URL('baseline.json', import.meta.url);
/** Below this many microseconds a layer's cost is not told from noise; the gate adds it. */
const LAYER_SLACK_US = 3;

/** The committed medians. */
export function readBaseline(): Baseline {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Baseline;
}

/** Puts new medians beside those of the other suites. */
export function writeBaseline(part: Partial<Baseline>): void {
  const { rate, layerUs } = readBaseline();
  const merged = { rate: { ...rate, ...part.rate }, layerUs: { ...layerUs, ...part.layerUs } };
  writeFileSync(FILE, `${JSON.stringify(merged, null, 2)}\n`);
}

/** What fell below the gate, in words. Names missing on either side are not compared, but something must be. */
export function gate(baseline: Baseline, now: Partial<Baseline>): string[] {
  const failures: string[] = [];
  const committed = { ...baseline.rate, ...baseline.layerUs };
  if (!Object.keys({ ...now.rate, ...now.layerUs }).some((name) => name in committed)) {
    return ['bench/baseline.json has none of these medians: write them on a quiet machine, with --write-baseline'];
  }
  for (const [name, ratio] of Object.entries(now.rate ?? {})) {
    const floor = (baseline.rate[name] ?? 0) * GATE_SHARE;
    if (ratio < floor) failures.push(`${name}: ${ratio.toFixed(2)} of bare is below ${floor.toFixed(2)}, 65 % of the committed median`);
  }
  for (const [name, us] of Object.entries(now.layerUs ?? {})) {
    const committed = baseline.layerUs[name];
    const ceiling = committed === undefined ? Number.POSITIVE_INFINITY : Math.max(0, committed) / GATE_SHARE + LAYER_SLACK_US;
    if (us > ceiling)
      failures.push(`${name}: ${us.toFixed(1)} us a call is above ${ceiling.toFixed(1)}, the committed median / 65 % + ${LAYER_SLACK_US}`);
  }
  return failures;
}
