/** Small lines over the last minute. Beside each stands its number as text, so they are hidden from screen readers. */
import { svg } from './dom.ts';

/** One line of a chart: what it shows, and its class for the colour. */
export interface Line {
  readonly className: 'line' | 'second' | 'bad';
  readonly values: readonly number[];
}

const HEIGHT = 20;
const POINTS = 60;

/** A sparkline. */
export class Spark {
  readonly element: SVGSVGElement;
  readonly #paths = new Map<string, SVGPathElement>();

  constructor(className = 'spark') {
    this.element = svg('svg', {
      class: className,
      viewBox: `0 -1 ${POINTS - 1} ${HEIGHT + 2}`,
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
    });
  }

  /**
   * Draws the lines over each other, all on one scale; gives the value at its upper edge, which is `least` at least, so that
   * noise on an idle line stays flat.
   */
  draw(least: number, ...lines: readonly Line[]): number {
    const top = Math.max(least, ...lines.flatMap(({ values }) => values));
    for (const { className, values } of lines) {
      const first = POINTS - values.length;
      const points = values.map((value, index) => `${first + index} ${(HEIGHT * (1 - value / top)).toFixed(1)}`);
      if (className === 'bad') {
        // A tick for each second that has some: a single one is seen, and nothing is drawn where nothing is wrong.
        this.#path(className).setAttribute(
          'd',
          points.map((point, index) => ((values[index] ?? 0) > 0 ? `M${point}V${HEIGHT}` : '')).join(''),
        );
        continue;
      }
      const line = points.length === 0 ? '' : `M${points.join('L')}`;
      if (className === 'line') this.#path('line area').setAttribute('d', line === '' ? '' : `${line}V${HEIGHT}H${first}Z`);
      this.#path(className).setAttribute('d', line);
    }
    return top;
  }

  #path(className: string): SVGPathElement {
    const known = this.#paths.get(className);
    if (known !== undefined) return known;
    const path = svg('path', { class: className, 'vector-effect': 'non-scaling-stroke' });
    this.#paths.set(className, path);
    this.element.append(path);
    return path;
  }
}

/** Sums of several histories, second by second. They end with the same second, so they are added from their ends. */
export function summed(histories: readonly (readonly number[])[]): readonly number[] {
  return combined(histories, (a, b) => a + b);
}

/** The greatest of several, second by second. */
export function greatest(histories: readonly (readonly number[])[]): readonly number[] {
  return combined(histories, Math.max);
}

function combined(histories: readonly (readonly number[])[], join: (a: number, b: number) => number): readonly number[] {
  const length = Math.max(0, ...histories.map((values) => values.length));
  const out = new Array<number>(length).fill(0);
  for (const values of histories) {
    const shift = length - values.length;
    values.forEach((value, index) => {
      out[shift + index] = join(out[shift + index] ?? 0, value);
    });
  }
  return out;
}
