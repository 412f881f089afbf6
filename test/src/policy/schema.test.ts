import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { checkPolicy } from '../../../src/policy/parse.ts';
import { BAD, FIELDS } from './bad-documents.ts';

const schema: unknown = JSON.parse(readFileSync(new URL('../../../schema/policy.schema.json', import.meta.url), 'utf8'));
const valid = new Ajv2020({ strictTypes: false, allErrors: false }).compile(schema as object);

/** What JSON Schema has no words for: rules between fields, bounds of durations, keys that are words of others, values that are not JSON. */
const BEYOND: ReadonlySet<string> = new Set([
  'a Map',
  'a class instance',
  '__proto__ as service',
  'B6 two kinds of budget',
  'inherited fields',
  'longer than protobuf allows',
  'no idle timeout at all',
  'too long a ttl',
  'who calls as item metadata',
  'a reserved key as item metadata',
  'waits in the wrong order',
  'waits in the wrong order over two layers',
]);

describe('the JSON Schema of the document', () => {
  const wrong = BAD.filter(([, input]) => isJson(input));

  test('refuses what the checker refuses, but for rules between fields', () => {
    const missed = wrong.filter(([title, input]) => valid(input) && !BEYOND.has(title)).map(([title]) => title);
    expect(missed).toEqual([]);
  });

  test('refuses every bad value of every field, but for bounds of durations and what keys mean', () => {
    const missed = FIELDS.filter(({ document }) => valid(document)).map(({ message }) => message);
    expect(missed.filter((message) => !/expected a duration (?:>|>=|from)|metadata key/.test(message))).toEqual([]);
  });

  test('takes what the checker takes: every field by itself, at both ends of its range', () => {
    const refused: string[] = [];
    let seen = 0;
    for (const { document, at } of singles()) {
      const { problems } = checkPolicy(document);
      if (problems !== undefined) continue;
      seen++;
      if (!valid(document)) refused.push(`${at}: ${JSON.stringify(document)}`);
    }
    expect(refused).toEqual([]);
    expect(seen).toBeGreaterThan(150);
  });
});

function isJson(input: unknown): boolean {
  try {
    return JSON.stringify(JSON.parse(JSON.stringify(input))) === JSON.stringify(input) && typeof input === 'object';
  } catch {
    return false;
  }
}

interface Node {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | false;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly { readonly const: string }[];
  readonly type?: string;
}

/** Documents with one field set, for every field and several values, good and bad. */
function* singles(): Generator<{ readonly document: unknown; readonly at: string }> {
  const root = schema as Node & { readonly $defs: Readonly<Record<string, Node>> };
  const resolve = (node: Node): Node => (node.$ref === undefined ? node : (root.$defs[node.$ref.replace('#/$defs/', '')] ?? node));
  function* walk(node: Node, wrap: (value: unknown) => unknown, at: string, depth: number): Generator<{ document: unknown; at: string }> {
    const { properties, additionalProperties, items, anyOf, oneOf } = resolve(node);
    if (depth > 6) return;
    for (const part of anyOf ?? []) yield* walk(part, wrap, at, depth);
    for (const [key, inner] of Object.entries(properties ?? {}))
      yield* walk(inner, (value) => wrap({ [key]: value }), `${at}.${key}`, depth + 1);
    if (typeof additionalProperties === 'object') {
      for (const key of ['a.B', 'a.B/C', 'name'])
        yield* walk(additionalProperties, (value) => wrap({ [key]: value }), `${at}["${key}"]`, depth + 1);
    }
    if (items !== undefined) yield* walk(items, (value) => wrap([value]), `${at}[0]`, depth + 1);
    const words = (oneOf ?? []).map((word) => word.const);
    const values =
      properties === undefined
        ? [...words, true, 0, 1, 0.5, 2, 16, 100_000, '0s', '0.5s', '100s', 'UNAVAILABLE', 'unavailable', 'a.B', 'a.B/C', 'x-key', 'text']
        : [];
    for (const value of values) yield { document: wrap(value), at };
  }
  yield* walk(root, (value) => value, 'policy', 0);
}
