/**
 * Options of worker threads.
 *
 * @packageDocumentation
 */
import { availableParallelism } from 'node:os';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ResourceLimits, WorkerOptions } from 'node:worker_threads';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { quote, show } from '../input/show.ts';

/** Where handlers run off the main thread, and how many at a time. */
export interface WorkersOptions {
  /**
   * An ES module that every thread imports: its exports, by method name (`sayHello` or `SayHello`), are the handlers. An
   * export named `service` (a service definition, or a list of them) lets requests and responses cross as bytes. A URL, as in
   * `new URL('./handlers.js', import.meta.url)`, the text of one, or an absolute path.
   */
  readonly module: URL | string;
  /** Whole number 1..256. @defaultValue the cores but one, at least 1 */
  readonly threads?: number;
  /** Calls that one thread may have at a time; further ones wait on the main thread. Whole number 1..65536. @defaultValue 16 */
  readonly inFlight?: number;
  /** Calls that may wait for a thread; more are refused. Whole number >= 0, or Infinity. @defaultValue 1024 */
  readonly queue?: number;
  /**
   * How long a thread may stay silent in ms, > 0, once a call of its was cancelled or ran out of time. Then it counts as stuck
   * and is replaced. `Infinity`: never. @defaultValue 5000
   */
  readonly stallMs?: number;
  /**
   * Deaths of threads after which the request that killed them is kept out for {@link quarantineMs}; from the first on it runs
   * alone. Whole number >= 2, or Infinity: never. @defaultValue 3
   */
  readonly quarantineAfter?: number;
  /** How long such a request is refused, and remembered, in ms, > 0. @defaultValue 60000 */
  readonly quarantineMs?: number;
  /** Handed to the modules as `workerData` of `node:worker_threads`; must survive structured clone. @defaultValue undefined */
  readonly data?: unknown;
  /** Memory of one thread; over it the thread crashes, not the process. @defaultValue Node's own */
  readonly resourceLimits?: ResourceLimits;
  /** Environment of the threads. @defaultValue a copy of the process's */
  readonly env?: NonNullable<WorkerOptions['env']>;
  /** Node's flags for the threads. @defaultValue the process's */
  readonly execArgv?: readonly string[];
}

/** {@link WorkersOptions} checked and filled in: what the pool goes by. */
export interface PoolRules {
  readonly threads: number;
  readonly inFlight: number;
  readonly queue: number;
  readonly stallMs: number;
  readonly quarantineAfter: number;
  readonly quarantineMs: number;
}

/** What a thread is made of. */
export interface ThreadRules {
  readonly module: string;
  readonly data: unknown;
  readonly worker: Pick<WorkerOptions, 'resourceLimits' | 'env' | 'execArgv'>;
}

const KEYS = [
  'module',
  'threads',
  'inFlight',
  'queue',
  'stallMs',
  'quarantineAfter',
  'quarantineMs',
  'data',
  'resourceLimits',
  'env',
  'execArgv',
] as const satisfies readonly (keyof WorkersOptions)[];

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveWorkersOptions(input: unknown, path: string): PoolRules & ThreadRules {
  const given = checkedObject(input, KEYS, path);
  const { resourceLimits, env, execArgv } = given as Partial<WorkersOptions>;
  if (execArgv !== undefined && !Array.isArray(execArgv)) {
    throw new ConfigError(`${path}.execArgv`, `expected a list of texts, got ${show(execArgv)}`);
  }
  const spare = Math.max(1, availableParallelism() - 1);
  return {
    module: moduleUrl(given['module'], `${path}.module`),
    threads: checkedNumber(given['threads'], Math.min(spare, 256), { min: 1, max: 256, integer: true }, `${path}.threads`),
    inFlight: checkedNumber(given['inFlight'], 16, { min: 1, max: 65_536, integer: true }, `${path}.inFlight`),
    queue: checkedNumber(given['queue'], 1024, { min: 0, max: Number.POSITIVE_INFINITY, integer: true }, `${path}.queue`),
    stallMs: checkedNumber(given['stallMs'], 5000, { min: 0, above: true, max: Number.POSITIVE_INFINITY, ms: true }, `${path}.stallMs`),
    quarantineAfter: checkedNumber(
      given['quarantineAfter'],
      3,
      { min: 2, max: Number.POSITIVE_INFINITY, integer: true },
      `${path}.quarantineAfter`,
    ),
    quarantineMs: checkedNumber(given['quarantineMs'], 60_000, { min: 0, above: true, ms: true }, `${path}.quarantineMs`),
    data: given['data'],
    worker: {
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
      ...(env === undefined ? {} : { env }),
      ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
    },
  };
}

/** A relative path or the name of a package would mean something else in a thread. */
function moduleUrl(value: unknown, path: string): string {
  if (value instanceof URL) return value.href;
  if (typeof value === 'string') {
    if (isAbsolute(value)) return pathToFileURL(value).href;
    if (URL.canParse(value)) return value;
    throw new ConfigError(path, `${quote(value)} is no URL and no absolute path; use new URL(${quote(value)}, import.meta.url)`);
  }
  throw new ConfigError(path, `expected a URL or an absolute path, got ${show(value)}`);
}
