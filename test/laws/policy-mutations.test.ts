/**
 * A valid document with one change is either taken, and then all of it is in force, or refused with the place. F1, F2, F3 (M13).
 * `FUZZ=50 vitest run test/laws/policy-mutations.test.ts` does fifty times as much, with seeds of its own.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { loadSync } from '@grpc/proto-loader';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { codeName } from '../../src/call.ts';
import { ConfigError } from '../../src/errors.ts';
import { createMesh } from '../../src/mesh.ts';
import { explain } from '../../src/policy/explain.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { toCode } from '../../src/policy/names.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { keysOf } from '../../src/policy/places.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { parsePolicyText } from '../../src/policy/policy-text.ts';
import { PolicyTable } from '../../src/policy/resolve.ts';
import { allFields, fieldAt, fieldsOf } from '../src/policy/schema-fields.ts';
import { at, type Keys, type Mutation, mutate, mutation, sitesOf } from './mutations.ts';
import { policy } from './policy-documents.ts';
import { WHOLE_DOCUMENTS } from './whole-documents.ts';

const TIMES = Number(process.env['FUZZ'] ?? 1);
const runs = (count: number): fc.Parameters<unknown> => ({ numRuns: count * TIMES, ...(TIMES === 1 ? { seed: 20_261_123 } : {}) });

/** The smallest first, for a failure shrinks towards it. */
const corpus = [...WHOLE_DOCUMENTS, ...fc.sample(policy, { numRuns: 60, seed: 7 })]
  .map((document) => ({ document, sites: sitesOf(document) }))
  .filter(({ sites }) => sites.length > 0)
  .sort((a, b) => a.sites.length - b.sites.length);

function mutated({ document, ...rest }: Mutation): ReturnType<typeof mutate> {
  const chosen = corpus[document % corpus.length] ?? expect.fail('no documents');
  return mutate(chosen.document, chosen.sites, { document, ...rest });
}

/** What comes of a document. */
function outcome(make: () => Policy): { readonly policy: Policy } | { readonly refused: ConfigError } {
  try {
    return { policy: make() };
  } catch (error) {
    if (error instanceof ConfigError) return { refused: error };
    throw error;
  }
}

const CODES = new Set(['retryableStatusCodes', 'nonFatalStatusCodes', 'onStatus', 'abort']);
const SHORT: Readonly<Record<string, string>> = {
  'Policy.coalesce': 'mode',
  'Policy.balance': 'policy',
  'MethodPolicy.limit': 'algorithm',
  'ServerPolicy.limit': 'algorithm',
};

/** A document as it is kept: without undefined, shorthands written out, codes by name. Written apart from the checker. */
function kept(value: unknown, keys: Keys = []): unknown {
  const field = keys.findLast((key) => typeof key === 'string') ?? '';
  const short = SHORT[fieldAt(keys)];
  if (typeof value === 'string' && short !== undefined && typeof keys.at(-1) === 'string') return { [short]: value };
  if (CODES.has(String(field)) && (typeof value === 'string' || typeof value === 'number')) return codeName(toCode(value) ?? 0);
  if (Array.isArray(value)) return value.map((item, index) => kept(item, [...keys, index]));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, kept(inner, [...keys, key])]),
  );
}

/** Sections whose parts refer to each other. */
const RELATED = [
  ['defaults', 'services', 'methods'],
  ['clusters', 'routes', 'mirrors'],
];

function related(a: Keys, b: Keys): boolean {
  const prefix = a.every((key, index) => index >= b.length || String(key) === String(b[index]));
  return prefix || a[0] === b[0] || RELATED.some((names) => names.includes(String(a[0])) && names.includes(String(b[0])));
}

/** What tells of a value of one method, in explain's own words; undefined: it is merged with or bounded by others. */
function told(policyInForce: Policy, [section, name, ...field]: Keys): unknown {
  const last = String(field.at(-1));
  if (section !== 'methods' || typeof name !== 'string' || field.length === 0) return undefined;
  if (field.some((key) => typeof key === 'number') || ['maxAttempts', 'partitions'].includes(last) || field.includes('partitions'))
    return undefined;
  const rows = explain(new PolicyTable(policyInForce), name).values;
  return rows.find((row) => row.field === field.join('.'));
}

/** The machine may have others to serve. */
const TIMEOUT = { timeout: 60_000 * TIMES };

