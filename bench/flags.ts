/**
 * Command line of the bench.
 *
 * @packageDocumentation
 */
import { parseArgs } from 'node:util';
import { VARIANT_NAMES, type VariantName } from './variants.ts';

/** Suites that are named. */
const SUITES = ['layers', 'telemetry'] as const;
type Suite = (typeof SUITES)[number];

/** What is run, and for how long. */
export interface Flags {
  /** `calls`: real connections. `layers`: a fake channel. `telemetry`: both, for telemetry alone. */
  readonly suite: 'calls' | Suite;
  /** Closed-loop callers at a time, one cell each. */
  readonly callers: readonly number[];
  /** Alternating rounds. */
  readonly rounds: number;
  /** Measured time of a cell. */
  readonly sliceMs: number;
  /** Slices of unmeasured time of each process before its first cell. */
  readonly warmMs: number;
  /** So many slices at most, while it still gets faster. */
  readonly warmSlices: number;
  readonly variants: readonly VariantName[];
  /** No round is begun that would not fit. */
  readonly limitMs: number;
  /** Fewer, shorter slices. */
  readonly quick: boolean;
  readonly json: string | undefined;
  readonly gate: boolean;
  readonly writeBaseline: boolean;
  readonly help: boolean;
}

/** A flag that makes no sense. Shown without a stack. */
export class FlagError extends Error {
  override readonly name = 'FlagError';
}

/** Text of `--help`. */
export const USAGE = `npm run bench -- [layers | telemetry] [flags]
  --callers 1,16,64,256   closed-loop callers at a time
  --rounds 9              alternating rounds (fewer than 9 are shown, not judged)
  --slice-ms 2000         measured time of one cell
  --variants NAMES        some of: ${VARIANT_NAMES.join(', ')} (bare and bare-again always run)
  --quick                 3 rounds of short slices, < 90 s
  --json FILE             every figure of every round
  --gate                  fail only below 65 % of the medians in bench/baseline.json
  --write-baseline        write these medians to bench/baseline.json
layers: CPU that each layer adds to a call over a fake channel, no network. Takes --rounds, --quick, --json, --gate, --write-baseline.
telemetry: the same for spans and metrics, without and with an SDK; then what they take of the calls/s over a real connection,
  beside instrumentation-grpc. Takes the same, and --slice-ms.`;

const SPEC = {
  callers: { type: 'string' },
  rounds: { type: 'string' },
  'slice-ms': { type: 'string' },
  variants: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'string' },
  gate: { type: 'boolean' },
  'write-baseline': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

function integer(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new FlagError(`--${flag}: expected a whole number from ${min} to ${max}, got "${text}"`);
  }
  return value;
}

function variantName(text: string): VariantName {
  const name = VARIANT_NAMES.find((known) => known === text);
  if (name === undefined) throw new FlagError(`--variants: unknown variant "${text}"; known: ${VARIANT_NAMES.join(', ')}`);
  return name;
}

function parse(argv: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof SPEC; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...argv], options: SPEC, allowPositionals: true });
  } catch (error) {
    throw new FlagError(error instanceof Error ? error.message : String(error));
  }
}

/** Reads the command line; throws {@link FlagError}. */
export function parseFlags(argv: readonly string[]): Flags {
  const { values, positionals } = parse(argv);
  const [word, extra] = positionals;
  const suite = word === undefined ? 'calls' : SUITES.find((known) => known === word);
  if (suite === undefined || extra !== undefined) {
    throw new FlagError(`unexpected "${extra ?? word}"; the suites to name are "layers" and "telemetry"`);
  }
  const quick = values.quick ?? false;
  const chosen = values.variants?.split(',').map(variantName) ?? VARIANT_NAMES;
  const callers = (values.callers ?? '1,16,64,256').split(',').map((text) => integer('callers', text, 1, 4096));
  return {
    suite,
    callers: [...new Set(callers)],
    rounds: integer('rounds', values.rounds ?? (quick ? '3' : '9'), 1, 99),
    sliceMs: integer('slice-ms', values['slice-ms'] ?? (quick ? '250' : '2000'), 20, 10_000),
    warmMs: quick ? 400 : 1000,
    warmSlices: quick ? 4 : 20,
    variants: VARIANT_NAMES.filter((name) => name === 'bare' || name === 'bare-again' || chosen.includes(name)),
    limitMs: quick ? 85_000 : 1_800_000,
    quick,
    json: values.json,
    gate: values.gate ?? false,
    writeBaseline: values['write-baseline'] ?? false,
    help: values.help ?? false,
  };
}
