/** The command line of the example. */
import { parseArgs } from 'node:util';

/** What one run is asked to do. */
export interface Flags {
  readonly json: boolean;
  readonly short: boolean;
  readonly help: boolean;
  readonly ui: boolean;
  readonly otlp: string | null;
  readonly seed: number;
  readonly rate: number;
  readonly fanout: number;
  readonly acts: readonly number[];
  readonly port: number;
}

/** A command line that cannot be followed; the message says why. */
export class FlagError extends Error {
  override readonly name = 'FlagError';
}

const OPTIONS = {
  json: { type: 'boolean' },
  short: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  ui: { type: 'boolean' },
  otlp: { type: 'string' },
  seed: { type: 'string' },
  rate: { type: 'string' },
  fanout: { type: 'string' },
  acts: { type: 'string' },
  port: { type: 'string' },
} as const;

const DEFAULT_FANOUT = 40;
/** Some 600 calls a second: far below what two cores can do for grpc-js alone, so that queues are the faults' doing. */
const DEFAULT_RATE = 30;
/** Pages of a single call need more of them for a percentile. */
const DEFAULT_RATE_OF_SINGLES = 200;
/** Below the range that systems hand out for outgoing connections. */
const DEFAULT_PORT = 27_110;

/** The text of `--help`. */
export const HELP: string = `Usage: npm start -- [flags]        (or: node examples/atlas/run.ts [flags])

Renders pages of a world atlas over three replicas of a gRPC service, through the same faults in four acts:
  1  grpc-js as it comes            3  + inmesh on the client, servers as they are
  2  grpc-js as its docs set it up  4  + coalescing

  --short        a shorter day: under half a minute for all acts
  --ui           act 4 (or the mesh act of --acts) without an end, with the live page over it; Ctrl-C ends it
  --json         the result as JSON on stdout, progress on stderr
  --acts LIST    only these acts, e.g. 2,4                                    [1,2,3,4]
  --fanout N     places on a page, 1 to 1000; 1: a page is one single call    [${DEFAULT_FANOUT}]
  --rate N       pages per second, 1 to 2000                                  [${DEFAULT_RATE}; ${DEFAULT_RATE_OF_SINGLES} with --fanout 1]
  --seed N       which places, which waits                                    [1]
  --port N       first of four ports on 127.0.0.1 for the replicas            [${DEFAULT_PORT}]
  --otlp URL     send traces and metrics of acts 3, 4 to an OpenTelemetry collector, e.g. http://127.0.0.1:4318
  --help         this text
`;

/** Reads the command line, or throws a FlagError. */
export function readFlags(args: readonly string[]): Flags {
  for (const arg of args) {
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (name !== undefined && !Object.hasOwn(OPTIONS, name)) {
      throw new FlagError(`unknown flag --${name}; the nearest is --${nearest(name, Object.keys(OPTIONS))} (see --help)`);
    }
  }
  const { values } = parse(args);
  const fanout = integer('fanout', values.fanout, DEFAULT_FANOUT, 1, 1000);
  return {
    json: values.json ?? false,
    short: values.short ?? false,
    help: values.help ?? false,
    ui: values.ui ?? false,
    otlp: values.otlp === undefined ? null : url(values.otlp),
    seed: integer('seed', values.seed, 1, 0, 2 ** 32 - 1),
    rate: integer('rate', values.rate, fanout === 1 ? DEFAULT_RATE_OF_SINGLES : DEFAULT_RATE, 1, 2000),
    fanout,
    acts: actList(values.acts ?? '1,2,3,4'),
    port: integer('port', values.port, DEFAULT_PORT, 1, 65_532),
  };
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false });
  } catch (error) {
    throw new FlagError(error instanceof Error ? error.message : String(error));
  }
}

function integer(name: string, text: string | undefined, fallback: number, least: number, most: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new FlagError(`--${name} ${text}: must be a whole number from ${least} to ${most}`);
}

function url(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text.replace(/\/+$/, '');
  throw new FlagError(`--otlp ${text}: must be an http or https address, e.g. http://127.0.0.1:4318`);
}

function actList(text: string): readonly number[] {
  const acts = [...new Set(text.split(',').map((part) => part.trim()))];
  const wrong = acts.find((act) => !/^[1-4]$/.test(act));
  if (wrong !== undefined) throw new FlagError(`--acts ${text}: '${wrong}' is no act; there are 1, 2, 3 and 4`);
  return acts.map(Number).sort();
}

/** The candidate that takes the fewest edits to reach. */
function nearest(word: string, candidates: readonly string[]): string {
  return [...candidates].sort((a, b) => edits(word, a) - edits(word, b))[0] ?? '';
}

function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const swap = (row[j] ?? 0) + (letter === to[j] ? 0 : 1);
      next.push(Math.min(swap, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
