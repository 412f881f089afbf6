/**
 * Options of the endpoints: how addresses are looked for, and connections watched.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';

/** How addresses are looked for, and connections watched. */
export interface EndpointOptions {
  /**
   * While there are calls, the name is resolved again so often, in ms, >= 0, or up to a fifth sooner; 0: only when a connection is
   * lost. @defaultValue 1_500: a new address is in use within two seconds. Envoy's STRICT_DNS has 5_000
   */
  readonly refreshMs?: number;
  /**
   * A connection that is not ready for calls (TCP, TLS, the peer's HTTP/2 settings) after that time has failed, in ms, > 0.
   * @defaultValue 5_000 (Envoy's)
   */
  readonly connectTimeoutMs?: number;
  /**
   * How long the connection to an address that the name no longer has is kept, without calls, should it come back, in ms, >= 0.
   * @defaultValue 10_000
   */
  readonly holdMs?: number;
  /** A connection that has fallen silent is replaced by a new one to the same address. @defaultValue true */
  readonly rebuild?: boolean;
}

/** {@link EndpointOptions} with everything filled in. */
export type EndpointRules = Required<EndpointOptions>;

const KEYS = ['refreshMs', 'connectTimeoutMs', 'holdMs', 'rebuild'] as const satisfies readonly (keyof EndpointOptions)[];

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveEndpointOptions(input: unknown, path: string): EndpointRules {
  const given = checkedObject(input, KEYS, path);
  return {
    refreshMs: checkedNumber(given['refreshMs'], 1_500, { min: 0, ms: true }, `${path}.refreshMs`),
    connectTimeoutMs: checkedNumber(given['connectTimeoutMs'], 5_000, { min: 0, above: true, ms: true }, `${path}.connectTimeoutMs`),
    holdMs: checkedNumber(given['holdMs'], 10_000, { min: 0, ms: true }, `${path}.holdMs`),
    rebuild: checkedSwitch(given['rebuild'], true, `${path}.rebuild`),
  };
}

function checkedSwitch(value: unknown, fallback: boolean, path: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw new ConfigError(path, `expected true or false, got ${show(value)}`);
  return value ?? fallback;
}
