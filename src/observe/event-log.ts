/**
 * What has happened lately: a ring of events, each with its reason.
 *
 * The same event (kind, subject and reason) within one second is one event that has happened several times, so a storm of refusals
 * neither floods the log nor hides the ejection that caused it. Nothing runs here while nothing happens.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { EventView } from './views.ts';

/** What is told of an event. */
export interface Happening {
  readonly kind: string;
  /** Which method, endpoint or service. */
  readonly subject: string;
  /** A sentence. */
  readonly text: string;
  /** Default `info`. */
  readonly level?: EventView['level'];
  readonly reason?: string | undefined;
}

/** Takes what engines and doors have to tell. */
export type Tell = (happening: Happening) => void;

/** Events kept. */
const CAPACITY = 1_000;
/** Equal events within this time are one. */
const MERGE_MS = 1_000;

interface Kept extends Happening {
  readonly seq: number;
  readonly atMs: number;
  readonly sinceMs: number;
  times: number;
}

/** The log of one mesh. */
export class EventLog {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #ring: Kept[] = [];
  readonly #recent = new Map<string, Kept>();
  readonly #listeners = new Set<(event: EventView) => void>();
  #seq = 0;

  /** @param capacity - Whole number >= 1. @defaultValue 1000 */
  constructor(clock: Clock, capacity: number = CAPACITY) {
    this.#clock = clock;
    this.#capacity = capacity;
  }

  /** The number of the last event; 0: there was none. */
  get seq(): number {
    return this.#seq;
  }

  /** Something has happened. */
  readonly add: Tell = (happening) => {
    const nowMs = this.#clock.nowMs();
    const key = keyOf(happening);
    const known = this.#recent.get(key);
    if (known !== undefined && nowMs - known.sinceMs < MERGE_MS) {
      known.times++;
      return;
    }
    const { kind, subject, level = 'info', reason, text } = happening;
    const kept: Kept = { kind, subject, level, reason, text, seq: ++this.#seq, atMs: this.#clock.wallMs(), sinceMs: nowMs, times: 1 };
    this.#keep(key, kept);
    for (const listener of this.#listeners) this.#tell(listener, kept);
  };

  /** Events after `seq`, the oldest first; 0: all that are kept. */
  since(seq: number): readonly EventView[] {
    const from = this.#seq - Math.max(seq, this.#seq - this.#ring.length);
    return this.last(Math.max(0, from));
  }

  /** The last events, the oldest first. */
  last(count: number): readonly EventView[] {
    const events: EventView[] = [];
    for (let seq = this.#seq - Math.min(count, this.#ring.length) + 1; seq <= this.#seq; seq++) {
      const kept = this.#ring[(seq - 1) % this.#capacity];
      if (kept !== undefined) events.push(view(kept));
    }
    return events;
  }

  /**
   * Has `fn` called with each event when it is made. That the same happens again soon after is not told anew: `times` in the log counts it.
   *
   * @returns What ends that.
   */
  subscribe(fn: (event: EventView) => void): () => void {
    const listener = (event: EventView): void => fn(event); // the same function twice is two listeners
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #keep(key: string, kept: Kept): void {
    const at = (kept.seq - 1) % this.#capacity;
    const old = this.#ring[at];
    this.#ring[at] = kept;
    this.#recent.set(key, kept);
    // So there are never more keys than events.
    if (old === undefined) return;
    const oldKey = keyOf(old);
    if (this.#recent.get(oldKey) === old) this.#recent.delete(oldKey);
  }

  /** What tells us is in the middle of something: a listener that throws must not break it, and its error surfaces on its own. */
  #tell(listener: (event: EventView) => void, kept: Kept): void {
    try {
      listener(view(kept));
    } catch (error) {
      this.#listeners.delete(listener);
      this.#clock.endOfTurn(() => {
        throw error;
      });
    }
  }
}

/** Without a reason its text says what it is. */
function keyOf({ kind, subject, reason, text }: Happening): string {
  return `${kind}\n${subject}\n${reason ?? text}`;
}

function view({ seq, atMs, kind, level = 'info', subject, reason, text, times }: Kept): EventView {
  return { seq, atMs, kind, level, subject, ...(reason === undefined ? {} : { reason }), text, times };
}
