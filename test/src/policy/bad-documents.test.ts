/**
 * Every bad document is refused where a user meets it, at createMesh or loadMesh, with its place, the rule and the value. F1, F2.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { createMesh, loadMesh } from '../../../src/mesh.ts';
import { parsePolicyText } from '../../../src/policy/policy-text.ts';
import { BAD_DOCUMENTS, type BadDocument, FIELDS } from './bad-documents.ts';
import { allFields, fieldAt } from './schema-fields.ts';

const folder = mkdtempSync(join(tmpdir(), 'inmesh-bad-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What a mesh says of it. */
async function refusal({ document }: BadDocument): Promise<string> {
  const file = join(folder, 'policy');
  try {
    if ('object' in document) createMesh(document.object as never);
    else {
      writeFileSync(file, document.content);
      await loadMesh(file);
    }
    return 'accepted';
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(file, 'FILE');
    throw error;
  }
}

describe('bad documents', () => {
  test.each(BAD_DOCUMENTS)('F2 a mesh refuses $name', async (bad) => {
    const said = await refusal(bad);
    expect(said.slice(0, bad.message.length)).toBe(bad.message);
  });

  test('are more than 200, no two alike', () => {
    const names = BAD_DOCUMENTS.map(({ name }) => name);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
    expect(BAD_DOCUMENTS.length).toBeGreaterThanOrEqual(200);
  });

  test('break every field of the policy in two ways at least', () => {
    const count = new Map<string, number>();
    for (const { keys } of FIELDS) count.set(fieldAt(keys), (count.get(fieldAt(keys)) ?? 0) + 1);
    expect(allFields().filter((field) => (count.get(field) ?? 0) < 2)).toEqual([]);
    expect(allFields().length).toBeGreaterThan(170);
  });

  test('name path, rule and value in each message of a field', () => {
    for (const { message } of FIELDS) expect(message).toMatch(/^policy\S*: (?:expected .+, got \S|unknown key ")/);
  });

  test('are refused alike as JSON text, and told with line and column', () => {
    for (const { document, message } of FIELDS) {
      expect(() => parsePolicyText(JSON.stringify(document, undefined, 1), 'p.json')).toThrow(ConfigError);
      try {
        parsePolicyText(JSON.stringify(document, undefined, 1), 'p.json');
      } catch (error) {
        expect(String(error)).toMatch(/p\.json:\d+:\d+ /);
        expect(String(error).replace(/p\.json:\d+:\d+ /, '')).toBe(`ConfigError: ${message}`);
      }
    }
  });

  test('F2 repeat nothing of a file that is no policy, nor of what metadata is compared with, nor a password in a target', () => {
    const secret = 'hunter2-hunter2';
    const said = (text: string): string => {
      try {
        parsePolicyText(text, 'p');
      } catch (error) {
        return String(error);
      }
      return expect.fail('accepted');
    };
    expect(said(secret)).not.toContain('hunter2');
    expect(said(`-----BEGIN PRIVATE KEY-----\n${secret}\n`)).not.toContain('hunter2');
    expect(said(`data: {password: ${secret}}`)).not.toContain('hunter2');
    expect(said(`routes: [{match: {headers: [{name: authorization, exact: [${secret}]}]}}]`)).not.toContain('hunter2');
    expect(said(`routes: [{match: {headers: [{name: authorization, regex: "(${secret}"}]}}]`)).not.toContain('hunter2');
    expect(said(`clusters: {a: {target: "https://user:${secret}@host"}}`)).not.toContain('hunter2');
  });
});
