/**
 * Requests become one batch request; one that has more than the batch has a place for does not.
 */
import { describe, expect, test } from 'vitest';
import { type Mode, RULES } from '../../../support/native.ts';
import { batch, definitionOf, elementOf, lift, planOf } from '../../../support/native-engine.ts';

const bytesOf = (mode: Mode, request: object): Buffer => definitionOf(mode).requestSerialize(request);

function batched(mode: Mode, requests: readonly object[]): object {
  const plan = planOf(mode);
  const lifted = lift(
    plan,
    requests.map((request) => bytesOf(mode, request)),
  );
  if (lifted.some((one) => one === undefined)) throw new Error('one can not be merged');
  return definitionOf(RULES[mode].via.replace(/.*\//, '')).requestDeserialize(batch(plan, lifted as NonNullable<(typeof lifted)[0]>[]));
}

describe('requests become', () => {
  test('a list of texts, with the group under its numbers of the batch', () => {
    const readMask = { paths: ['title', 'é'] };
    const requests = ['a', '', 'ü'].map((name) => ({ name, parent: 'p', readMask }));
    expect(batched('GetBook', requests)).toEqual({ names: ['a', '', 'ü'], parent: 'p', readMask, verbose: 0 });
  });
  test.each([
    ['GetUser', 'id', [1, -1, 0, 1, -(2 ** 40)], 'ids'],
    ['GetEntity', 'id', [1, -1, 0, 2 ** 52], 'ids'],
    ['Count', 'id', [1, 0, 4_294_967_295], 'ids'],
  ] as const)('%s: a list of numbers', (mode, from, values, to) => {
    expect(
      batched(
        mode,
        values.map((value) => ({ [from]: value })),
      ),
    ).toMatchObject({ [to]: values });
  });
  test('a list of whole requests, with the group besides', () => {
    const requests = [
      { parent: 'p', row: { key: 'a', value: Buffer.from([0, 1]) } },
      { parent: 'p', row: null },
    ];
    expect(batched('CreateRow', requests)).toMatchObject({ parent: 'p', requests });
  });
});

describe('a request', () => {
  const strange = Buffer.from([0xfa, 0x3e, 1, 7]); // field 1007
  const cases: [string, Mode, Buffer, boolean][] = [
    ['with what is lifted', 'GetBook', bytesOf('GetBook', { name: 'a' }), true],
    ['with nothing', 'GetBook', Buffer.alloc(0), true],
    ['with the group', 'GetBook', bytesOf('GetBook', { name: 'a', parent: 'p' }), true],
    ['with a field besides', 'GetBook', bytesOf('GetBook', { name: 'a', verbose: true }), false],
    ['with an unknown field', 'GetBook', Buffer.concat([bytesOf('GetBook', { name: 'a' }), strange]), false],
    ['with an unknown field, as a whole', 'Check', Buffer.concat([bytesOf('Check', { text: 'a' }), strange]), true],
    ['that can not be read', 'GetBook', Buffer.from([0x0a, 9, 0x61]), false],
    ['with a group of another wire type', 'GetBook', Buffer.from([0x18, 1]), false],
    ['with a value of another wire type', 'GetBook', Buffer.from([0x08, 1]), false],
  ];
  test.each(cases)('%s (%s) can be merged: %4$s', (_why, mode, bytes, merged) => {
    expect(lift(planOf(mode), [bytes])[0] !== undefined).toBe(merged);
  });

  test('of two values the last one counts, as for every protobuf parser', () => {
    const twice = Buffer.concat([bytesOf('GetBook', { name: 'a' }), bytesOf('GetBook', { name: 'b' })]);
    const plan = planOf('GetBook');
    const [lifted] = lift(plan, [twice]);
    expect(lifted && elementOf(lifted)).toEqual(Buffer.from([1, 0x62]));
  });

  test('as a whole stays as it is, byte for byte, with what nobody knows (K22)', () => {
    const plan = planOf('Check');
    const bytes = Buffer.concat([strange, bytesOf('Check', { text: 'a' })]);
    const [lifted] = lift(plan, [bytes]);
    expect(lifted && elementOf(lifted)).toEqual(bytes);
    if (lifted !== undefined)
      expect(batch(plan, [lifted, lifted]).includes(Buffer.concat([Buffer.from([bytes.length]), bytes]))).toBe(true);
  });
});
