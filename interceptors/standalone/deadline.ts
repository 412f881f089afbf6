/**
 * Deadlines on their own, as grpc-js interceptors.
 *
 * @packageDocumentation
 */
import type { Interceptor, ServerInterceptor } from '@grpc/grpc-js';
import { type Clock, systemClock } from '../../src/clock.ts';
import { ConfigError } from '../../src/errors.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { asServerInterceptor } from '../../src/grpc/server-door.ts';
import { checkedNumber, checkedObject } from '../../src/input/checks.ts';
import { show } from '../../src/input/show.ts';
import { deadlineClient, deadlineServer } from '../deadline.ts';
import { placed } from '../pipeline.ts';

/** Options of {@link deadlineInterceptor}. */
export interface DeadlineOptions {
  /** Timeout of calls that come without a deadline, in ms, > 0. Default: none is invented. */
  readonly timeoutMs?: number;
  /** Longest time without a message on a stream, in ms, > 0. Default: as long as its deadline. */
  readonly idleTimeoutMs?: number;
  /** Whether calls made while serving a call end no later than it. Default true. */
  readonly propagate?: boolean;
  /** Kept back at each hop for the way home, in ms, >= 0. Default 0. */
  readonly hopMarginMs?: number;
  /** Default: the real clock. */
  readonly clock?: Clock;
}

/** Options of {@link deadlineServerInterceptor}. */
export interface DeadlineServerOptions {
  /** Time that a call without a deadline of its own may take, in ms, > 0. Default: as long as it likes. */
  readonly timeoutMs?: number;
  /** Late calls are refused, up to this fraction of all calls: 0 to 1. Default 1. */
  readonly lateRejectFraction?: number;
  /** Believe what calls say of their priority and tenant. Only behind clients that may be believed. Default false. */
  readonly trustTraits?: boolean;
  /** Default: the real clock. */
  readonly clock?: Clock;
}

/** Default deadline, propagation, refusal of late calls, end of idle streams. @throws ConfigError on a bad option. */
export function deadlineInterceptor(options: DeadlineOptions = {}): Interceptor {
  const given = checkedObject(options, ['timeoutMs', 'idleTimeoutMs', 'propagate', 'hopMarginMs', 'clock'], 'deadline');
  const timeoutMs = span(given['timeoutMs'], 'deadline.timeoutMs');
  const idleMs = span(given['idleTimeoutMs'], 'deadline.idleTimeoutMs');
  const hopMarginMs = checkedNumber(given['hopMarginMs'], 0, { min: 0, ms: true }, 'deadline.hopMarginMs');
  const propagate = flag(given['propagate'], true, 'deadline.propagate');
  const { clock = systemClock } = options;
  const idle = idleMs === undefined ? {} : { idleTimeoutMs: () => idleMs };
  return asInterceptor(placed('deadline', deadlineClient({ clock, timeoutMs: () => timeoutMs, ...idle, propagate, hopMarginMs })), clock);
}

/** Refuses late calls, and lets the client calls of a handler inherit its deadline, its end, and what it says of itself. @throws ConfigError on a bad option. */
export function deadlineServerInterceptor(options: DeadlineServerOptions = {}): ServerInterceptor {
  const given = checkedObject(options, ['timeoutMs', 'lateRejectFraction', 'trustTraits', 'clock'], 'deadline');
  const timeoutMs = span(given['timeoutMs'], 'deadline.timeoutMs');
  const rejectFraction = checkedNumber(given['lateRejectFraction'], 1, { min: 0, max: 1 }, 'deadline.lateRejectFraction');
  const trustTraits = flag(given['trustTraits'], false, 'deadline.trustTraits');
  const { clock = systemClock } = options;
  return asServerInterceptor(deadlineServer({ clock, timeoutMs: () => timeoutMs, rejectFraction, trustTraits }));
}

function span(value: unknown, path: string): number | undefined {
  return value === undefined ? undefined : checkedNumber(value, 0, { min: 0, above: true, ms: true }, path);
}

function flag(value: unknown, fallback: boolean, path: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? fallback;
  throw new ConfigError(path, `expected true or false, got ${show(value)}`);
}
