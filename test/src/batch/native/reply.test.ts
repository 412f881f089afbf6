/**
 * A reply of a batch is taken apart by each way of matching, and nothing is given to a call that it was not asked for.
 */
import { describe, expect, test } from 'vitest';
import { WireError } from '../../../../src/batch/wire.ts';
import type { BatchRule, ResultMap } from '../../../../src/policy/policy.gen.ts';
import { type Mode, RULES } from '../../../support/native.ts';
import { definitionOf, lift, planOf, type Result, take } from '../../../support/native-engine.ts';

interface Row {
  readonly why: string;
  readonly mode: Mode;
  readonly result?: Partial<ResultMap>;
  readonly rule?: Partial<BatchRule>;
  readonly requests: readonly object[];
  readonly replies: readonly object[];
  /** A response, a code, or what became of it. Undefined: the reply does not fit. */
  readonly becomes: readonly (object | number | string)[] | undefined;
}

const a = { name: 'a' };
const b = { name: 'b' };
const book = (name: string): object => ({ name, title: '', labels: {} });
const status = (code: number, message = ''): object => ({ code, message });
const row = (key: string): object => ({ key, value: Buffer.alloc(0) });
const checks = [{ text: 'x' }, { text: 'y' }, { text: 'z' }];

const ROWS: Row[] = [
  {
    why: 'INDEX: in the order of requests',
    mode: 'GetBook',
    requests: [a, b, a],
    replies: [{ books: [book('1'), book('2'), book('3')] }],
    becomes: [book('1'), book('2'), book('3')],
  },
  {
    why: 'INDEX: an item may be empty',
    mode: 'GetBook',
    requests: [a, b],
    replies: [{ books: [{}, book('2')] }],
    becomes: [book(''), book('2')],
  },
  { why: 'INDEX: too few items fit nobody', mode: 'GetBook', requests: [a, b], replies: [{ books: [book('1')] }], becomes: undefined },
  {
    why: 'INDEX: too many items fit nobody',
    mode: 'GetBook',
    requests: [a, b],
    replies: [{ books: [book('1'), book('2'), book('3')] }],
    becomes: undefined,
  },
  { why: 'INDEX: an empty reply fits nobody', mode: 'GetBook', requests: [a, b], replies: [{}], becomes: undefined },
  {
    why: 'INDEX of numbers, packed',
    mode: 'Count',
    requests: [{ id: 1 }, { id: 2 }, { id: 3 }],
    replies: [{ counts: [7, 0, -1] }],
    becomes: [
      { count: 7, counts: [] },
      { count: 0, counts: [] },
      { count: -1, counts: [] },
    ],
  },
  {
    why: 'INDEX and failed: successes stand in order over the rest',
    mode: 'CreateRow',
    requests: [{}, {}, {}],
    replies: [{ rows: [row('1'), row('3')], failedRequests: { 1: status(9, 'no') } }],
    becomes: [row('1'), 9, row('3')],
  },
  {
    why: 'INDEX and failed: or at their own places',
    mode: 'CreateRow',
    requests: [{}, {}, {}],
    replies: [{ rows: [row('1'), row(''), row('3')], failedRequests: { 1: status(9) } }],
    becomes: [row('1'), 9, row('3')],
  },
  {
    why: 'INDEX and failed: all',
    mode: 'CreateRow',
    requests: [{}, {}],
    replies: [{ failedRequests: { 0: status(5), 1: status(1001) } }],
    becomes: [5, 1001],
  },
  {
    why: 'INDEX and failed: a failure that says OK is UNKNOWN',
    mode: 'CreateRow',
    requests: [{}, {}],
    replies: [{ rows: [row('2')], failedRequests: { 0: status(0) } }],
    becomes: [2, row('2')],
  },
  {
    why: 'INDEX and failed: strangers are passed over',
    mode: 'CreateRow',
    requests: [{}, {}],
    replies: [{ rows: [row('1'), row('2')], failedRequests: { 7: status(5), '-1': status(5) } }],
    becomes: [row('1'), row('2')],
  },
  {
    why: 'INDEX and failed: neither length fits',
    mode: 'CreateRow',
    requests: [{}, {}, {}],
    replies: [{ rows: [row('1')], failedRequests: { 1: status(5) } }],
    becomes: undefined,
  },
  {
    why: 'a status in the item',
    mode: 'Check',
    requests: checks,
    replies: [{ results: [{ reply: { verdict: 'v' } }, { status: status(7, 'no') }, { status: status(0), reply: { verdict: 'w' } }] }],
    becomes: [{ verdict: 'v' }, 7, { verdict: 'w' }],
  },
  {
    why: 'a status with a code outside the gRPC range',
    mode: 'Check',
    requests: checks,
    replies: [{ results: [{ status: status(1001) }, { status: status(-5) }, { status: status(2 ** 31 - 1) }] }],
    becomes: [1001, -5, 2 ** 31 - 1],
  },
  {
    why: 'an item that is fine but has no value is missing',
    mode: 'Check',
    requests: checks,
    replies: [{ results: [{}, { status: status(0) }, { reply: {} }] }],
    becomes: ['missing', 'missing', { verdict: '' }],
  },
  {
    why: 'an index in the item: any order, first of two, strangers out',
    mode: 'Check',
    result: { index: 'at' },
    requests: checks,
    replies: [
      {
        results: [
          { at: 2, reply: { verdict: 'z' } },
          { reply: { verdict: 'x' } },
          { at: 2, reply: { verdict: 'second' } },
          { at: 9, reply: { verdict: 'stranger' } },
          { at: -1, reply: {} },
        ],
      },
    ],
    becomes: [{ verdict: 'x' }, 'missing', { verdict: 'z' }],
  },
  {
    why: 'KEY: any order; one item for several calls; strangers out',
    mode: 'GetUser',
    requests: [{ id: 1 }, { id: -5 }, { id: 1 }, { id: 0 }],
    replies: [{ users: [{ id: 9 }, { id: -5, name: 'n' }, { id: 1, name: 'one' }] }],
    becomes: [{ user: { id: 1, name: 'one' } }, { user: { id: -5, name: 'n' } }, { user: { id: 1, name: 'one' } }, 'missing'],
  },
  {
    why: 'KEY: the first of two items',
    mode: 'GetUser',
    requests: [{ id: 1 }],
    replies: [
      {
        users: [
          { id: 1, name: 'first' },
          { id: 1, name: 'second' },
        ],
      },
    ],
    becomes: [{ user: { id: 1, name: 'first' } }],
  },
  {
    why: 'KEY: the default value, which is not on the wire',
    mode: 'GetUser',
    requests: [{ id: 0 }],
    replies: [{ users: [{ name: 'zero' }] }],
    becomes: [{ user: { id: 0, name: 'zero' } }],
  },
  {
    why: 'KEY of whole requests',
    mode: 'Check',
    rule: { result: { items: 'results', match: 'key', key: 'text', status: 'status', value: 'reply' } },
    requests: checks,
    replies: [
      {
        results: [
          { text: 'z', reply: { verdict: 'of z' } },
          { text: 'x', status: status(3) },
        ],
      },
    ],
    becomes: [3, 'missing', { verdict: 'of z' }],
  },
  {
    why: 'MAP: by the key of the entry',
    mode: 'GetEntity',
    requests: [{ id: 1 }, { id: -2 }, { id: 0 }, { id: 4 }],
    replies: [{ entities: { 1: { text: 'one' }, '-2': {}, 0: { text: 'zero' }, 99: { text: 'stranger' } } }],
    becomes: [{ entity: { text: 'one' }, text: '' }, { entity: { text: '' }, text: '' }, { entity: { text: 'zero' }, text: '' }, 'missing'],
  },
  {
    why: 'MAP by texts',
    mode: 'GetBook',
    result: { items: 'by_name', match: 'map' },
    requests: [a, b, { name: '' }],
    replies: [{ byName: { b: book('of b'), a: book('of a'), c: book('stranger') } }],
    becomes: [book('of a'), book('of b'), 'missing'],
  },
  {
    why: 'MAP of texts',
    mode: 'GetEntity',
    rule: { result: { items: 'texts', match: 'map', set: 'text' } },
    requests: [{ id: 1 }, { id: 2 }],
    replies: [{ texts: { 2: 'two', 1: '' } }],
    becomes: [
      { entity: null, text: '' },
      { entity: null, text: 'two' },
    ],
  },
  {
    why: 'a stream: each message an item',
    mode: 'Price',
    requests: [{ symbol: 'p' }, { symbol: 'q' }, { symbol: 'r' }],
    replies: [
      { index: 2, reply: { price: 3 } },
      { index: 0, status: status(5) },
      { index: 2, reply: { price: 4 } },
    ],
    becomes: [5, 'missing', { price: 3 }],
  },
];

