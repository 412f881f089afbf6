/**
 * Text as a terminal shows it: how wide it is, and what of it must not get there.
 *
 * @packageDocumentation
 */

/** Control characters (C0, DEL, C1), those that turn the direction of text or take no room, and halves of characters. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu;

/** Text that somebody else chose, with everything that a terminal could obey written out: `\x1b`, `\u{202e}`. */
export function safe(text: string): string {
  return text.replace(HARMFUL, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** JSON that is as harmless: it stays JSON that says the same. */
export function json(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent) ?? 'null';
  // JSON.stringify escapes C0; the line breaks are its own.
  return text.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Co}\u2028\u2029]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

const NARROW = /^[ -~]*$/;
const NO_ROOM = /^\p{M}$/u;
/** What stands in two columns: East Asian wide and full-width blocks, and pictures. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

const columnsOf = (character: string): number => (NO_ROOM.test(character) ? 0 : WIDE.test(character) ? 2 : 1);

/** Columns that text takes. */
export function textWidth(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/** Text cut to `width` columns, with `…` where something is missing: the end, or (`'start'`) the beginning. */
export function cut(text: string, width: number, from: 'start' | 'end' = 'end'): string {
  if (textWidth(text) <= width) return text;
  if (width <= 0) return '';
  const characters = from === 'end' ? [...text] : [...text].reverse();
  const kept: string[] = [];
  let room = width - 1;
  for (const character of characters) {
    room -= columnsOf(character);
    if (room < 0) break;
    kept.push(character);
  }
  return from === 'end' ? `${kept.join('')}…` : `…${kept.reverse().join('')}`;
}

/** Words in lines of at most `width` columns, each after the first behind `indent`. */
export function wrap(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line.trim() !== '' && textWidth(longer) > width) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = longer;
  }
  return [...lines, line];
}
