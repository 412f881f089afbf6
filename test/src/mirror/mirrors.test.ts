import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { differences } from '../../../src/mirror/differences.ts';
import { type Answer, Mirror, type MirrorStats, Mirrors } from '../../../src/mirror/mirrors.ts';
import { type MirrorOptions, resolveMirror } from '../../../src/mirror/options.ts';
import { seededRandom } from '../../../src/random.ts';
import { metadataOf } from '../../support/loopback.ts';
import { load } from '../route/messages.ts';

const mirror = (options: MirrorOptions = {}): Mirror => new Mirror('shadow', resolveMirror(options, 'mirror'), seededRandom(3));
const none = metadataOf({});
const { service, reply } = load();
const decode = service['Find']?.responseDeserialize;
const ok = (message: Uint8Array | undefined): Answer => ({ code: Code.OK, message });

describe('which calls are copied', () => {
  test('TM3: so many of a hundred, by chance', () => {
    const own = mirror({ percent: 10, maxInFlight: 10_000 });
    let chosen = 0;
    for (let n = 0; n < 100_000; n++) {
      if (!own.chooses(none)) continue;
      chosen++;
      own.answered(Code.OK);
    }
    expect(chosen).toBeGreaterThan(9_500);
    expect(chosen).toBeLessThan(10_500);
    expect(mirror({ percent: 0 }).takes('/a.B/C')).toBe(false);
  });

  test('by method: the same list for the same one, ten thousand are kept', () => {
    const all = new Mirrors([mirror({ match: { methods: ['a.B'] } }), mirror()]);
    expect(all.of('/a.B/C')).toHaveLength(2);
    expect(all.of('/a.C/C')).toHaveLength(1);
    const first = all.of('/a.B/C');
    expect(all.of('/a.B/C')).toBe(first);
    for (let i = 0; i < 10_000; i++) all.of(`/a.D/${i}`);
    expect(all.of('/a.B/C')).not.toBe(first);
  });
});

describe('compare', () => {
  const compared = (own: Answer, copy: Answer, options: MirrorOptions = {}): MirrorStats => {
    const by = mirror({ ...options, compare: true });
    by.compare(own, copy, decode);
    return by.stats();
  };

  test.for([
    ['both OK with the same bytes', ok(Buffer.from('a')), ok(Buffer.from('a')), 'equal'],
    ['both NOT_FOUND', { code: Code.NOT_FOUND, message: undefined }, { code: Code.NOT_FOUND, message: undefined }, 'equal'],
    ['OK and NOT_FOUND', ok(Buffer.from('')), { code: Code.NOT_FOUND, message: undefined }, 'different'],
    ['NOT_FOUND and OK', { code: Code.NOT_FOUND, message: undefined }, ok(Buffer.from('')), 'different'],
    ['a call that failed', { code: Code.UNAVAILABLE, message: undefined }, ok(Buffer.from('')), 'uncompared'],
    ['a call that was cancelled', { code: Code.CANCELLED, message: undefined }, ok(Buffer.from('')), 'uncompared'],
    ['no message kept', ok(undefined), ok(Buffer.from('')), 'uncompared'],
    ['bytes that are no message', ok(Buffer.from([0xff])), ok(Buffer.from([0xfe])), 'different'],
  ] as const)('%s: %s', ([, own, copy, verdict]) => {
    const { equal, different, uncompared } = compared(own, copy);
    expect({ equal, different, uncompared }).toEqual({ equal: 0, different: 0, uncompared: 0, [verdict]: 1 });
  });

  test('a copy that failed on its side is no difference, whatever the call', () => {
    const { equal, different, uncompared } = compared(ok(Buffer.from('a')), { code: Code.UNAVAILABLE, message: undefined });
    expect([equal, different, uncompared]).toEqual([0, 0, 0]);
  });

  test('TM3: fields are told by path, without places, keys and values; ignored ones are not looked at', () => {
    const own = reply({
      items: [
        { name: 'a', price: 1 },
        { name: 'b', price: 2 },
      ],
      stock: { x: 1 },
      etag: 'old',
    });
    const copy = reply({
      items: [
        { name: 'a', price: 9 },
        { name: 'b', price: 8 },
      ],
      stock: { x: 2 },
      etag: 'new',
    });
    expect(compared(ok(own), ok(copy)).differences).toEqual({ 'items.price': 1, 'stock.x': 1, etag: 1 });
    expect(compared(ok(own), ok(copy), { ignoreFields: ['items', 'stock'] }).differences).toEqual({ etag: 1 });
    expect(compared(ok(own), ok(copy), { ignoreFields: ['items.price', 'stock', 'etag'] })).toMatchObject({ equal: 1, different: 0 });
  });

  test('TM3: 0 false alarms over 100,000 equal replies whose map entries, fields and unknown fields stand in other orders', () => {
    const by = mirror({ compare: true });
    const random = seededRandom(11);
    const shuffled = (parts: readonly Buffer[]): Buffer => Buffer.concat([...parts].sort(() => random() - 0.5));
    for (let n = 0; n < 1000; n++) {
      const items = reply({
        items: [
          { name: `n${n}`, price: n / 3 },
          { name: '', price: 0 },
        ],
      }); // an order that means something
      const parts = [
        items,
        ...['a', 'b', 'c'].map((key) => reply({ stock: { [key]: n } })),
        reply({ user: { id: String(n), vip: true } }),
        reply({ blob: Buffer.from([n & 255, 1, 2]) }),
        reply({ etag: `e${n}` }),
      ];
      const unknown = Buffer.from([0xf8, 0x07, n & 127]); // field 127, that nobody declares
      for (let i = 0; i < 100; i++) by.compare(ok(shuffled(parts)), ok(shuffled([...parts, unknown])), decode);
    }
    expect(by.stats()).toMatchObject({ equal: 100_000, different: 0, uncompared: 0, differences: {} });
  }, 60_000);

  test('at most 64 fields are told apart', () => {
    const by = mirror({ compare: true });
    for (let i = 0; i < 100; i++) by.compare(ok(Buffer.from('a')), ok(Buffer.from('b')), (bytes) => ({ [`field${i}`]: bytes.toString() }));
    const paths = by.stats().differences;
    expect(Object.keys(paths)).toHaveLength(65);
    expect(paths['_OTHER']).toBe(36);
  });
});

