/**
 * Colours, where they are wanted.
 *
 * @packageDocumentation
 */

/** What a piece of text is, not which colour it has. */
export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'dim' | 'strong' | 'inverse';

/** Puts a tone around text; gives text as it is where there are no colours. */
export type Style = (tone: Tone, text: string) => string;

const CODES: Readonly<Record<Exclude<Tone, 'plain'>, readonly [number, number]>> = {
  good: [32, 39],
  warn: [33, 39],
  bad: [31, 39],
  dim: [2, 22],
  strong: [1, 22],
  inverse: [7, 27],
};

/** No colours. */
export const plainStyle: Style = (_, text) => text;

/** The sixteen colours that every terminal has; none of them is needed to understand the text. */
export const colorStyle: Style = (tone, text) => {
  if (tone === 'plain' || text === '') return text;
  const [on, off] = CODES[tone];
  return `\x1b[${on}m${text}\x1b[${off}m`;
};

/**
 * Whether colours are wanted: `NO_COLOR` (no-color.org) says no, `FORCE_COLOR` says yes, else a terminal that is not `dumb` has them.
 */
export function styleFor(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): Style {
  if ((env['NO_COLOR'] ?? '') !== '') return plainStyle;
  const forced = env['FORCE_COLOR'] ?? '';
  if (forced !== '') return forced === '0' ? plainStyle : colorStyle;
  return isTerminal && env['TERM'] !== 'dumb' ? colorStyle : plainStyle;
}
