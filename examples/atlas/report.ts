/** What the example prints: heading, diff, faults, progress, and the table. */
import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import type { Summary } from './summary.ts';
import { count } from './verdict.ts';

type Style = Parameters<typeof styleText>[0];

/** Prints to one stream; colours and the rewritten progress line only where it is a terminal. */
export class Printer {
  readonly #stream: WriteStream;
  #progressShown = false;
  #lastPlainProgressMs = Number.NEGATIVE_INFINITY;

  constructor(stream: WriteStream) {
    this.#stream = stream;
  }

  line(text = '', style: Style | null = null): void {
    this.#clearProgress();
    this.#stream.write(`${style === null ? text : this.#paint(style, text)}\n`);
  }

  heading(text: string): void {
    this.line();
    this.line(text, 'bold');
  }

  diffLines(lines: readonly string[]): void {
    for (const text of lines) this.line(`    ${text}`, text.startsWith('+') ? 'green' : 'red');
  }

  fault(atMs: number, what: string): void {
    this.line(`  ${seconds(atMs)}  ${what}`, 'yellow');
  }

  /** One line that is rewritten on a terminal; elsewhere a line every few seconds. */
  progress(atMs: number, text: string): void {
    if (this.#stream.isTTY) {
      this.#clearProgress();
      this.#stream.write(`  ${seconds(atMs)}  ${text}`);
      this.#progressShown = true;
    } else if (atMs < this.#lastPlainProgressMs || atMs - this.#lastPlainProgressMs >= 5_000) {
      this.#lastPlainProgressMs = atMs;
      this.line(`  ${seconds(atMs)}  ${text}`);
    }
  }

  #clearProgress(): void {
    if (this.#progressShown) this.#stream.write('\r\u001b[K');
    this.#progressShown = false;
  }

  #paint(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#stream });
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(5)} s`;
}

/** The acts side by side. */
export function table(acts: readonly Summary[]): readonly string[] {
  const whole = acts.some((act) => act.wholePages < act.pages);
  const rows: readonly (readonly [string, (act: Summary) => string])[] = [
    ['code changed, lines', changed],
    ['calls', (act) => count(act.calls)],
    ['  lost', (act) => count(act.lost)],
    ['  p50, ms', (act) => act.callMs.p50.toFixed(1)],
    ['  p99, ms', (act) => act.callMs.p99.toFixed(1)],
    ['  p99 while one replica is slow, ms', (act) => act.callMsByPhase.slow.p99.toFixed(1)],
    ['pages', (act) => count(act.pages)],
    ['  whole', (act) => count(act.wholePages)],
    ['  p50, ms', (act) => act.pageMs.p50.toFixed(1)],
    ['  p99, ms', (act) => act.pageMs.p99.toFixed(1)],
    ['RPCs on the wire per call', (act) => act.rpcsPerCall.toFixed(3)],
    ['attempts per call', (act) => act.attemptsPerCall.toFixed(3)],
    ['CPU per call, µs', (act) => act.cpuUsPerCall.total.toFixed(0)],
    ['  client', (act) => act.cpuUsPerCall.client.toFixed(0)],
    ['  servers', (act) => act.cpuUsPerCall.servers.toFixed(0)],
    ['  all, with no fault', (act) => act.healthyCpuUsPerCall.total.toFixed(0)],
    [whole ? 'checksum of pages whole in all acts' : 'checksum of all pages', (act) => act.checksum],
  ];
  const labelWidth = Math.max(...rows.map(([label]) => label.length));
  const heads = acts.map((act) => [`act ${act.act}`, act.name] as const);
  const widths = heads.map(([short, name]) => Math.max(short.length, name.length, 16) + 2);
  const print = (label: string, cells: readonly string[]): string =>
    label.padEnd(labelWidth) + cells.map((cell, index) => cell.padStart(widths[index] ?? 0)).join('');
  return [
    print('', heads.map(([short]) => short)),
    print('', heads.map(([, name]) => name)),
    '-'.repeat(labelWidth + widths.reduce((sum, width) => sum + width, 0)),
    ...rows.map(([label, cell]) => print(label, acts.map(cell))),
  ]; // biome-ignore format: one cell a line says nothing
}

function changed({ diff }: Summary): string {
  return diff.comparedWith === null ? '-' : `+${diff.added} -${diff.removed} on act ${diff.comparedWith}`;
}