describe('differences', () => {
  test.for([
    [{ a: 1 }, { a: 1 }, []],
    [{ a: Number.NaN }, { a: Number.NaN }, []],
    [{ a: 0 }, { a: -0 }, []],
    [{ a: 1n }, { a: 2n }, ['a']],
    [
      {
        a: new Map([
          ['x', 1],
          ['y', 2],
        ]),
      },
      {
        a: new Map([
          ['y', 2],
          ['x', 1],
        ]),
      },
      [],
    ],
    [{ a: new Map([['x', 1]]) }, { a: new Map([['x', 2]]) }, ['a']],
    [{ a: [1, 2] }, { a: [1, 2, 3] }, ['a']],
    [{ a: [1, 2] }, { a: [2, 1] }, ['a']],
    [{ a: new Uint8Array([1]) }, { a: Buffer.from([1]) }, []],
    [{ a: new Date(1) }, { a: new Date(2) }, ['a']],
    [{ a: undefined }, {}, []],
    [{ a: null }, { a: {} }, ['a']],
    [{ a: { toObject: () => ({ b: 1 }) } }, { a: { toObject: () => ({ b: 2 }) } }, ['a.b']],
    [1, 2, ['(message)']],
  ] as const)('of %o and %o: %o', ([a, b, paths]) => {
    expect(differences(a, b)).toEqual(paths);
  });

  test('at most eight of one pair; nothing too deep', () => {
    const many = (value: number): object => Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`f${index}`, value]));
    expect(differences(many(1), many(2))).toHaveLength(8);
    const deep = (): object => {
      let at: object = {};
      for (let i = 0; i < 1000; i++) at = { at };
      return at;
    };
    expect(differences(deep(), deep())).toHaveLength(1);
  });
});

describe('what a mirror may say', () => {
  test.for([
    [{ percent: 101 }, 'mirror.percent: expected a number >= 0 and <= 100, got 101'],
    [{ maxInFlight: 0 }, 'mirror.maxInFlight: expected a whole number >= 1'],
    [{ timeoutMs: '5s' }, 'mirror.timeoutMs: expected milliseconds as a number > 0, got "5s"; did you mean 5000?'],
    [{ ignoreFields: ['a'] }, 'mirror.ignoreFields: expected only with compare'],
    [{ match: { fields: [] } }, 'mirror.match.fields: unknown option'],
    [{ comapre: true }, 'mirror.comapre: unknown option; did you mean compare?'],
  ] as const)('%j is refused', ([options, why]) => {
    expect(() => resolveMirror(options as never, 'mirror')).toThrow(why);
  });
});
