/**
 * What answers in place of a call that failed.
 *
 * @packageDocumentation
 */
import { Code } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import { codeProblem, type StatusCodeText, toCode } from '../policy/names.ts';

/** Why a fallback is asked. */
export interface FallbackFailure {
  /** gRPC status code. */
  readonly code: number;
  readonly details: string;
  /** Trailing metadata by key, as `Metadata.getMap()` gives it. */
  readonly metadata: Readonly<Record<string, string | Uint8Array>>;
}

/**
 * Answers in place of a failed call, at once or by a promise. The request is the object that the client was given, and so is
 * the answer, where its class is known (`services`); else both are bytes. When it throws, the call ends as it failed.
 */
// A method's parameters are compared both ways, so that functions may name their request's type.
export type FallbackFunction = { answer(failure: FallbackFailure, request: unknown): unknown }['answer'];

/** Options of one method's fallback: `method` or `answer`, one of them. */
export interface FallbackOptions {
  /** Status codes to answer for, by name or number. @defaultValue UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED */
  readonly onStatus?: readonly StatusCodeText[];
  /** Path (`/pkg.Service/Method`) of the method to call instead, once, with the same request. */
  readonly method?: string;
  readonly answer?: FallbackFunction;
  /** Longest wait for the answer in ms, > 0, even where the call's own deadline is over. @defaultValue 1000 */
  readonly timeoutMs?: number;
}

/** {@link FallbackOptions} with everything filled in. */
export interface FallbackRules {
  readonly codes: ReadonlySet<number>;
  readonly method: string | undefined;
  readonly answer: FallbackFunction | undefined;
  readonly timeoutMs: number;
}

const KEYS = ['onStatus', 'method', 'answer', 'timeoutMs'] as const satisfies readonly (keyof FallbackOptions)[];
const DEFAULT_CODES: ReadonlySet<number> = new Set([Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED]);
const PATH = /^\/[^/]+\/[^/]+$/;

/** Checks options and fills in what is missing. @throws ConfigError naming `path`, the value and the rule. */
export function resolveFallbackOptions(input: unknown, path: string): FallbackRules {
  const { onStatus, method, answer, timeoutMs } = checkedObject(input, KEYS, path);
  if ((method === undefined) === (answer === undefined))
    throw new ConfigError(path, `expected a method or a function that answers, got ${method === undefined ? 'neither' : 'both'}`);
  if (method !== undefined && (typeof method !== 'string' || !PATH.test(method)))
    throw new ConfigError(`${path}.method`, `expected a path like "/pkg.Service/Method", got ${show(method)}`);
  if (answer !== undefined && typeof answer !== 'function')
    throw new ConfigError(`${path}.answer`, `expected a function, got ${show(answer)}`);
  return {
    codes: onStatus === undefined ? DEFAULT_CODES : checkedCodes(onStatus, `${path}.onStatus`),
    method,
    answer: answer as FallbackFunction | undefined,
    timeoutMs: checkedNumber(timeoutMs, 1000, { min: 0, above: true, ms: true }, `${path}.timeoutMs`),
  };
}

function checkedCodes(codes: unknown, path: string): ReadonlySet<number> {
  if (!Array.isArray(codes) || codes.length === 0) throw new ConfigError(path, `expected a list of status codes, got ${show(codes)}`);
  return new Set(
    codes.map((code: unknown, index) => {
      const problem = codeProblem(code);
      if (problem !== undefined) throw new ConfigError(`${path}[${index}]`, problem);
      return toCode(code) ?? Code.UNKNOWN;
    }),
  );
}