/** What the results are, readable. */
function readable(mode: Mode, results: readonly (Result | undefined)[]): unknown[] {
  return results.map((result) => {
    if (typeof result !== 'object') return result;
    return 'refused' in result ? result.refused.code : definitionOf(mode).responseDeserialize(result.answered);
  });
}

describe('a reply', () => {
  test.each(ROWS)('$why', ({ mode, rule, result, requests, replies, becomes }) => {
    const base = { ...RULES[mode], ...rule };
    const plan = planOf(mode, { ...base, result: { ...base.result, ...result } });
    const keys = lift(plan, requests.map(definitionOf(mode).requestSerialize)).map((lifted) => lifted?.key ?? '');
    const via = definitionOf(base.via.replace(/.*\//, ''));
    const { results, fits, twice } = take(plan, keys, replies.map(via.responseSerialize));
    expect(fits).toBe(becomes !== undefined);
    expect(twice).toBe(0);
    if (becomes === undefined) expect(results.every((one) => one === undefined)).toBe(true);
    else expect(readable(mode, results)).toEqual(becomes);
  });

  test('a status keeps its details', () => {
    const plan = planOf('Check');
    const bytes = definitionOf('BatchCheck').responseSerialize({
      results: [
        { status: { code: 9, message: 'no', details: [{ typeUrl: 't', value: Buffer.from([1]) }] } },
        { status: { code: 9, message: 'no' } },
      ],
    });
    const { results } = take(plan, ['', ''], [bytes]);
    expect(results).toEqual([
      { refused: { code: 9, details: 'no', bytes: expect.any(Buffer) } },
      { refused: { code: 9, details: 'no', bytes: undefined } },
    ]);
  });

  test('fields that nobody knows come with the item, byte for byte (K22)', () => {
    const plan = planOf('GetBook');
    const strange = Buffer.from([0x0a, 1, 0x61, 0xfa, 0x3e, 3, 9, 8, 7, 0xf8, 0x3e, 5]); // name, then fields 1007 and 1007
    const reply = Buffer.concat([Buffer.from([0x22, strange.length]), strange, Buffer.from([0x22, 0])]);
    expect(take(plan, ['', ''], [reply]).results).toEqual([{ answered: strange }, { answered: Buffer.alloc(0) }]);
    const inField = planOf('GetUser');
    const user = Buffer.from([0x28, 2, 0xfa, 0x3e, 1, 0]); // id 1, then field 1007
    const { results } = take(inField, ['\x02'], [Buffer.concat([Buffer.from([0x0a, user.length]), user])]);
    expect(results).toEqual([{ answered: Buffer.concat([Buffer.from([0x1a, user.length]), user]) }]);
  });

  test('an item that can not be read is the fault of one call; a message that can not be read is an error', () => {
    const plan = planOf('Check');
    const broken = Buffer.from([0x0a, 2, 0x0a, 9, 0x0a, 4, 0x12, 2, 0x0a, 0]); // status with a length of 9 in 2 bytes; then a good one
    expect(take(plan, ['', ''], [broken]).results).toEqual(['unreadable', { answered: Buffer.from([0x0a, 0]) }]);
    expect(() => take(plan, ['', ''], [Buffer.from([0x0a, 200])])).toThrow(WireError);
  });

  test('of two entries of a map with one key the last one counts, as in every protobuf parser', () => {
    const plan = planOf('GetEntity');
    const reply = (text: string): Buffer => definitionOf('BatchGetEntities').responseSerialize({ entities: { 1: { text } } });
    const { results } = take(plan, ['\x01'], [Buffer.concat([reply('first'), reply('last')])]);
    expect(results).toEqual([{ answered: definitionOf('GetEntity').responseSerialize({ entity: { text: 'last' } }) }]);
  });

  test('numbers that are not packed are read too', () => {
    const plan = planOf('Count');
    expect(take(plan, ['', ''], [Buffer.from([0x08, 5, 0x0a, 1, 6])]).results).toEqual([
      { answered: Buffer.from([8, 5]) },
      { answered: Buffer.from([8, 6]) },
    ]);
  });

  test('more items than anybody can have asked for are not kept (Q2)', () => {
    const plan = planOf('GetBook');
    expect(() => take(plan, ['', ''], [Buffer.alloc(1 << 20, Buffer.from([0x22, 0]))])).toThrow('more items than calls');
  });
});
