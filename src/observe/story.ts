/**
 * The story of one call: what its layers write down while it runs, for everything that tells of it afterwards (log, tap, ledger,
 * events, spans, metrics). One object per call, made at the top of the stack; it rides on `CallInfo.story` and `ServerInfo.story`.
 *
 * Layers only add: a number here, a name there. Nothing is formatted before the end, and then only if somebody listens.
 *
 * @packageDocumentation
 */
import type { CallView, Ride, Side } from './views.ts';

/** An attempt, as far as a story wants to know: whom it went to. */
export interface ToldAttempt {
  /** `host:port`; empty until it was picked. */
  readonly picked: string;
}

/** Endpoints of one call that are told, at most. */
const MAX_ENDPOINTS = 8;
const NOBODY: readonly string[] = Object.freeze([]);

/** What one call went through. */
export class CallStory {
  readonly side: Side;
  /** `/pkg.Service/Method`. */
  readonly path: string;
  /** The target of the channel that it goes by; empty on the server. */
  target: string;
  /** When it began, on `Clock.nowMs`. */
  startedMs = 0;
  /** When it ended, on the same clock; 0: nobody has looked yet. Whoever hears of the end first reads the clock for all above. */
  endedMs = 0;
  /** Attempts begun, the first included. */
  attempts = 0;
  /** Of those, the ones that were sent because another one had failed or was slow. */
  retries = 0;
  /** Of those, hedges. */
  hedges = 0;
  /** How long it has waited in queues of ours, in ms. */
  queuedMs = 0;
  /** Of that, for bulkheads and limits. */
  heldMs = 0;
  /** What took its last attempt along. */
  ride: Ride = 'plain';
  /** Who answered it in place of its method. */
  answeredBy: 'cache' | 'fallback' | undefined = undefined;
  /** Its status code; undefined while it runs. */
  code: number | undefined = undefined;
  /** Who refused it and why, if it was one of us, here or over there: the text of `inmesh-reason`. */
  reason: string | undefined = undefined;
  /** True when it was refused on this side. */
  refused = false;
  /** Allow-listed request metadata, noted only while somebody listens. */
  shown: CallView['metadata'] = undefined;
  /** Of a served call, as `getPeer` says it; empty where nobody asked. */
  peer = '';
  #first: ToldAttempt | undefined = undefined;
  #later: ToldAttempt[] | undefined = undefined;

  constructor(side: Side, path: string, target: string) {
    this.side = side;
    this.path = path;
    this.target = target;
  }

  /** An attempt begins. */
  began(attempt: ToldAttempt | undefined): void {
    this.attempts++;
    if (attempt === undefined) return;
    if (this.#first === undefined) this.#first = attempt;
    else if (this.#later === undefined) this.#later = [attempt];
    else if (this.#later.length < MAX_ENDPOINTS - 1) this.#later.push(attempt);
  }

  /** It has waited since `sinceMs`, and does so no more. Both on `Clock.nowMs`. `held`: for a bulkhead or a limit. */
  waited(sinceMs: number, nowMs: number, held = false): void {
    if (nowMs <= sinceMs) return;
    this.queuedMs += nowMs - sinceMs;
    if (held) this.heldMs += nowMs - sinceMs;
  }

  /** Endpoints asked, in the order of the attempts, at most 8; on the server the peer. Builds a list: not for the way of every call. */
  get endpoints(): readonly string[] {
    if (this.#first === undefined) return this.peer === '' ? NOBODY : [this.peer];
    return [this.#first, ...(this.#later ?? [])].map(({ picked }) => picked).filter((picked) => picked !== '');
  }
}