describe('a policy with one change', TIMEOUT, () => {
  test('begins as documents that set every field', () => {
    const set = new Set(WHOLE_DOCUMENTS.flatMap((document) => fieldsOf(document).map(({ keys }) => fieldAt(keys))));
    expect(allFields().filter((field) => !set.has(field))).toEqual([]);
    for (const { document } of corpus) expect(kept(parsePolicy(document))).toEqual(kept(document));
  });

  test('F2 F3 is kept whole, with no key that the policy does not have, or refused where it was changed', () => {
    const count = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(mutation, (change) => {
        const { input, keys, what } = mutated(change);
        const result = outcome(() => parsePolicy(input));
        if ('refused' in result) {
          count.refused++;
          const { path, message } = result.refused;
          const named = /^policy\b/.test(path) && message.length > path.length + 10 && related(keysOf(path), keys);
          if (!named) expect.fail(`${what()} at ${keys.join('.')}, told at ${message}`);
          return;
        }
        count.taken++;
        const whole = kept(input);
        if (!isDeepStrictEqual(result.policy, whole)) expect(result.policy, what()).toEqual(whole);
        const unknown = fieldsOf(input).filter(({ known }) => !known);
        if (unknown.length > 0) expect(unknown, what()).toEqual([]);
        const row = told(result.policy, keys);
        const value = at(whole, keys);
        if (row === undefined || value === undefined || typeof value === 'object') return;
        // Explain writes times in its own way.
        const text = typeof value === 'string' && /^[\d.]+s$/.test(value) ? expect.any(String) : value;
        expect(row, what()).toMatchObject({ origin: 'methods', value: text });
      }),
      runs(10_000),
    );
    expect(count.taken).toBeGreaterThan(500);
    expect(count.refused).toBeGreaterThan(5_000);
  });

  test('F1 makes a mesh, or none and a ConfigError', () => {
    const descriptors = loadSync(fileURLToPath(new URL('../cli/files/protos/shop.proto', import.meta.url)), { keepCase: true });
    fc.assert(
      fc.property(mutation, (change) => {
        const { input, what } = mutated(change);
        const result = outcome(() => {
          // The file of a policy of its own is another matter.
          const { server: { authorization: _, ...server } = {}, ...rest } = parsePolicy(input);
          const mesh = createMesh({ ...rest, server }, { descriptors, warn: () => undefined });
          for (const name of ['a.B/C', ...Object.keys(rest.methods ?? {})]) mesh.explain(name);
          void mesh.close(0);
          return mesh.policy;
        });
        if ('refused' in result) expect(result.refused.path, what()).toMatch(/^policy\b/);
      }),
      runs(200),
    );
  });

  test('F2 says the same as an object, as JSON and as YAML', () => {
    fc.assert(
      fc.property(mutation, (change) => {
        const { input, what } = mutated(change);
        fc.pre(isJson(input));
        const said = (make: () => Policy): unknown => {
          const result = outcome(make);
          return 'policy' in result ? result.policy : result.refused.message.replaceAll(/^p:\d+:\d+ /gm, '');
        };
        const first = said(() => parsePolicy(input));
        expect(
          said(() => parsePolicyText(JSON.stringify(input), 'p')),
          what(),
        ).toEqual(first);
        expect(
          said(() => parsePolicyText(stringify(input, { aliasDuplicateObjects: false }), 'p')),
          what(),
        ).toEqual(first);
      }),
      runs(100),
    );
  });
});

/** JSON has the same to say. */
function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== 'object' || value === null) return ['string', 'boolean', 'object'].includes(typeof value);
  if (Array.isArray(value)) return value.every(isJson);
  return Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every(isJson);
}

describe('a file of any bytes', TIMEOUT, () => {
  const folder = mkdtempSync(join(tmpdir(), 'inmesh-fuzz-'));
  const file = join(folder, 'policy');
  afterAll(() => rmSync(folder, { recursive: true }));

  test('F2 is a policy or a ConfigError that names the file', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200, size: 'max' }), async (bytes) => {
        writeFileSync(file, bytes);
        const error: unknown = await loadPolicy(file).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined) expect(error).toMatchObject({ code: 'INMESH_CONFIG', path: expect.stringMatching(`^${file}`) });
      }),
      runs(200),
    );
  });

  const texts = WHOLE_DOCUMENTS.flatMap((document) => [stringify(document), JSON.stringify(document)]);
  /** Cuts, bytes that are others, pieces that stand twice. */
  const damage = fc.record({
    text: fc.nat(),
    from: fc.nat(),
    length: fc.nat({ max: 20 }),
    with: fc.constantFrom('', '\t', '\u0000', ':', '{', ']', '&a ', '*a', '---\n', '"', '\ufeff', '#', '\\', '0', 'TWICE', 'CUT'),
  });

  test('F2 F8 is a policy or a ConfigError, cut anywhere and with anything put in', () => {
    fc.assert(
      fc.property(damage, ({ text, from, length, with: put }) => {
        const whole = texts[text % texts.length] ?? '';
        const start = from % whole.length;
        const piece = whole.slice(start, start + length);
        const damaged =
          put === 'CUT'
            ? whole.slice(0, start)
            : whole.slice(0, start) + (put === 'TWICE' ? piece + piece : put) + whole.slice(start + length);
        const result = outcome(() => parsePolicyText(damaged, 'p'));
        if ('refused' in result) expect(result.refused.path).toMatch(/^p:\d+:\d+( policy|$)/);
        else expect(parsePolicy(result.policy)).toEqual(result.policy);
      }),
      runs(300),
    );
  });
});
