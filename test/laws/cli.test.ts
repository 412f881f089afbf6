/**
 * Laws of what the command line writes and reads. O6.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ServerEvent, serverEvents } from '../../src/cli/sse.ts';
import { plainStyle } from '../../src/cli/style.ts';
import { type Column, table } from '../../src/cli/table.ts';
import { cut, json, safe, textWidth, wrap } from '../../src/cli/text.ts';
import { lintPolicy } from '../../src/lint/lint.ts';

/** What a terminal could obey, or be led astray by. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/u;
const anyText = fc.string({ unit: 'binary' });

describe('text of others', () => {
  test('safe() leaves nothing harmful, and what is harmless as it is', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(safe(text)).not.toMatch(HARMFUL);
        if (!HARMFUL.test(text)) expect(safe(text)).toBe(text);
      }),
    );
  });

  test('json() says the same as JSON, with nothing harmful in it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = json(value, indent);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(text.replaceAll('\n', '')).not.toMatch(HARMFUL);
      }),
    );
  });
});

describe('text in its place', () => {
  test('cut() is never wider than asked, and leaves what fits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), fc.constantFrom('start' as const, 'end' as const), (text, width, from) => {
        expect(textWidth(cut(text, width, from))).toBeLessThanOrEqual(width);
        if (textWidth(text) <= width) expect(cut(text, width, from)).toBe(text);
      }),
    );
  });

  test('wrap() loses no word, and breaks only where it must', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }), fc.integer({ min: 12, max: 60 }), (words, width) => {
        const lines = wrap(words.join(' '), width);
        expect(lines.join(' ')).toBe(words.join(' '));
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
        for (const [at, line] of lines.slice(0, -1).entries())
          expect(`${line} ${lines[at + 1]?.split(' ')[0]}`.length).toBeGreaterThan(width);
      }),
    );
  });

  test('a table is no wider than its place, if its columns may be cut or left out', () => {
    const row = fc.record({
      name: fc.string({ unit: 'grapheme-ascii', maxLength: 60 }),
      more: fc.string({ unit: 'grapheme-ascii', maxLength: 30 }),
      count: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 8 }), fc.integer({ min: 24, max: 120 }), (rows, width) => {
        type Row = (typeof rows)[number];
        const columns: readonly Column<Row>[] = [
          { title: 'NAME', least: 8, cutAt: 'start', cell: ({ name }) => name },
          { title: 'MORE', least: 4, spare: 1, cell: ({ more }) => more },
          { title: 'COUNT', right: true, cell: ({ count }) => String(count) },
        ];
        const lines = table(columns, rows, width, plainStyle);
        expect(lines).toHaveLength(rows.length + 1);
        for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width);
        // Numbers are never cut.
        for (const [at, { count }] of rows.entries()) expect(lines[at + 1]?.endsWith(String(count))).toBe(true);
      }),
    );
  });
});

describe('server-sent events', () => {
  const events = fc.array(
    fc.record({ event: fc.stringMatching(/^[a-z]{1,8}$/), data: fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)) }),
  );

  test('are the same however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        events,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        fc.constantFrom('\n', '\r\n'),
        async (sent, sizes, end) => {
          const text = sent.map(({ event, data }) => `:beat${end}event: ${event}${end}id: 1${end}data: ${data}${end}${end}`).join('');
          const bytes = Buffer.from(text);
          async function* chunks(): AsyncGenerator<Uint8Array> {
            for (let at = 0, turn = 0; at < bytes.length; turn++) {
              const size = sizes[turn % sizes.length] ?? 1;
              yield bytes.subarray(at, at + size);
              at += size;
            }
          }
          const read: ServerEvent[] = [];
          for await (const event of serverEvents(chunks())) read.push(event);
          expect(read).toEqual(sent);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('one without end is an error, not memory', async () => {
    async function* endless(line: string): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < 100; sent++) yield Buffer.from(line.repeat(65_536 / line.length));
    }
    const read = async (line: string): Promise<void> => {
      for await (const _ of serverEvents(endless(line)));
    };
    await expect(read('x')).rejects.toThrow('without end');
    await expect(read('data: xxxxxxxxx\n')).rejects.toThrow('without end');
  });
});

describe('inmesh lint', () => {
  test('takes any text, and points into it', () => {
    const line = fc.oneof(
      anyText,
      fc.constantFrom('defaults:', '  timeout: 1s', '  retryPolicy: { maxAttempts: 9 }', 'methods:', '  a.B/C:', '    batch: {}'),
    );
    fc.assert(
      fc.property(
        fc.array(line).map((lines) => lines.join('\n')),
        (text) => {
          for (const { line: at, column, code } of lintPolicy(text, { file: 'f' })) {
            expect(code).toMatch(/^IM1\d\d$/);
            expect(at).toBeGreaterThanOrEqual(1);
            expect(at).toBeLessThanOrEqual(text.split(/\r\n|\r|\n/).length + 1);
            expect(column).toBeGreaterThanOrEqual(1);
          }
        },
      ),
    );
  });
});
