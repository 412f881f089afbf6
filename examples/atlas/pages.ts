/** What a page asks for, and the digest of what it got: the same numbers for the same seed, in every act. */
import { createHash } from 'node:crypto';
import type { Place } from './atlas.ts';
import { chance } from './chance.ts';

/** What one page asks the Atlas for. */
export interface PagePlan {
  /** Numbers of the places to show, one GetPlace each. */
  readonly ids: readonly number[];
  /** What to search for; null on a page of a single call. */
  readonly prefix: string | null;
  /** The key of the write; null on a page of a single call. */
  readonly view: string | null;
}

/** How many places a search shows. */
export const SEARCH_LIMIT = 8;

const PREFIXES: readonly string[] = [
  'London',
  'Paris',
  'Berlin',
  'Santa',
  'Novo',
  'Bad ',
  'Saint-',
  'Villa',
  'Porto',
  'Kings',
  'Ober',
  'Nieder',
  'Monte',
  'Puerto',
]; // prettier-ignore

/** Pages from this number on are for warming up: they are shown to nobody and counted nowhere. */
export const WARM_UP: number = 1_000_000;

/** The plan of page `number`. `places` is how many there are, numbered from 1. */
export function planPage(seed: number, number: number, fanout: number, places: number): PagePlan {
  const next = chance(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  const ids = Array.from({ length: fanout }, () => 1 + Math.floor(next() * places));
  if (fanout === 1) return { ids, prefix: null, view: null };
  const prefix = PREFIXES[Math.floor(next() * PREFIXES.length)] ?? '';
  return { ids, prefix, view: `${number < WARM_UP ? 'page' : 'warm-up'}-${number}` };
}

/** The digest of a whole page: its places and finds in their order, and the key of its write. */
export function digestPage(places: readonly Place[], found: readonly Place[], view: string | null): string {
  const text = `${places.map(line).join('')}--\n${found.map(line).join('')}--\n${view ?? ''}\n`;
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function line(place: Place): string {
  const position = `${Math.round(place.latitude * 1e5)}|${Math.round(place.longitude * 1e5)}`;
  return `${place.id}|${place.name}|${place.country}|${place.population}|${position}\n`;
}
