/**
 * A bulkhead of its own for each method, or each method and tenant, so that a noisy one fills only its own slots.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { DeadlineQueue } from '../deadline/deadline-queue.ts';
import { same } from '../input/same.ts';
import { BoundedKeys } from './bounded-keys.ts';
import type { Ticket } from './bulkhead.ts';
import { Bulkhead, createExpiries } from './bulkhead.ts';
import type { BulkheadOptions } from './options.ts';

/** Bulkheads at most. */
const MAX_KEYS = 10_000;

/** What a call has of interest here. */
interface Called {
  readonly method: string;
}

/** Bulkheads by method, all on one timer, and bounded: an idle bulkhead holds no state, so it can make room for another. */
export class KeyedBulkheads<Call extends Called = Called> {
  #optionsFor: (method: string) => BulkheadOptions | undefined;
  readonly #clock: Clock;
  readonly #tenantOf: (call: Call) => string | undefined;
  readonly #expiries: DeadlineQueue<Ticket>;
  readonly #bulkheads: BoundedKeys<Bulkhead>;

  /**
   * @param optionsFor - Undefined: the method has no limit.
   * @param tenantOf - Asked where the options say `by: 'tenant'` without partitions: then each tenant has a bulkhead of its own.
   * @param maxKeys - Whole number >= 1. @defaultValue 10000
   */
  constructor(
    optionsFor: (method: string) => BulkheadOptions | undefined,
    clock: Clock,
    tenantOf: (call: Call) => string | undefined = () => undefined,
    maxKeys: number = MAX_KEYS,
  ) {
    this.#optionsFor = optionsFor;
    this.#clock = clock;
    this.#tenantOf = tenantOf;
    this.#expiries = createExpiries(clock);
    this.#bulkheads = new BoundedKeys((bulkhead) => bulkhead.inUse === 0 && bulkhead.waiting === 0, maxKeys);
  }

  /** Bulkheads there are now. */
  get size(): number {
    return this.#bulkheads.size;
  }

  /** All of them now, by method, or by method and tenant with a line break between. */
  entries(): IterableIterator<[string, Bulkhead]> {
    return this.#bulkheads.entries();
  }

  /** Whether a method has a limit. */
  limits(method: string): boolean {
    return this.#optionsFor(method) !== undefined;
  }

  /**
   * The bulkhead of a call; undefined: no limit. Ask for every call and release on the object you acquired from: an idle
   * bulkhead may be replaced. @throws ConfigError on bad options.
   */
  for(call: Call): Bulkhead | undefined {
    const known = this.#bulkheads.get(call.method);
    if (known !== undefined) return known;
    const options = this.#optionsFor(call.method);
    if (options === undefined) return undefined;
    if (!byTenant(options)) return this.#add(call.method, options);
    // A method's path has no line break, a tenant's name is printable: no two pairs have one key.
    const key = `${call.method}\n${this.#tenantOf(call) ?? ''}`;
    return this.#bulkheads.get(key) ?? this.#add(key, options);
  }

  /**
   * Other options for all. Bulkheads whose options are equal stay as they are; the others take theirs with the calls that are in them
   * (F5). Where a method has no limit any more, nobody waits any longer.
   */
  retune(optionsFor: (method: string) => BulkheadOptions | undefined): void {
    const before = this.#optionsFor;
    this.#optionsFor = optionsFor;
    this.#bulkheads.renewShared();
    for (const [key, bulkhead] of [...this.#bulkheads.entries()]) {
      const [method = '', tenant] = key.split('\n');
      const options = optionsFor(method);
      if (options === undefined) {
        this.#bulkheads.delete(key);
        bulkhead.retune({ slots: Number.POSITIVE_INFINITY });
      } else if (byTenant(options) !== (tenant !== undefined)) {
        this.#bulkheads.delete(key); // others take its place, and what is in it drains
      } else if (!same(options, before(method))) {
        bulkhead.retune(options);
      }
    }
  }

  #add(key: string, options: BulkheadOptions): Bulkhead {
    return this.#bulkheads.add(key, () => new Bulkhead(options, this.#clock, this.#expiries));
  }
}

/** Each tenant has a bulkhead of its own. */
function byTenant({ by, partitions }: BulkheadOptions): boolean {
  return by === 'tenant' && partitions === undefined;
}
