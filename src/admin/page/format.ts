/** Numbers and times as text. A number that is not good is never rounded to one that is. */

const GROUPED = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** `12,345`, from a hundred thousand on `123K`. */
export function count(value: number): string {
  return value < 100_000 ? GROUPED.format(value) : SHORT.format(value);
}

/** Per second: `0`, `0.4`, `12.3`, `998`, `1,234`, `12.3K`. */
export function rate(value: number): string {
  if (value >= 10_000) return SHORT.format(value);
  return value === 0 || value >= 100 ? GROUPED.format(value) : value.toFixed(1);
}

/** `100 %`, `99.98 %`; less than all is never `100 %`, more than nothing never `0 %`. */
export function percent(share: number): string {
  if (share >= 1) return '100 %';
  if (share <= 0) return '0 %';
  const digits = share >= 0.999 ? 2 : share >= 0.1 ? 1 : 2;
  const text = (Math.floor(share * 100 * 10 ** digits) / 10 ** digits).toFixed(digits);
  return `${Number(text) === 0 ? '< 0.01' : text} %`;
}

/** A latency: `0.42 ms`, `7.3 ms`, `250 ms`, `1.25 s`; a dash where nothing is known. */
export function ms(value: number): string {
  if (value <= 0) return '–';
  if (value < 1) return `${value.toFixed(2)} ms`;
  if (value < 10) return `${value.toFixed(1)} ms`;
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`;
}

/** A span of time: `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function lasting(valueMs: number): string {
  const s = Math.floor(valueMs / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** Time of day, local: `12:03:04`. */
export function clock(atMs: number): string {
  return CLOCK.format(atMs);
}

/** `1.03×` */
export function times(value: number): string {
  return `${value >= 10 ? value.toFixed(1) : value.toFixed(2)}×`;
}

/** `pkg.Service/Method` in two, the service with its slash. */
export function methodParts(method: string): readonly [service: string, name: string] {
  const slash = method.lastIndexOf('/') + 1;
  return [method.slice(0, slash), method.slice(slash)];
}
