/**
 * The policy in force: what it is, since when, and how another one takes its place.
 *
 * @packageDocumentation
 */
import type { Clock } from './clock.ts';
import { ConfigError } from './errors.ts';
import type { Tell } from './observe/event-log.ts';
import type { PolicyView } from './observe/views.ts';
import { changesOf, hashOf, MAX_CHANGES } from './policy/changes.ts';
import { withFixed } from './policy/fixed.ts';
import { parsePolicy } from './policy/parse.ts';
import type { Policy } from './policy/policy.gen.ts';

/** What a reload has done. */
export interface ReloadResult {
  /** Fields that have another value now: `policy.methods["a.B/C"].timeout`. Empty: the document says what was in force. */
  readonly changed: readonly string[];
  /** Fields that stay as they were until a restart, whatever the document says. */
  readonly pending: readonly string[];
  /** Of the policy in force now. The same for documents that say the same. */
  readonly hash: string;
}

/** Fields that an event names. */
const MAX_NAMED = 5;

export class PolicyInForce {
  readonly #clock: Clock;
  #policy: Policy;
  #hash: string | undefined;
  #sinceMs: number;
  #reloads = 0;
  #rejected = 0;
  #pending: readonly string[] = [];
  #file: string | undefined;
  #problem: string | undefined;

  /** @param policy - As `parsePolicy` gives it. */
  constructor(policy: Policy, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
    this.#sinceMs = clock.wallMs();
  }

  get policy(): Policy {
    return this.#policy;
  }

  /** What is shown of it. */
  view(): PolicyView {
    const [file, problem] = [this.#file, this.#problem];
    return {
      hash: this.#hashNow(),
      sinceMs: Math.round(this.#sinceMs),
      reloads: this.#reloads,
      rejected: this.#rejected,
      pending: this.#pending,
      ...(file === undefined ? {} : { file }),
      ...(problem === undefined ? {} : { problem }),
    };
  }

  /** A file is watched from now on. */
  follows(file: string): void {
    this.#file = file;
  }

  /** The watched file says what is in force, or why not. */
  set problem(line: string | undefined) {
    this.#problem = line;
  }

  /**
   * Puts what a document says in force.
   *
   * @param take - Does it; throws when the policy does not fit the program, and has changed nothing then.
   * @throws ConfigError as `parsePolicy` and `take` do. Counted and told as an event; nothing has changed.
   */
  reload(document: unknown, take: (policy: Policy) => void, tell: Tell): ReloadResult {
    const subject = this.#file ?? 'mesh';
    try {
      const { policy, pending } = withFixed(this.#policy, parsePolicy(document));
      const changed = changesOf(this.#policy, policy);
      if (changed.length > 0) {
        take(policy);
        this.#policy = policy;
        this.#hash = undefined;
        this.#sinceMs = this.#clock.wallMs();
        this.#reloads++;
        tell({ kind: 'policy.reloaded', subject, text: `policy ${this.#hashNow()} is in force; ${told(changed, 'differs', 'differ')}` });
      }
      if (pending.length > 0 && pending.join() !== this.#pending.join())
        tell({ kind: 'policy.pending', level: 'warn', subject, text: `${told(pending, 'waits', 'wait')} for a restart` });
      this.#pending = pending;
      return { changed: changed.slice(0, MAX_CHANGES), pending, hash: this.#hashNow() };
    } catch (error) {
      this.rejected(error, tell);
      throw error;
    }
  }

  /** A document was refused. */
  rejected(error: unknown, tell: Tell): void {
    this.#rejected++;
    const text = `the policy before stays in force: ${firstLine(error)}`;
    tell({ kind: 'policy.rejected', level: 'warn', subject: this.#file ?? 'mesh', text });
  }

  #hashNow(): string {
    this.#hash ??= hashOf(this.#policy);
    return this.#hash;
  }
}

/** What an error says, on one line. What is no fault of the document's may say anything: only its name is told. */
export function firstLine(error: unknown): string {
  if (error instanceof ConfigError) return error.message.split('\n')[0] ?? '';
  return error instanceof Error ? error.name : typeof error;
}

function told(fields: readonly string[], one: string, many: string): string {
  const named = fields.slice(0, MAX_NAMED).join(', ');
  const more = fields.length > MAX_NAMED ? ` and ${fields.length - MAX_NAMED} more` : '';
  return `${named}${more} ${fields.length === 1 ? one : many}`;
}
