/**
 * Numbers as people read them; each is as short as it can be without lying.
 *
 * @packageDocumentation
 */

/** A share, 0 to 1, in percent. What is not all is never shown as 100 %, what is not nothing never as 0 %. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return '-';
  const value = share * 100;
  if (value <= 0) return '0%';
  if (value >= 100) return '100%';
  if (value < 0.01) return '<0.01%';
  const digits = value >= 99 || value < 1 ? 2 : 1;
  const down = Math.floor(value * 10 ** digits) / 10 ** digits;
  return `${down.toFixed(digits)}%`;
}

/** Calls a second. */
export function rate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return '-';
  if (perSecond > 0 && perSecond < 0.05) return '<0.1';
  if (perSecond < 100) return perSecond.toFixed(1);
  return count(Math.round(perSecond));
}

/** Milliseconds with a unit. 0 is "nothing was measured". */
export function millis(ms: number): string {
  if (!(ms > 0)) return '-';
  if (ms < 0.1) return `${Math.max(1, Math.round(ms * 1000))}µs`;
  if (ms < 10) return `${ms.toFixed(1)}ms`;
  if (ms < 10_000) return `${Math.round(ms)}ms`;
  return `${(ms / 1000).toFixed(1)}s`;
}

/** A count; from 100,000 on in thousands, millions, ... */
export function count(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value < 100_000) return String(Math.round(value));
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (value >= size) return `${(value / size).toFixed(value / size < 100 ? 1 : 0)}${unit}`;
  }
  return String(value);
}

/** How long something lasts: its two largest units. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3600)}h`;
}

/** Time of day in UTC, `12:34:56.789`: the same wherever the reader sits. */
export function timeOfDay(clockMs: number): string {
  const inDay = ((Math.floor(clockMs) % 86_400_000) + 86_400_000) % 86_400_000;
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return `${two(inDay / 3_600_000)}:${two((inDay / 60_000) % 60)}:${two((inDay / 1000) % 60)}.${String(inDay % 1000).padStart(3, '0')}`;
}

const BARS = '▁▂▃▄▅▆▇█';

/** The last `width` values as bars; the highest is full, 0 is empty. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const top = Math.max(...shown, 0);
  return shown.map((value) => (value <= 0 || top <= 0 ? ' ' : BARS[Math.min(7, Math.floor((value / top) * 7.999))])).join('');
}
