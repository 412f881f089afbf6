/**
 * The oracle of native batches: a random workload over every mode and several tenants; each call is told what the service
 * thinks of its own request, in its own context, and ran no more often than it may (K1, K3, Q8).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { type Random, seededRandom } from '../../src/random.ts';
import { clientDoors, metadataOf } from '../support/loopback.ts';
import { LibraryClient, LibraryServer, library, type Mode, open, policyOf, RULES, verdicts } from '../support/native.ts';

const CALLS = 1_500;
const MODES = Object.keys(RULES) as Mode[];

interface Call {
  readonly mode: Mode;
  readonly request: Record<string, unknown>;
  readonly tenant: string;
}

function requestOf(mode: Mode, i: number, random: Random): Record<string, unknown> {
  const oneOf = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const text = oneOf([`own ${i}`, `own ${i}`, `own ${i}`, `bad ${i}`, `code ${1000 + (i % 50)} ${i}`, 'shared']);
  switch (mode) {
    case 'GetBook':
      return {
        name: random() < 0.02 ? `bad ${i}` : `own ${i}`,
        parent: oneOf(['', 'p']),
        readMask: oneOf([null, { paths: ['x'] }]),
        verbose: random() < 0.1,
      };
    case 'GetUser':
      return { id: oneOf([i, -i, 7]), ...(random() < 0.3 ? { view: oneOf(['', 'full']) } : {}) };
    case 'GetEntity':
    case 'Count':
      return { id: oneOf([i, 7]) };
    case 'CreateRow':
      return { parent: oneOf(['', 'p']), row: { key: text, value: Buffer.alloc(Math.floor(random() ** 6 * 5_000), i) } };
    case 'Check':
      return random() < 0.5 ? { text } : { text, level: i };
    case 'Price':
      return { symbol: text };
  }
}

function workload(seed: number): Call[] {
  const random = seededRandom(seed);
  return Array.from({ length: CALLS }, (_, i) => {
    const mode = MODES[Math.floor(random() * MODES.length)] as Mode;
    return { mode, request: requestOf(mode, i, random), tenant: `t${Math.floor(random() * 3)}` };
  });
}

/** The request as the service reads it. */
const normal = ({ mode, request }: Call): Record<string, unknown> => {
  const definition = (
    library['library.v1.Library'] as Record<string, { requestSerialize(r: object): Buffer; requestDeserialize(b: Buffer): object }>
  )[mode];
  return definition?.requestDeserialize(definition.requestSerialize(request)) as Record<string, unknown>;
};
const responseOf = (mode: Mode, verdict: object): object => {
  const definition = (
    library['library.v1.Library'] as Record<string, { responseSerialize(r: object): Buffer; responseDeserialize(b: Buffer): object }>
  )[mode];
  return definition?.responseDeserialize(definition.responseSerialize(verdict)) as object;
};

describe.each(clientDoors)('at door %s', (door) => {
  test('every call is told what the service thinks of its own request', async () => {
    await using all = await open(door, policyOf(MODES));
    const store = new AsyncLocalStorage<number>();
    const calls = workload(20_262);
    const random = seededRandom(7);
    for (let from = 0; from < calls.length; ) {
      const burst = calls.slice(from, from + 1 + Math.floor(random() * 60));
      from += burst.length;
      const outcomes = await Promise.all(
        burst.map((call, i) =>
          store.run(i, async () => {
            const outcome = await all.client.call(call.mode, call.request, { metadata: metadataOf({ authorization: call.tenant }) });
            return { outcome, context: store.getStore() };
          }),
        ),
      );
      for (const [i, { outcome, context }] of outcomes.entries()) {
        const call = burst[i] as Call;
        const verdict = verdicts[call.mode](normal(call));
        expect(context).toBe(i);
        if ('code' in verdict) expect([call, outcome.code]).toEqual([call, verdict.code]);
        else expect([call, outcome.code, outcome.response]).toEqual([call, 0, responseOf(call.mode, verdict)]);
      }
    }
    const { batches, items, plain } = all.mesh.stats().native;
    expect(items + Object.values(plain).reduce((sum, one) => sum + one, 0) - plain.fallback).toBeGreaterThanOrEqual(CALLS);
    expect(items / batches).toBeGreaterThan(1.5);
    expect(plain.field).toBeGreaterThan(0);
    // No request of a method with side effects ran twice.
    const rows = all.server.log.filter((line) => /CreateRow/.test(line)).flatMap((line) => line.replace(/^\S+ /, '').split(','));
    const own = rows.filter((row) => row.startsWith('own '));
    expect(own.length).toBe(new Set(own).size);
    for (const metadata of all.server.metadata) expect(metadata.get('authorization')).toHaveLength(1);
    expect(all.mesh.stats().client.active).toBe(0);
  });
});

test('batches of a method travel in an envelope like any other call, where both sides coalesce', async () => {
  const serverMesh = createMesh();
  await using server = await new LibraryServer(new MeshServer({ mesh: serverMesh })).listen();
  const mesh = createMesh({ ...policyOf(['GetBook']), coalesce: { mode: 'auto', carrier: 'envelope' } }, { descriptors: library });
  using client = new LibraryClient(server.port, mesh);
  await client.call('Count', { id: 1 });
  const parents = ['p', 'q', 'r'];
  const outcomes = await Promise.all(
    parents.map((parent) =>
      client.burst('GetBook', [
        { name: 'a', parent },
        { name: 'b', parent },
      ]),
    ),
  );
  expect(outcomes.flat().map(({ response }) => response?.['name'])).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
  expect(mesh.stats().native).toMatchObject({ batches: 3, items: 6 });
  expect(mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 3 });
});
