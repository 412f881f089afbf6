/**
 * Things made of parts of a policy, kept from one version to the next where those parts say the same. So what a reload does not
 * change is not disturbed: its counts, what it has learned, the calls that wait in it.
 *
 * @packageDocumentation
 */
import { same } from '../input/same.ts';

interface Entry {
  readonly facts: unknown;
  readonly thing: object;
}

/** Gives things that outlive a version of a policy. */
export interface Keeps {
  /**
   * The thing of this name: that of the version before, if it was made of equal facts; else a new one.
   *
   * @param name - Stands for things of one type.
   * @param facts - Plain data that the thing depends on; what is not plain counts by identity.
   */
  take<T extends object>(name: string, facts: unknown, make: () => T): T;
}

/** What one version of a policy uses. */
export class Kept implements Keeps {
  readonly #entries = new Map<string, Entry>();
  #before: Kept | undefined;

  /** @param before - The version in force, whose things are taken over. Default: there is none. */
  constructor(before?: Kept) {
    this.#before = before;
  }

  /** There was no version before: what the program gave beside the policy is checked against it once. */
  get isFirst(): boolean {
    return this.#before === undefined;
  }

  /** For one of several users, whose names are their own. */
  of(user: string): Keeps {
    return { take: (name, facts, make) => this.take(`${user} ${name}`, facts, make) };
  }

  take<T extends object>(name: string, facts: unknown, make: () => T): T {
    const known = this.#before === undefined ? undefined : this.#before.#entries.get(name);
    const entry = known !== undefined && same(known.facts, facts) ? known : { facts, thing: make() };
    this.#entries.set(name, entry);
    return entry.thing as T; // by its name it is one
  }

  /** The version is made: the one before is not needed any more. */
  complete(): this {
    this.#before = undefined;
    return this;
  }

  /** The version could not be made: what was made for it alone is closed. */
  abandon(): void {
    this.close(this.#before === undefined ? [] : [this.#before]);
  }

  /** Closes what can be closed and no other version uses. */
  close(others: readonly Kept[]): void {
    const inUse = new Set(others.flatMap((other) => [...other.#entries.values()].map(({ thing }) => thing)));
    for (const { thing } of this.#entries.values()) if (!inUse.has(thing) && isClosable(thing)) thing.close();
    this.#entries.clear();
  }
}

function isClosable(thing: object): thing is { close(): void } {
  return 'close' in thing && typeof thing.close === 'function';
}
