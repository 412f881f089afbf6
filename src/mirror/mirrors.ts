/**
 * Which calls are copied, how many copies are out, and what their answers were.
 *
 * @packageDocumentation
 */
import { outcomeOf } from '../call.ts';
import type { Random } from '../random.ts';
import type { Headers } from '../route/match.ts';
import { differences } from './differences.ts';
import type { MirrorRules } from './options.ts';

/** Numbers of one mirror. */
export interface MirrorStats {
  /** Where the copies go. */
  readonly cluster: string;
  readonly sent: number;
  /** Chosen, and not sent because too many were unanswered. */
  readonly dropped: number;
  /** Answered by no server, or with a failure of it (UNAVAILABLE, DEADLINE_EXCEEDED, INTERNAL and the like). */
  readonly failed: number;
  readonly inFlight: number;
  /** With `compare`: answers that said the same. */
  readonly equal: number;
  readonly different: number;
  /** Pairs that can't be compared: the call itself has failed, or its type is not known. */
  readonly uncompared: number;
  /** How often which field differed; `(status)`: the status did. At most 64 fields, then `_OTHER`. */
  readonly differences: Readonly<Record<string, number>>;
}

/** An answer: its status, and its message as bytes if it has one. */
export interface Answer {
  readonly code: number;
  readonly message: Uint8Array | undefined;
}

/** Reads a response. Undefined: nobody has given its type. */
export type Decode = ((bytes: Buffer) => unknown) | undefined;

/** Fields that are told apart, at most. */
const MAX_PATHS = 64;

export class Mirror {
  readonly cluster: string;
  readonly rules: MirrorRules;
  readonly #random: Random;
  readonly #ignored: ReadonlySet<string>;
  readonly #paths = new Map<string, number>();
  #sent = 0;
  #dropped = 0;
  #failed = 0;
  #inFlight = 0;
  #equal = 0;
  #different = 0;
  #uncompared = 0;
  readonly #onDifferent: (paths: readonly string[]) => void;

  /** @param onDifferent - Told of two answers that differ, and in which fields. */
  constructor(cluster: string, rules: MirrorRules, random: Random, onDifferent: (paths: readonly string[]) => void = () => {}) {
    this.cluster = cluster;
    this.rules = rules;
    this.#random = random;
    this.#onDifferent = onDifferent;
    this.#ignored = new Set(rules.ignoreFields);
  }

  takes(method: string): boolean {
    return this.rules.share > 0 && this.rules.matcher.takes(method);
  }
  /** Whether this call is to be copied. A copy then goes out, and {@link answered} must be called. */
  chooses(headers: Headers): boolean {
    const { matcher, share, maxInFlight } = this.rules;
    if (!matcher.fits(headers) || (share < 1 && this.#random() >= share)) return false;
    if (this.#inFlight >= maxInFlight) {
      this.#dropped++;
      return false;
    }
    this.#inFlight++;
    return true;
  }
  sent(): void {
    this.#sent++;
  }
  /** The copy was not sent after all. */
  unsent(): void {
    this.#inFlight--;
  }
  /** The copy has ended. */
  answered(code: number): void {
    this.#inFlight--;
    if (outcomeOf(code) !== 'success') this.#failed++;
  }

  /** Both have ended. */
  compare(own: Answer, copy: Answer, decode: Decode): void {
    if (outcomeOf(copy.code) !== 'success') return; // counted as failed
    if (outcomeOf(own.code) !== 'success') this.#uncompared++;
    else if (own.code !== copy.code) this.#differ(['(status)']);
    else if (own.code !== 0) this.#equal++;
    else this.#compareMessages(own.message, copy.message, decode);
  }
  #compareMessages(own: Uint8Array | undefined, copy: Uint8Array | undefined, decode: Decode): void {
    if (own === undefined || copy === undefined) this.#uncompared++;
    else if (Buffer.compare(own, copy) === 0) this.#equal++;
    else if (decode === undefined) this.#uncompared++;
    else {
      try {
        const paths = differences(decode(Buffer.from(own)), decode(Buffer.from(copy)), this.#ignored);
        if (paths.length === 0) this.#equal++;
        else this.#differ(paths);
      } catch {
        this.#differ(['(unreadable)']);
      }
    }
  }
  #differ(paths: readonly string[]): void {
    this.#different++;
    this.#onDifferent(paths);
    for (const path of paths) {
      const key = this.#paths.has(path) || this.#paths.size < MAX_PATHS ? path : '_OTHER';
      this.#paths.set(key, (this.#paths.get(key) ?? 0) + 1);
    }
  }

  stats(): MirrorStats {
    return {
      cluster: this.cluster,
      sent: this.#sent,
      dropped: this.#dropped,
      failed: this.#failed,
      inFlight: this.#inFlight,
      equal: this.#equal,
      different: this.#different,
      uncompared: this.#uncompared,
      differences: Object.fromEntries(this.#paths),
    };
  }
}

/** More paths than that are not one client's methods; the oldest is computed anew when it comes again. */
const MAX_CACHED = 10_000;

/** All mirrors of a mesh. */
export class Mirrors {
  readonly all: readonly Mirror[];
  readonly #byMethod = new Map<string, readonly Mirror[]>();

  constructor(all: readonly Mirror[]) {
    this.all = all;
  }
  /** Those that calls of a method, `/pkg.Service/Method`, may meet. The same list for the same method. */
  of(method: string): readonly Mirror[] {
    let found = this.#byMethod.get(method);
    if (found === undefined) {
      if (this.#byMethod.size >= MAX_CACHED) for (const [oldest] of this.#byMethod) if (this.#byMethod.delete(oldest)) break;
      found = this.all.filter((mirror) => mirror.takes(method));
      this.#byMethod.set(method, found);
    }
    return found;
  }
}
