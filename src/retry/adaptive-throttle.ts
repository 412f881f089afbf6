/**
 * Client-side throttling: calls that a service would only refuse are not sent.
 *
 * A call is refused with the chance `max(0, (requests - k * accepts) / (requests + 1))`. Refused calls count as requests too,
 * or the chance would swing. It is 95 % at most: by the formula alone a service that was away for a whole window would see one
 * call in thousands, and its return go unnoticed for minutes (Finagle's NackAdmissionFilter has such a bound, too).
 *
 * Unlike in the book a call that was sent counts when it ends: one in flight speaks neither for the service nor against it,
 * and the first burst of a process would be refused else. So calls need a deadline, or silence is never counted.
 * Source: Site Reliability Engineering, chapter 21.
 *
 * @packageDocumentation
 */
import { Code, splitMethod } from '../call.ts';
import type { Clock } from '../clock.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { SlidingWindow } from '../math/sliding-window.ts';
import type { Random } from '../random.ts';

/** When calls are refused here because their service would refuse them. */
export interface AdaptiveThrottleOptions {
  /** Calls sent for each accepted one. 1 to 1000; the smaller, the sooner calls are refused. @defaultValue 2 */
  readonly k?: number;
  /** How far back calls count, in ms. 1000 to 3600000. @defaultValue 120000 */
  readonly windowMs?: number;
}

/** Checks options and fills in what is missing. @throws ConfigError naming path, value and rule. */
export function resolveAdaptiveThrottleOptions(input: unknown, path: string): Required<AdaptiveThrottleOptions> {
  const { k, windowMs } = checkedObject(input, ['k', 'windowMs'], path);
  return {
    k: checkedNumber(k, 2, { min: 1, max: 1000 }, `${path}.k`),
    windowMs: checkedNumber(windowMs, 120_000, { min: 1000, max: 3_600_000, ms: true }, `${path}.windowMs`),
  };
}

/** Never more than that are refused. */
const MAX_CHANCE = 0.95;
/** A call counts for the window and at most a sixtieth longer. */
const BUCKETS = 60;
/** Services with counts of their own; the rest share theirs, so that names can't fill the memory. */
const MAX_SERVICES = 1000;

/** What one service took of what it was asked. */
export class AdaptiveThrottle {
  #k: number;
  #windowMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  #requests: SlidingWindow;
  #accepts: SlidingWindow;

  constructor({ k, windowMs }: Required<AdaptiveThrottleOptions>, clock: Clock, random: Random) {
    this.#k = k;
    this.#windowMs = windowMs;
    this.#clock = clock;
    this.#random = random;
    const nowMs = clock.nowMs();
    this.#requests = new SlidingWindow(windowMs, BUCKETS, nowMs);
    this.#accepts = new SlidingWindow(windowMs, BUCKETS, nowMs);
  }

  /** Takes other numbers. What was counted counts on; of a window that is shorter now, its share. */
  retune({ k, windowMs }: Required<AdaptiveThrottleOptions>): void {
    this.#k = k;
    if (windowMs === this.#windowMs) return;
    const nowMs = this.#clock.nowMs();
    const share = Math.min(1, windowMs / this.#windowMs);
    const moved = (from: SlidingWindow): SlidingWindow => {
      const to = new SlidingWindow(windowMs, BUCKETS, nowMs);
      to.add(from.sum(nowMs) * share, nowMs);
      return to;
    };
    this.#windowMs = windowMs;
    this.#requests = moved(this.#requests);
    this.#accepts = moved(this.#accepts);
  }

  /** The chance by which the next call is refused. */
  get refusal(): number {
    const nowMs = this.#clock.nowMs();
    const requests = this.#requests.sum(nowMs);
    return Math.min(MAX_CHANCE, Math.max(0, (requests - this.#k * this.#accepts.sum(nowMs)) / (requests + 1)));
  }

  /** False: do not send the call. True: do, and tell {@link ended}. */
  trySend(): boolean {
    const chance = this.refusal;
    if (chance === 0 || this.#random() >= chance) return true;
    this.#requests.add(1, this.#clock.nowMs());
    return false;
  }

  /** A call that was sent has ended so. One that was cancelled says nothing. */
  ended(code: number): void {
    if (code === Code.CANCELLED) return;
    const nowMs = this.#clock.nowMs();
    this.#requests.add(1, nowMs);
    if (!isRefusal(code)) this.#accepts.add(1, nowMs);
  }
}

/** Overload, and what overload looks like from here; every other answer took the service's work. */
function isRefusal(code: number): boolean {
  return code === Code.UNAVAILABLE || code === Code.RESOURCE_EXHAUSTED || code === Code.DEADLINE_EXCEEDED;
}

/** Throttles by service, bounded. */
export class AdaptiveThrottles {
  #options: Required<AdaptiveThrottleOptions>;
  readonly #make: () => AdaptiveThrottle;
  readonly #byService = new Map<string, AdaptiveThrottle>();

  constructor(options: Required<AdaptiveThrottleOptions>, clock: Clock, random: Random) {
    this.#options = options;
    this.#make = () => new AdaptiveThrottle(this.#options, clock, random);
  }

  /** Takes other numbers, for all services. */
  retune(options: Required<AdaptiveThrottleOptions>): void {
    this.#options = options;
    for (const throttle of this.#byService.values()) throttle.retune(options);
  }

  /** The throttle of a method's service. @param method - `/pkg.Service/Method`. */
  of(method: string): AdaptiveThrottle {
    const own = splitMethod(method).service;
    const service = this.#byService.has(own) || this.#byService.size < MAX_SERVICES ? own : '';
    let throttle = this.#byService.get(service);
    if (throttle === undefined) {
      throttle = this.#make();
      this.#byService.set(service, throttle);
    }
    return throttle;
  }
}
