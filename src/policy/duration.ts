/**
 * Durations in protobuf's JSON form: seconds with up to nine decimals and an `s`, as `"0.5s"`.
 *
 * @packageDocumentation
 */

/** A duration such as `"0.5s"`: seconds, at most nine decimals, never negative. */
export type DurationText = `${number}s`;

const FORM = /^(0|[1-9]\d{0,11})(?:\.\d{1,9})?s$/;
/** protobuf's own limit: 10,000 years. */
const MAX_SECONDS = 315_576_000_000;

/** Seconds of a duration in the right form, else undefined. */
export function parseSeconds(text: unknown): number | undefined {
  if (typeof text !== 'string' || text.length > 24 || !FORM.test(text)) return undefined;
  const seconds = Number(text.slice(0, -1));
  return seconds <= MAX_SECONDS ? seconds : undefined;
}

/** Milliseconds of a checked duration. */
export function durationMs(text: string): number {
  return Math.round((parseSeconds(text) ?? 0) * 1e9) / 1e6;
}

/** The text of a number of seconds. */
export function secondsText(seconds: number): DurationText {
  return `${Number(seconds.toFixed(9))
    .toFixed(9)
    .replace(/\.?0+$/, '')}s` as DurationText;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400 };
const WORDS: Readonly<Record<string, string>> = {
  ...{ msec: 'ms', msecs: 'ms', millis: 'ms', millisecond: 'ms', milliseconds: 'ms', sec: 's', secs: 's', second: 's', seconds: 's' },
  ...{ min: 'm', mins: 'm', minute: 'm', minutes: 'm', hr: 'h', hour: 'h', hours: 'h', day: 'd', days: 'd' },
};

/** A bare number from here on is taken for milliseconds, below it for seconds: nobody means a timeout of 2 ms by 2. */
const LEAST_LIKELY_MS = 10;

/** What the user may have meant by something that is not a duration: 500 is `"0.5s"`, `"5m"` is `"300s"`. */
export function likelyDuration(value: unknown): DurationText | undefined {
  if (typeof value === 'number') {
    if (!(value >= 0 && value <= MAX_SECONDS)) return undefined;
    return secondsText(value >= LEAST_LIKELY_MS && Number.isInteger(value) ? value / 1000 : value);
  }
  if (typeof value !== 'string' || value.length > 40) return undefined;
  const text = value.trim().toLowerCase();
  if (/^\d+(\.\d*)?$|^\.\d+$/.test(text)) return likelyDuration(Number(text));
  let seconds = 0;
  let rest = text;
  while (rest !== '') {
    const part = /^(\d+(?:\.\d*)?|\.\d+)(e\d{1,2})?\s*([a-zµ]+)\s*/.exec(rest);
    if (part === null) return undefined;
    const word = part[3] ?? '';
    const unit = UNIT_SECONDS[Object.hasOwn(WORDS, word) ? (WORDS[word] ?? '') : word];
    if (unit === undefined) return undefined;
    seconds += Number(`${part[1]}${part[2] ?? ''}`) * unit;
    rest = rest.slice(part[0].length);
  }
  return text !== '' && seconds <= MAX_SECONDS ? secondsText(seconds) : undefined;
}
