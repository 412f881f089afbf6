import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { createMesh, loadMesh } from '../../src/mesh.ts';
import { BAD_DOCUMENTS } from '../src/policy/bad-documents.ts';

const folder = mkdtempSync(join(tmpdir(), 'inmesh-reload-bad-'));
afterAll(() => rmSync(folder, { recursive: true }));

const GOOD = 'defaults: { timeout: 7s }';

describe('every bad document, as a reload', () => {
  const objects = BAD_DOCUMENTS.flatMap(({ name, document, message }) => ('object' in document ? [{ name, ...document, message }] : []));
  const contents = BAD_DOCUMENTS.flatMap(({ name, document }) => ('object' in document ? [] : [{ name, ...document }]));

  test('there are more than 200', () => {
    expect(objects.length + contents.length).toBeGreaterThanOrEqual(200);
    expect(contents.length).toBeGreaterThan(10);
  });

  test('F2 F1 by hand: each is refused with its words, and nothing changes', async () => {
    const mesh = createMesh({ defaults: { timeout: '7s' } });
    const { policy } = mesh;
    const before = mesh.stats().policy;
    for (const [index, { name, object, message }] of objects.entries()) {
      expect(() => mesh.reload(object as never), name).toThrow(ConfigError);
      expect(() => mesh.reload(object as never), name).toThrow(message);
      expect(mesh.policy).toBe(policy);
      expect(mesh.stats().policy).toEqual({ ...before, rejected: 2 * (index + 1) });
    }
    await mesh.close();
  });

  test('F2 F1 in a watched file: each is told of, the last good one stays, and it recovers', { timeout: 120_000 }, async () => {
    const file = join(folder, 'policy');
    writeFileSync(file, GOOD);
    const mesh = await loadMesh(file, { watch: { debounceMs: 1 }, warn: () => {} });
    const { policy } = mesh;
    for (const [index, { name, content }] of contents.entries()) {
      writeFileSync(file, content);
      await expect.poll(() => mesh.stats().policy.rejected, { timeout: 10_000, interval: 2, message: name }).toBe(index + 1);
      expect(mesh.policy).toBe(policy);
      writeFileSync(file, GOOD); // two files that can't be read for the same reason are one fault
      await expect.poll(() => mesh.stats().policy.problem, { timeout: 10_000, interval: 2, message: name }).toBeUndefined();
    }
    writeFileSync(file, 'defaults: { timeout: 8s }');
    await expect.poll(() => mesh.policy.defaults?.timeout, { timeout: 10_000 }).toBe('8s');
    expect(mesh.stats().policy.problem).toBeUndefined();
    await mesh.close();
  });
});
