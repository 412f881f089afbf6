/**
 * Answers by key, and how long each may be given: fresh for a time, then only in place of a failure, then gone.
 *
 * Time is an argument and no timer runs: what is too old leaves when it is asked for, or when it is the oldest.
 *
 * @packageDocumentation
 */
import { BoundedLru } from './bounded-lru.ts';
import type { CacheRules } from './options.ts';

interface Kept<Answer> {
  readonly answer: Answer;
  readonly freshUntilMs: number;
  readonly untilMs: number;
}

/** Upper estimate of what an entry takes besides its answer: key, map, object. */
const ENTRY_BYTES = 256;

/** The answers of one method. */
export class ResponseCache<Answer extends object> {
  readonly #rules: CacheRules;
  readonly #kept: BoundedLru<Kept<Answer>>;

  constructor(rules: CacheRules) {
    this.#rules = rules;
    this.#kept = new BoundedLru(rules.maxEntries, rules.maxBytes);
  }

  /** False: the rules keep nothing, so nothing need be prepared for {@link store}. */
  get keeps(): boolean {
    return this.#rules.ttlMs + this.#rules.staleIfErrorMs > 0;
  }
  get entries(): number {
    return this.#kept.size;
  }
  get bytes(): number {
    return this.#kept.bytes;
  }
  get evicted(): number {
    return this.#kept.evicted;
  }

  /** An answer that may be given as if it came from the server. */
  fresh(key: string, nowMs: number): Answer | undefined {
    const kept = this.#look(key, nowMs);
    return kept !== undefined && nowMs < kept.freshUntilMs ? kept.answer : undefined;
  }

  /** An answer that may stand in for a failure. */
  stale(key: string, nowMs: number): Answer | undefined {
    return this.#rules.staleIfErrorMs > 0 ? this.#look(key, nowMs)?.answer : undefined;
  }

  /** Keeps an answer that came just now. @param bytes - Its size. */
  store(key: string, answer: Answer, bytes: number, nowMs: number): void {
    const freshUntilMs = nowMs + this.#rules.ttlMs;
    const untilMs = freshUntilMs + this.#rules.staleIfErrorMs;
    if (untilMs > nowMs) this.#kept.set(key, { answer, freshUntilMs, untilMs }, bytes + ENTRY_BYTES);
  }

  #look(key: string, nowMs: number): Kept<Answer> | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined || nowMs < kept.untilMs) return kept;
    this.#kept.delete(key);
    return undefined;
  }
}
