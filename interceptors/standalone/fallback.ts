/**
 * The fallback on its own, as a grpc-js interceptor.
 *
 * @packageDocumentation
 */
import type { Interceptor } from '@grpc/grpc-js';
import { systemClock } from '../../src/clock.ts';
import { ConfigError } from '../../src/errors.ts';
import { type FallbackFunction, type FallbackOptions, type FallbackRules, resolveFallbackOptions } from '../../src/fallback/options.ts';
import { MethodCodecs } from '../../src/grpc/codecs.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { checkedObject } from '../../src/input/checks.ts';
import { checkedPaths } from '../../src/input/paths.ts';
import { show } from '../../src/input/show.ts';
import { fallbackClient } from '../fallback.ts';
import { placed } from '../pipeline.ts';

/** Options of {@link fallbackInterceptor}. */
export interface FallbackInterceptorOptions extends Pick<FallbackOptions, 'onStatus' | 'timeoutMs'> {
  /** What answers, by path (`/pkg.Service/Method`). A function may call another method of a client. */
  readonly answers: Readonly<Record<string, FallbackFunction>>;
}

/** Answers in place of calls that failed. @throws ConfigError on a bad option. */
export function fallbackInterceptor(options: FallbackInterceptorOptions): Interceptor {
  const { answers, ...own } = checkedObject(options, ['answers', 'onStatus', 'timeoutMs'], 'fallback');
  if (typeof answers !== 'object' || answers === null)
    throw new ConfigError('fallback.answers', `expected functions by path, got ${show(answers)}`);
  checkedPaths(Object.keys(answers), 'fallback.answers');
  const rules = new Map<string, FallbackRules>(
    Object.entries(answers).map(([path, answer]) => [path, resolveFallbackOptions({ ...own, answer }, 'fallback')]),
  );
  const intercept = fallbackClient((path) => rules.get(path), {
    clock: systemClock,
    codecs: new MethodCodecs(),
    counts: { used: 0, failed: 0 },
    warn: (line) => process.emitWarning(line, 'InmeshWarning'),
  });
  return asInterceptor(placed('fallback', intercept));
}
