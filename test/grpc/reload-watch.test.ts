import { mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadMesh, type Mesh } from '../../src/mesh.ts';
import { EchoClient, serve } from '../support/loopback.ts';

const WATCH = { debounceMs: 20, pollMs: 60_000 };
const ratio = (value: number): string => `retryBudget:\n  ratio: ${value}\n`;
const inForce = (mesh: Mesh): unknown => mesh.policy.retryBudget?.ratio;
const soon = { timeout: 10_000 };

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'inmesh-watch-'));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

async function watched(file: string, lines: string[] = []): Promise<Mesh> {
  const mesh = await loadMesh(file, { watch: WATCH, warn: (line) => lines.push(line) });
  onTestFinished(() => mesh.close());
  return mesh;
}

describe('loadMesh(file, { watch })', () => {
  test('F1 a bad file at the start: no mesh', async () => {
    const file = join(await folder(), 'inmesh.yaml');
    await expect(loadMesh(file, { watch: true })).rejects.toThrow('no such file');
    await writeFile(file, 'defaults: { timeout: 5 }');
    await expect(loadMesh(file, { watch: true })).rejects.toThrow(/inmesh\.yaml:1:13 policy\.defaults\.timeout: expected a duration/);
    await expect(loadMesh(file, { watch: { debounce: 5 } as object })).rejects.toThrow(
      'options.watch.debounce: unknown option; did you mean debounceMs?',
    );
    await expect(loadMesh(file, { watch: 'yes' as never })).rejects.toThrow('options.watch: expected true, false or options, got "yes"');
  });

  test('F1 what the file says is in force soon, for calls of clients that are there; a bad one is told, and the last good stays', async () => {
    const file = join(await folder(), 'inmesh.yaml');
    await writeFile(file, 'defaults: { timeout: 30s }');
    const lines: string[] = [];
    const mesh = await watched(file, lines);
    await using running = await serve({ handlers: { say: () => {} } });
    using client = new EchoClient({ address: running.address, mesh });
    await writeFile(file, 'defaults: { timeout: 0.05s }');
    await expect.poll(() => mesh.policy.defaults?.timeout, soon).toBe('0.05s');
    expect((await client.say('late')).code).toBe('DEADLINE_EXCEEDED');
    await writeFile(file, 'defaults: { timeout: 5 }');
    await expect.poll(() => mesh.stats().policy.rejected, soon).toBe(1);
    expect((await client.say('late')).code).toBe('DEADLINE_EXCEEDED');
    expect(mesh.overview().policy).toMatchObject({
      file,
      reloads: 1,
      problem: expect.stringContaining(`${file}:1:13 policy.defaults.timeout`),
    });
    expect(lines).toEqual([expect.stringContaining('the policy before is')]);
    await writeFile(file, 'methods: { a.B/C: { cache: { ttl: 1s } } }'); // a document, but not for this program
    await expect.poll(() => mesh.stats().policy.rejected, soon).toBe(2);
    expect(mesh.stats().policy.problem).toContain(`${file}:1:21 policy.methods["a.B/C"].cache: nothing says`);
    await writeFile(file, 'defaults: { timeout: 0.1s }');
    await expect.poll(() => mesh.policy.defaults?.timeout, soon).toBe('0.1s');
    expect(mesh.stats().policy.problem).toBeUndefined();
    expect(mesh.observer.events.last(10).map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['policy.reloaded', 'policy.rejected', 'policy.recovered']),
    );
    expect(mesh.stats().policy.reloads).toBe(2);
  });

  test('F8 the way of Kubernetes: links through ..data, which is replaced as a whole', async () => {
    const mount = await folder();
    const version = async (name: string, value: number): Promise<void> => {
      await mkdir(join(mount, name));
      await writeFile(join(mount, name, 'inmesh.yaml'), ratio(value));
      await symlink(name, join(mount, '..data_tmp'));
      await rename(join(mount, '..data_tmp'), join(mount, '..data'));
    };
    await version('..1', 0.1);
    await symlink('..data/inmesh.yaml', join(mount, 'inmesh.yaml'));
    const mesh = await watched(join(mount, 'inmesh.yaml'));
    await version('..2', 0.2);
    await rm(join(mount, '..1'), { recursive: true });
    await expect.poll(() => inForce(mesh), soon).toBe(0.2);
    await version('..3', 0.3);
    await expect.poll(() => inForce(mesh), soon).toBe(0.3);
    expect(mesh.stats().policy).toMatchObject({ reloads: 2, rejected: 0 });
  });

  test('F8 a link to a file elsewhere: that is watched where it is', async () => {
    const [here, there] = [await folder(), await folder()];
    await writeFile(join(there, 'real.yaml'), ratio(0.1));
    await symlink(join(there, 'real.yaml'), join(here, 'inmesh.yaml'));
    const mesh = await watched(join(here, 'inmesh.yaml'));
    await writeFile(join(there, 'real.yaml'), ratio(0.2));
    await expect.poll(() => inForce(mesh), soon).toBe(0.2);
  });

  test('F8 half-written, emptied, vanished and back: the last good stays until there is another', async () => {
    const file = join(await folder(), 'inmesh.yaml');
    await writeFile(file, ratio(0.1));
    const mesh = await watched(file);
    await truncate(file, 0);
    await writeFile(file, ratio(0.2));
    await expect.poll(() => inForce(mesh), soon).toBe(0.2);
    await unlink(file);
    await expect.poll(() => mesh.stats().policy.problem, soon).toContain('no such file');
    expect(inForce(mesh)).toBe(0.2);
    await writeFile(file, ratio(0.3));
    await expect.poll(() => inForce(mesh), soon).toBe(0.3);
    expect(mesh.stats().policy.problem).toBeUndefined();
  });

  test('F6 F8 a storm of changes ends with the last one in force, after few reloads, and leaves nothing behind', async () => {
    const file = join(await folder(), 'inmesh.yaml');
    await writeFile(file, ratio(0.1));
    const mesh = await loadMesh(file, { watch: WATCH });
    for (let i = 1; i <= 200; i++) {
      await writeFile(`${file}.new`, ratio(i / 200));
      await rename(`${file}.new`, file);
    }
    await expect.poll(() => inForce(mesh), soon).toBe(1);
    expect(mesh.stats().policy.reloads).toBeLessThan(100);
    await mesh.close();
    expect(process.getActiveResourcesInfo()).not.toContain('FSEventWrap');
  });
});
