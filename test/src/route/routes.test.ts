import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { Catalog } from '../../../src/batch/native/descriptors.ts';
import { readDescriptors } from '../../../src/batch/native/sources.ts';
import { seededRandom } from '../../../src/random.ts';
import { type RouteOptions, type RouteSurroundings, resolveRoute } from '../../../src/route/options.ts';
import { type RoutePlan, Routes } from '../../../src/route/routes.ts';
import { metadataOf } from '../../support/loopback.ts';
import { load } from './messages.ts';

const { service, typed } = load();
const around: RouteSurroundings = { clusters: ['canary', 'eu'], catalog: readDescriptors(service), random: seededRandom(1) };
const routes = (...list: RouteOptions[]): Routes => new Routes(list.map((route, index) => resolveRoute(route, around, `routes[${index}]`)));
const call = (headers: Record<string, string> = {}, message?: Buffer, tenant?: string): Parameters<RoutePlan['choose']>[0] => ({
  headers: metadataOf(headers),
  message: () => message,
  tenant: () => tenant,
});
const PATH = '/shop.Shop/Find';

describe('routes of a method', () => {
  test('methods that no route names have no plan, nor have those that all go to their own target', () => {
    const some = routes({ match: { methods: ['a.B/C', 'a.D'] }, cluster: 'canary' });
    expect(some.planOf(PATH)).toBeUndefined();
    expect(some.planOf('/a.B/D')).toBeUndefined();
    expect(some.planOf('/a.B/C')?.fixed).toBe('canary');
    expect(some.planOf('/a.D/Any')?.fixed).toBe('canary');
    expect(routes({ match: { headers: [{ name: 'x' }] } }, {}, { cluster: 'canary' }).planOf(PATH)).toBeUndefined();
  });

  test('the same plan for the same method; ten thousand methods are kept, not more', () => {
    const some = routes({ cluster: 'canary' });
    const first = some.planOf('/a.B/0');
    expect(some.planOf('/a.B/0')).toBe(first);
    for (let i = 1; i <= 10_000; i++) some.planOf(`/a.B/${i}`);
    expect(some.planOf('/a.B/0')).not.toBe(first);
  });

  test('TM1: everything in a match must hold; several values of a key are one, joined by commas', () => {
    const plan = routes({
      match: {
        headers: [
          { name: 'x-a', exact: '1' },
          { name: 'x-b', prefix: 'v', invert: true },
          { name: 'x-c', present: false },
        ],
      },
      cluster: 'canary',
    }).planOf(PATH);
    expect(plan?.choose(call({ 'x-a': '1' }))).toBe('canary');
    expect(plan?.choose(call({ 'x-a': '1', 'x-b': 'w' }))).toBe('canary');
    expect(plan?.choose(call({ 'x-a': '1', 'x-b': 'v1' }))).toBe('');
    expect(plan?.choose(call({ 'x-a': '1', 'x-c': 'x' }))).toBe('');
    expect(plan?.choose(call({}))).toBe('');
    const two = new Metadata();
    two.add('x-a', '1');
    two.add('x-a', '2');
    const joined = routes({ match: { headers: [{ name: 'x-a', exact: '1,2' }] }, cluster: 'eu' }).planOf(PATH);
    expect(joined?.choose({ ...call(), headers: two })).toBe('eu');
  });

  test('LB10: by fields of the request, nested ones, of any scalar type', () => {
    const by = (field: string, exact: string): RoutePlan | undefined =>
      routes({ match: { methods: ['shop.Shop/Find'], fields: [{ field, exact }] }, cluster: 'eu' }).planOf(PATH);
    const bytes = typed({
      region: 'eu',
      user: { id: '9007199254740993', vip: true },
      page: -3,
      delta: -5,
      ratio: 0.5,
      kind: 2,
      big: '18446744073709551615',
    });
    const hits = {
      region: 'eu',
      'user.id': '9007199254740993',
      'user.vip': 'true',
      page: '-3',
      delta: '-5',
      ratio: '0.5',
      kind: '2',
      big: '18446744073709551615',
    };
    for (const [field, value] of Object.entries(hits)) {
      const plan = by(field, value);
      expect(plan?.needsMessage).toBe(true);
      expect([field, plan?.choose(call({}, bytes))]).toEqual([field, 'eu']);
      expect(plan?.choose(call({}, typed({})))).toBe('');
      expect(plan?.choose(call())).toBe('');
      expect(plan?.choose(call({}, Buffer.from([0xff, 0xff])))).toBe('');
    }
  });

  test('LB10: the last value of a field holds, and halves of a message are one', () => {
    const plan = routes({ match: { methods: ['shop.Shop/Find'], fields: [{ field: 'user.id', exact: '7' }] }, cluster: 'eu' }).planOf(PATH);
    const half = (message: object): Buffer => typed(message);
    expect(plan?.choose(call({}, Buffer.concat([half({ user: { id: '1' } }), half({ user: { id: '7' } })])))).toBe('eu');
    expect(plan?.choose(call({}, Buffer.concat([half({ user: { id: '7' } }), half({ user: { vip: true } })])))).toBe('eu');
    expect(plan?.choose(call({}, Buffer.concat([half({ user: { id: '7' } }), half({ user: { id: '1' } })])))).toBe('');
  });

  test('TM2: a split by header, tenant or field gives one key one cluster', () => {
    for (const key of [{ header: 'x-user' }, { tenant: true }, { field: 'user.id' }]) {
      const plan = routes({ match: { methods: ['shop.Shop/Find'] }, split: [{ weight: 1 }, { cluster: 'canary', weight: 1 }], key }).planOf(
        PATH,
      );
      const chosen = new Set<string | undefined>();
      for (let user = 0; user < 40; user++) {
        const facts = call({ 'x-user': `u${user}` }, typed({ user: { id: String(user) } }), `t${user}`);
        const clusters = new Set(Array.from({ length: 5 }, () => plan?.choose(facts)));
        expect(clusters.size).toBe(1);
        for (const cluster of clusters) chosen.add(cluster);
      }
      expect(chosen).toEqual(new Set(['', 'canary']));
    }
  });
});

