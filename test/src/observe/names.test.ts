import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as names from '../../../src/observe/names.ts';

const folder = new URL('../../../docs/', import.meta.url);
const page = ['telemetry.md', 'traces.md', 'metrics.md']
  .map((name) => new URL(name, folder))
  .map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''))
  .join('\n');
const ours = Object.values<unknown>({ ...names }).filter((name): name is string => typeof name === 'string' && name.startsWith('inmesh.'));

describe('names of ours', () => {
  test.each(ours)('the docs of telemetry have %s', (name) => {
    expect(page).toContain(`\`${name}\``);
  });

  test('batches: they have no metric that is not there', () => {
    const said = [...page.matchAll(/`(inmesh\.(?:client|server)\.batch\.[\w.]+)`/g)].map(([, name]) => name);
    expect([...new Set(said)].sort()).toEqual(ours.filter((name) => /^inmesh\.(client|server)\.batch\./.test(name)).sort());
  });
});
