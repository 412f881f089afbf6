/**
 * Did you mean: the known name that a wrong one was probably meant to be.
 *
 * @packageDocumentation
 */

/** Longer words are not typing errors; also bounds the work on hostile input. */
const MAX_LENGTH = 64;

/**
 * Damerau-Levenshtein distance (optimal string alignment): least number of characters inserted, dropped, changed, or
 * swapped with their neighbour. Source: Boytsov 2011, "Indexing methods for approximate dictionary searching", 2.2.
 */
export function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last: number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row: number[] = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(change, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      row[j] = best;
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Upper case, underscores and dashes are matters of style, not of meaning: `retry_policy` is `retryPolicy`. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_\s]/g, '');
}

/**
 * The name nearest to `word`, or undefined when none is near: at most a third of its letters differ, or `word` is its
 * beginning (four letters at least: `retry` for `retryPolicy`). Of equals the first. Case, `-` and `_` count for nothing.
 */
export function nearest(word: string, names: Iterable<string>): string | undefined {
  const wanted = plain(word.slice(0, MAX_LENGTH));
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const candidate = plain(name);
    const allowed = Math.floor(Math.max(wanted.length, candidate.length) / 3);
    if (Math.abs(wanted.length - candidate.length) <= allowed) {
      const d = distance(wanted, candidate);
      if (d <= allowed && d < bestDistance) {
        best = name;
        bestDistance = d;
      }
    }
    if (best === undefined && wanted.length >= 4 && candidate.startsWith(wanted)) best = name;
  }
  return best;
}
