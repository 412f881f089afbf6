/**
 * The invariant file of the fair queue: nobody is lost or served twice, lines keep their order, and nobody waits for more turns
 * than fairness promises, whatever the others do.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FairQueue, type Line, type Place } from '../../src/bulkhead/fair-queue.ts';

class One implements Place<One> {
  previous: One | undefined = undefined;
  next: One | undefined = undefined;
  line: Line<One> | undefined = undefined;
  readonly group: object | undefined;
  readonly number: number;
  /** Turns by which it is out at the latest; Infinity: nothing is promised. */
  readonly byTurn: number;
  constructor(group: object | undefined, number: number, byTurn: number) {
    this.group = group;
    this.number = number;
    this.byTurn = byTurn;
  }
}

const GROUPS = Array.from({ length: 5 }, (_, name) => ({ name }));
const actions = fc.array(fc.nat(0xffff), { maxLength: 300, size: 'max' });

function play(codes: readonly number[]): void {
  const queue = new FairQueue<One>();
  const waiting = new Set<One>();
  const lineOf = (group: object | undefined): One[] => [...waiting].filter((one) => one.group === group);
  let turn = 0;
  let number = 0;

  const push = (group: object | undefined): void => {
    const line = lineOf(group);
    const groups = new Set([...waiting].flatMap((one) => (one.group === undefined ? [] : [one.group])));
    // A single call: one turn of the others for each single call before it. The first of a new batch: one turn of the single
    // calls for each batch before it. Whatever comes later changes nothing.
    const turns = group === undefined ? 2 * (line.length + 1) : line.length === 0 ? 2 * (groups.size + 1) : Number.POSITIVE_INFINITY;
    const one = new One(group, number++, turn + turns);
    waiting.add(one);
    queue.push(one, group);
  };
  const shift = (): void => {
    const one = queue.shift();
    if (one === undefined) {
      expect(waiting.size).toBe(0);
      return;
    }
    turn++;
    if (!waiting.has(one)) throw new Error(`${one.number} served twice, or after it left`);
    if (lineOf(one.group)[0] !== one) throw new Error(`${one.number} overtook its own line`);
    if (turn > one.byTurn) throw new Error(`${one.number} served in turn ${turn}, promised by ${one.byTurn}`);
    waiting.delete(one);
  };
  const remove = (pick: number): void => {
    const one = [...waiting][pick % Math.max(1, waiting.size)];
    if (one === undefined) return;
    expect(queue.remove(one)).toBe(true);
    expect(queue.remove(one)).toBe(false);
    waiting.delete(one);
  };

  for (const code of codes) {
    const kind = code % 8;
    if (kind < 4) push(kind === 0 ? undefined : GROUPS[(code >> 3) % GROUPS.length]);
    else if (kind < 7) shift();
    else remove(code >> 3);
    if (queue.size !== waiting.size) throw new Error(`size ${queue.size}, expected ${waiting.size}`);
  }
  while (waiting.size > 0) shift();
  expect(queue.shift()).toBeUndefined();
}

describe('law: FairQueue', () => {
  test('serves everybody once, in the order of their line, within the promised turns', () => {
    fc.assert(fc.property(actions, play), { numRuns: 2000 });
  }, 60_000);
});
