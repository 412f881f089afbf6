/**
 * A regular expression that is matched against a whole value in linear time, whatever expression and value are: JavaScript's own
 * engine may need exponential time, and the value comes from strangers.
 *
 * Source: Thompson's simulation, as in Pike's and RE2's; Cox 2007, "Regular Expression Matching Can Be Simple And Fast".
 *
 * @packageDocumentation
 */
import { type CharSet, compilePattern, type Step } from './pattern-syntax.ts';

/** A longer value matches no expression. */
const MAX_LENGTH = 4096;

export class Pattern {
  readonly #program: readonly Step[];
  /** Round in which a step was last reached, so that each is followed once a character. */
  readonly #seen: Uint32Array;
  #round = 0;
  #now: number[] = [];
  #next: number[] = [];

  /** @throws PatternError when the text is none, or is not taken. */
  constructor(text: string) {
    this.#program = compilePattern(text);
    this.#seen = new Uint32Array(this.#program.length + 1);
  }

  /** Whether the whole of `value` fits. */
  matches(value: string): boolean {
    if (value.length > MAX_LENGTH) return false;
    if (this.#round > 0xffff0000) {
      this.#round = 0;
      this.#seen.fill(0);
    }
    this.#now.length = 0;
    this.#round++;
    this.#reach(0, this.#now);
    for (const char of value) {
      const point = char.codePointAt(0) ?? 0;
      this.#next.length = 0;
      this.#round++;
      for (const at of this.#now) {
        const step = this.#program[at];
        if (step !== undefined && 'set' in step && holds(step.set, point)) this.#reach(at + 1, this.#next);
      }
      if (this.#next.length === 0) return false;
      [this.#now, this.#next] = [this.#next, this.#now];
    }
    return this.#seen[this.#program.length] === this.#round;
  }

  /** Adds the steps that take a character and can be reached from `from` without one. */
  #reach(from: number, into: number[]): void {
    const stack = [from];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (this.#seen[at] === this.#round) continue;
      this.#seen[at] = this.#round;
      const step = this.#program[at];
      if (step === undefined || 'set' in step) into.push(at);
      else if ('jump' in step) stack.push(step.jump);
      else stack.push(step.split[1], step.split[0]);
    }
  }
}

function holds({ ranges, negated }: CharSet, point: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    if (point >= (ranges[i] ?? 0) && point <= (ranges[i + 1] ?? 0)) return !negated;
  }
  return negated;
}
