/**
 * Fallback: answers in place of a unary call that failed, by another method or by a function.
 *
 * - Scope: per call, above everything that refuses or fails, so that it answers for all of them; below the records, which see one
 *   OK and, on the span, the status behind it.
 * - Rejects nothing. Where nothing else answers, the call ends as it failed; what its own caller cancelled is never answered.
 * - Unary only; headers and response are held until the status. State: none but the calls that are being answered.
 * - Source: cockatiel's and kitex's fallback, dubbo's mock (feature RH19).
 *
 * @packageDocumentation
 */
import type { Clock } from '../src/clock.ts';
import { DeadlineQueue } from '../src/deadline/deadline-queue.ts';
import type { FallbackRules } from '../src/fallback/options.ts';
import type { ClientInterceptor } from '../src/grpc/client-call.ts';
import type { MethodCodecs } from '../src/grpc/codecs.ts';
import { FallbackCall, type FallbackCounts, type FallbackHome } from '../src/grpc/fallback-call.ts';

/** What the fallback behaviour is told. */
export interface FallbackSettings {
  readonly clock: Clock;
  readonly codecs: MethodCodecs;
  readonly counts: FallbackCounts;
  readonly warn: (line: string) => void;
}

/** Methods whose trouble is told; each once. */
const MAX_TOLD = 1000;

/** Rules of a method; undefined: it has no fallback. */
export type FallbackOf = (path: string) => FallbackRules | undefined;

/** The client half; a server has none. */
export function fallbackClient(rulesOf: FallbackOf, { clock, codecs, counts, warn }: FallbackSettings): ClientInterceptor {
  const told = new Set<string>();
  const home: FallbackHome = {
    clock,
    codecs,
    counts,
    expiries: new DeadlineQueue<FallbackCall>(clock, (call) => call.expire()),
    warn: (method, why) => {
      if (told.has(method) || told.size >= MAX_TOLD) return;
      told.add(method);
      warn(`the fallback of ${method.slice(1)} gave no answer: ${why}`);
    },
  };
  return (info, next) => {
    const rules = info.kind === 'unary' || info.kind === undefined ? rulesOf(info.method) : undefined;
    return rules === undefined ? next(info) : new FallbackCall(home, rules, info, next);
  };
}
