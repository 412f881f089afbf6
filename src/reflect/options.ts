/**
 * Options of asking a server for its descriptors.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import { nameProblem } from '../policy/names.ts';

/** What to ask for, and how much a server may say. */
export interface ReflectOptions {
  /** Full names of services, such as `pkg.Service`. @defaultValue all that the server names */
  readonly services?: readonly string[];
  /** Longest time for everything, the connection too, in ms, from 1 to 600,000. @defaultValue 10,000 */
  readonly timeoutMs?: number;
  /** Most bytes of all descriptors together, and of one answer, from 1 to 2^30. @defaultValue 16 MiB */
  readonly maxBytes?: number;
  /** Most files; so many services at most may be named, too. From 1 to 100,000. @defaultValue 2,000 */
  readonly maxFiles?: number;
}

/** {@link ReflectOptions} with everything filled in. */
export interface ReflectRules {
  /** Undefined: all. */
  readonly services: readonly string[] | undefined;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly maxFiles: number;
}

const KEYS = ['services', 'timeoutMs', 'maxBytes', 'maxFiles'] as const satisfies readonly (keyof ReflectOptions)[];
const DEFAULT_BYTES = 16 * 1024 * 1024;

/**
 * Checks options and fills in what is missing.
 *
 * @param others - Keys that somebody else reads.
 * @throws ConfigError naming path, value and rule.
 */
export function resolveReflectOptions(input: unknown, others: readonly string[] = []): ReflectRules {
  const given = checkedObject(input, [...KEYS, ...others], 'options');
  const whole = (key: keyof ReflectRules, fallback: number, max: number): number =>
    checkedNumber(given[key], fallback, { min: 1, max, integer: true, ms: key === 'timeoutMs' }, `options.${key}`);
  return {
    services: checkedServices(given['services']),
    timeoutMs: whole('timeoutMs', 10_000, 600_000),
    maxBytes: whole('maxBytes', DEFAULT_BYTES, 2 ** 30),
    maxFiles: whole('maxFiles', 2_000, 100_000),
  };
}

function checkedServices(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0)
    throw new ConfigError('options.services', `expected a list of services such as "pkg.Service", got ${show(value)}`);
  return value.map((name: unknown, index) => {
    const problem = nameProblem(name, { method: false, service: true, key: false });
    if (problem !== undefined) throw new ConfigError(`options.services[${index}]`, problem);
    return String(name);
  });
}
