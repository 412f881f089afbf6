/**
 * Taps: who watches single calls go by, and which.
 *
 * Nothing is built while nobody listens, and a call that no filter wants is not built either. A listener hears of calls at the end
 * of the turn they ended in, not in the middle of them. One that is slow (its promise is pending) loses calls beyond a bounded queue,
 * and is told how many.
 *
 * @packageDocumentation
 */
import { codeOf } from '../call.ts';
import type { Clock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import { show } from '../input/show.ts';
import type { CallStory } from './story.ts';
import type { CallView, Side } from './views.ts';

/** Which calls somebody wants to see: all that every given field fits. */
export interface TapFilter {
  readonly side?: Side | undefined;
  /** `pkg.Service/Method`, or `pkg.Service/*`. */
  readonly method?: string | undefined;
  /** Name of a status code, or `failed`: all but OK. */
  readonly status?: string | undefined;
  /** Calls that took at least so many ms. Not negative. */
  readonly slowMs?: number | undefined;
  /** `inmesh-reason`, or its beginning: `client.bulkhead`. */
  readonly reason?: string | undefined;
  /** The channel's target, as the application wrote it. */
  readonly target?: string | undefined;
}

/** How a listener is served. */
export interface TapOptions {
  /** Told how many calls were lost, before the next one that was not. */
  readonly onLost?: (calls: number) => void;
  /** Calls that wait for a slow listener, at most. Whole number >= 1. @defaultValue 1000 */
  readonly maxWaiting?: number;
}

/** Sees one call. While its promise is pending the calls that follow wait. */
export type TapListener = (call: CallView) => void | Promise<void>;

const MAX_WAITING = 1_000;

/** The listeners of one mesh. */
export class Taps {
  /** True while somebody listens; asked once for each call. */
  on = false;
  readonly #clock: Clock;
  #taps: readonly Tap[] = [];

  /** @param clock - Whose turns end in nobody's asynchronous context. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Has `fn` called with each ended call that fits the filter.
   *
   * @returns What ends that. Calls that still wait for the listener are dropped.
   * @throws ConfigError on a filter that can fit nothing.
   */
  subscribe(filter: TapFilter, fn: TapListener, options: TapOptions = {}): () => void {
    const tap = new Tap(fitsOf(filter), fn, options, this.#clock);
    this.#set([...this.#taps, tap]);
    return () => {
      tap.end();
      this.#set(this.#taps.filter((other) => other !== tap));
    };
  }

  /** A call has ended. `view` is asked for once, if anybody wants it. */
  offer(story: CallStory, durationMs: number, view: () => CallView): void {
    let made: CallView | undefined;
    for (const tap of this.#taps) {
      if (!tap.fits(story, durationMs)) continue;
      made ??= view();
      tap.offer(made);
    }
  }

  #set(taps: readonly Tap[]): void {
    this.#taps = taps;
    this.on = taps.length > 0;
  }
}

type Fits = (story: CallStory, durationMs: number) => boolean;

class Tap {
  readonly fits: Fits;
  readonly #fn: TapListener;
  readonly #onLost: (calls: number) => void;
  readonly #max: number;
  readonly #clock: Clock;
  #waiting: CallView[] = [];
  #lost = 0;
  #busy = false;
  #ended = false;

  constructor(fits: Fits, fn: TapListener, { onLost = () => {}, maxWaiting = MAX_WAITING }: TapOptions, clock: Clock) {
    this.fits = fits;
    this.#fn = fn;
    this.#onLost = onLost;
    this.#max = maxWaiting;
    this.#clock = clock;
  }
  offer(call: CallView): void {
    if (this.#waiting.length >= this.#max) {
      this.#lost++;
      return;
    }
    this.#waiting.push(call);
    if (this.#busy) return;
    this.#busy = true;
    this.#clock.endOfTurn(() => void this.#serve());
  }
  end(): void {
    this.#ended = true;
    this.#waiting = [];
  }
  async #serve(): Promise<void> {
    while (this.#waiting.length > 0) {
      const calls = this.#waiting;
      this.#waiting = [];
      for (const [at, call] of calls.entries()) {
        const pending = this.#give(call);
        if (pending === undefined) continue;
        // Only what it has not taken counts against its queue: the rest goes back to the front.
        this.#waiting = [...calls.slice(at + 1), ...this.#waiting];
        await pending;
        break;
      }
    }
    this.#busy = false;
  }
  /** What a listener throws is its own affair: it hears of the next call all the same. */
  #give(call: CallView): Promise<void> | undefined {
    if (this.#ended) return undefined;
    try {
      if (this.#lost > 0) this.#onLost(this.#lost);
      this.#lost = 0;
      const taken = this.#fn(call);
      return taken instanceof Promise ? taken.catch((error: unknown) => this.#surface(error)) : undefined;
    } catch (error) {
      this.#surface(error);
      return undefined;
    }
  }
  #surface(error: unknown): void {
    this.#clock.endOfTurn(() => {
      throw error;
    });
  }
}

function fitsOf({ side, method, status, slowMs = 0, reason, target }: TapFilter): Fits {
  const path = method === undefined ? undefined : pathOf(method);
  const code = status === undefined || status === 'failed' ? undefined : codeOf(status);
  if (status !== undefined && status !== 'failed' && code === undefined)
    throw new ConfigError('filter.status', `expected the name of a status code, or failed, got ${show(status)}`);
  if (side !== undefined && side !== 'client' && side !== 'server')
    throw new ConfigError('filter.side', `expected client or server, got ${show(side)}`);
  if (!(slowMs >= 0)) throw new ConfigError('filter.slowMs', `expected a number of milliseconds, 0 or more, got ${show(slowMs)}`);
  return (story, durationMs) =>
    durationMs >= slowMs &&
    (side === undefined || story.side === side) &&
    (path === undefined || (path.endsWith('/') ? story.path.startsWith(path) : story.path === path)) &&
    (code === undefined || story.code === code) &&
    (status !== 'failed' || story.code !== 0) &&
    (target === undefined || story.target === target) &&
    (reason === undefined || story.reason?.startsWith(reason) === true);
}

/** `/pkg.Service/Method`, or `/pkg.Service/` for all of a service. */
function pathOf(method: string): string {
  const path = method.startsWith('/') ? method : `/${method}`;
  if (!/^\/[^/\s]+\/[^/\s]+$/.test(path))
    throw new ConfigError('filter.method', `expected pkg.Service/Method or pkg.Service/*, got ${show(method)}`);
  return path.endsWith('/*') ? path.slice(0, -1) : path;
}
