import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as names from '../../../src/observe/names.ts';

const page = readFileSync(new URL('../../../docs/telemetry.md', import.meta.url), 'utf8');
const ours = Object.values<unknown>({ ...names }).filter((name): name is string => typeof name === 'string' && name.startsWith('inmesh.'));

describe('names of ours', () => {
  test.each(ours)('docs/telemetry.md has %s', (name) => {
    expect(page).toContain(`\`${name}\``);
  });

  test('batches: docs/telemetry.md has no metric that is not there', () => {
    const said = [...page.matchAll(/`(inmesh\.(?:client|server)\.batch\.[\w.]+)`/g)].map(([, name]) => name);
    expect([...new Set(said)].sort()).toEqual(ours.filter((name) => /^inmesh\.(client|server)\.batch\./.test(name)).sort());
  });
});
