/**
 * The few statistics that the bench needs. Pure.
 *
 * @packageDocumentation
 */

/** Median with the lowest and highest value seen. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The value below which `share` (0..1) of the sorted values lie (nearest rank); NaN of nothing. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.max(0, Math.ceil(share * sorted.length) - 1);
  return sorted[rank] ?? Number.NaN;
}

/** Median (mean of the middle two), lowest and highest; all NaN of nothing. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  const lower = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
  return { median: (lower + upper) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** The ratios of two series taken in the same rounds; rounds where either is missing are left out. */
export function ratios(values: readonly (number | undefined)[], base: readonly (number | undefined)[]): number[] {
  const result: number[] = [];
  for (const [round, value] of values.entries()) {
    const below = base[round];
    if (value !== undefined && below !== undefined && below > 0) result.push(value / below);
  }
  return result;
}