describe('what a route may say', () => {
  const refuse =
    (route: unknown, more: Partial<RouteSurroundings> = {}): (() => unknown) =>
    () =>
      resolveRoute(route as RouteOptions, { ...around, ...more }, 'r');

  test.for([
    [{ cluster: 'canarry' }, 'r.cluster: no such cluster: "canarry"; did you mean "canary"?'],
    [{ cluster: 'x' }, 'r.cluster: no such cluster: "x"; known are canary, eu'],
    [{ cluster: 'eu', split: [{ weight: 1 }] }, 'r: expected cluster or split, got both'],
    [{ split: [{ weight: 0 }, { cluster: 'eu', weight: 0 }] }, 'r.split: expected a weight above 0, got none'],
    [
      {
        split: [
          { cluster: 'eu', weight: 1 },
          { cluster: 'eu', weight: 2 },
        ],
      },
      'r.split[1]: expected each cluster once',
    ],
    [{ split: [{ weight: -1 }] }, 'r.split[0].weight: expected a number >= 0'],
    [{ cluster: 'eu', key: { tenant: true } }, 'r.key: expected only with split'],
    [{ split: [{ weight: 1 }], key: {} }, 'r.key: expected one of header, tenant and field, got none'],
    [{ split: [{ weight: 1 }], key: { header: 'a', tenant: true } }, 'r.key: expected one of header, tenant and field, got several'],
    [
      { match: { headers: [{ name: 'X-User' }] } },
      'r.match.headers[0].name: expected a metadata key such as "x-user", got "X-User"; did you mean "x-user"?',
    ],
    [{ match: { headers: [{ name: 'x-bin' }] } }, 'the values of "-bin" keys are bytes'],
    [
      { match: { headers: [{ name: 'x', exact: 'a', prefix: 'b' }] } },
      'r.match.headers[0]: expected one of exact, prefix, regex and present, got exact and prefix',
    ],
    [{ match: { headers: [{ name: 'x', regex: '(' }] } }, 'r.match.headers[0].regex: expected an expression of RE2'],
    [{ match: { methods: ['/shop.Shop/Find'] } }, 'r.match.methods[0]: expected a method'],
    [
      { match: { methods: ['shop.Shop/Find'], fields: [{ field: 'regoin', exact: 'a' }] } },
      'no field "regoin" in shop.FindRequest; did you mean "region"?',
    ],
    [
      { match: { methods: ['shop.Shop/Fnid'], fields: [{ field: 'region' }] } },
      'no such method in the descriptors: "shop.Shop/Fnid"; did you mean "shop.Shop/Find"?',
    ],
    [{ match: { methods: ['shop.Shop'], fields: [{ field: 'region' }] } }, 'got the service "shop.Shop"'],
    [{ match: { fields: [{ field: 'region' }] } }, 'expected match.methods beside it'],
    [{ match: { methods: ['shop.Shop/Find'], fields: [{ field: 'tags' }] } }, '"tags" is repeated'],
    [{ match: { methods: ['shop.Shop/Find'], fields: [{ field: 'user' }] } }, '"user" is a message'],
    [{ match: { methods: ['shop.Shop/Upload'], fields: [{ field: 'region' }] } }, 'takes a stream of messages'],
    [{ macth: {} }, 'r.macth: unknown option; did you mean match?'],
  ] as const)('%j is refused', ([route, why]) => {
    expect(refuse(route)).toThrow(why);
  });

  test('a field without descriptors is an error at the start', () => {
    const route = { match: { methods: ['shop.Shop/Find'], fields: [{ field: 'region', exact: 'a' }] }, cluster: 'eu' };
    expect(refuse(route, { catalog: undefined })).toThrow('r.match.fields[0].field: expected descriptors, to find the field');
    expect(refuse(route, { catalog: new Catalog([]) })).toThrow('no such method in the descriptors');
    expect(refuse(route, { catalog: 'unseen' })).not.toThrow();
  });
});
