/**
 * What a replica stores: places (read-only) and page views, in SQLite. Each access waits as for a disk first: some 2 ms,
 * 20 times that on a slow replica, and only a few at a time. That is what makes a slow replica hurt as it does in life: past
 * its capacity its callers queue.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Place } from './atlas.ts';
import { chance } from './chance.ts';
import type { ReplicaConfig } from './messages.ts';

/** Accesses that a replica has in flight at most, as with a pool of database connections. */
export const AT_A_TIME = 16;
export const WAIT_MS = 2;
/** By the seed, one access in fifty takes longer, as after a cache miss. */
const MISSES = 0.02;
const MISS_WAIT_MS = 6;

export class Storage {
  readonly #placeById: StatementSync;
  readonly #placesByPrefix: StatementSync;
  readonly #noteView: StatementSync;
  readonly #next: () => number;
  readonly #waiting: (() => void)[] = [];
  #free = AT_A_TIME;
  #factor = 1;

  constructor(config: ReplicaConfig) {
    const places = new DatabaseSync(config.placesFile, { readOnly: true });
    // Nobody writes this file: keep the read lock (it shuts out no other reader) and the pages, instead of four system calls a read.
    places.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA mmap_size = 67108864');
    this.#placeById = places.prepare(PLACE_BY_ID);
    this.#placesByPrefix = places.prepare(PLACES_BY_PREFIX);
    const views = new DatabaseSync(config.viewsFile);
    views.exec('PRAGMA busy_timeout = 2000; PRAGMA synchronous = OFF;');
    this.#noteView = views.prepare('INSERT INTO view (page) VALUES (?) ON CONFLICT (page) DO NOTHING');
    this.#next = chance(config.seed);
  }

  /** The fault switch: from now on every wait takes `factor` times as long. */
  slowDown(factor: number): void {
    this.#factor = factor;
  }

  /** `answer` gets the place, or the error. */
  place(id: number, answer: Answer<Place | undefined>): void {
    this.#access(() => readPlace(this.#placeById, id), answer);
  }

  search(prefix: string, limit: number, answer: Answer<readonly Place[]>): void {
    this.#access(() => readPrefix(this.#placesByPrefix, prefix, limit), answer);
  }

  recordView(page: string, answer: Answer<void>): void {
    this.#access(() => void this.#noteView.run(page), answer);
  }

  /** Waits for its turn, then for the simulated disk, then reads. */
  #access<Value>(read: () => Value, answer: Answer<Value>): void {
    const run = (): void => {
      let value: Value;
      try {
        value = read();
      } catch (error) {
        answer(error as Error);
        return;
      }
      answer(null, value);
    };
    if (this.#free === 0) {
      this.#waiting.push(run);
      return;
    }
    this.#free--;
    this.#disk(run);
  }

  #disk(run: () => void): void {
    const waitMs = (this.#next() < MISSES ? MISS_WAIT_MS : WAIT_MS) * this.#factor;
    setTimeout(() => {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else this.#disk(next);
      run();
    }, waitMs);
  }
}

/** How an access ends. */
export type Answer<Value> = (error: Error | null, value?: Value) => void;

const COLUMNS = 'id, name, country, population, latitude, longitude';
/** Reads one place by its number. */
export const PLACE_BY_ID: string = `SELECT ${COLUMNS} FROM place WHERE id = ?`;
/** Reads the first places by name between two names. */
export const PLACES_BY_PREFIX: string = `SELECT ${COLUMNS} FROM place WHERE name >= ? AND name < ? ORDER BY name, id LIMIT ?`;

/** Runs PLACE_BY_ID. */
export function readPlace(statement: StatementSync, id: number): Place | undefined {
  return statement.get(id) as unknown as Place | undefined;
}

/** Runs PLACES_BY_PREFIX. */
export function readPrefix(statement: StatementSync, prefix: string, limit: number): readonly Place[] {
  return statement.all(prefix, `${prefix}\u{10ffff}`, limit) as unknown as Place[];
}
