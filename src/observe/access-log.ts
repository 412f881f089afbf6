/**
 * The access log: one line of JSON for each ended call, or for each that failed, so many lines a second at most.
 *
 * @packageDocumentation
 */
import { type Clock, isoTime } from '../clock.ts';
import type { CallView } from './views.ts';

/** Which calls have a line. */
export type AccessLogMode = 'off' | 'failed' | 'all';

/** How much is logged. */
export interface AccessLogRules {
  readonly mode: AccessLogMode;
  /** Lines a second, at most. */
  readonly perSecond: number;
}

/** Lines of one mesh. */
export class AccessLog {
  readonly mode: AccessLogMode;
  readonly rules: AccessLogRules;
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #write: (line: string) => void;
  #second = -1;
  #lines = 0;
  #leftOut = 0;

  /** @param write - Takes a line without its line break. */
  constructor(rules: AccessLogRules, clock: Clock, write: (line: string) => void) {
    const { mode, perSecond } = rules;
    this.rules = rules;
    this.mode = mode;
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#write = write;
  }

  /** True when a call that ended so has a line. */
  wants(failed: boolean): boolean {
    return this.mode === 'all' || (failed && this.mode === 'failed');
  }

  /** A call has ended. `view` is asked for only if there is room for its line. */
  add(view: () => CallView): void {
    const second = Math.floor(this.#clock.nowMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
      if (this.#leftOut > 0) this.#write(JSON.stringify({ time: isoTime(this.#clock.wallMs()), leftOut: this.#leftOut }));
      this.#leftOut = 0;
    }
    if (this.#lines >= this.#perSecond) {
      this.#leftOut++;
      return;
    }
    this.#lines++;
    const { startedAtMs, ...call } = view();
    this.#write(JSON.stringify({ time: isoTime(startedAtMs), ...call }));
  }
}
