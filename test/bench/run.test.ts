import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Row } from '../../bench/report.ts';

const RUN = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));

let folder: string;
let bench: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'inmesh-bench-'));
});
afterEach(() => {
  bench?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function run(...flags: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [RUN, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  bench = child;
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

/** Processes that `pid` has started and that are still there (Linux). */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function alive(pid: number): boolean {
  try {
    // A process that has ended but is not yet reaped by its new parent does no harm.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

describe('npm run bench', () => {
  test('measures bare twice and writes every figure as JSON', async () => {
    const json = join(folder, 'out.json');
    const { code, out } = await run(
      '--quick',
      '--rounds',
      '1',
      '--slice-ms',
      '50',
      '--callers',
      '1,8',
      '--variants',
      'bare',
      '--json',
      json,
    );
    expect(out).not.toContain('FAULT');
    expect(code).toBe(0);
    expect(out).toContain('bare-again');
    const { rows } = JSON.parse(readFileSync(json, 'utf8')) as { rows: Row[] };
    expect(rows.map(({ variant, callers }) => `${variant}@${callers}`)).toEqual(['bare@1', 'bare-again@1', 'bare@8', 'bare-again@8']);
    for (const row of rows) {
      expect(row.callsPerSecond).toBeGreaterThan(0);
      expect(row.p99Ms).toBeGreaterThanOrEqual(row.p50Ms);
      expect(row.clientCpuUs).toBeGreaterThan(0);
      expect(row.serverCpuUs).toBeGreaterThan(0);
    }
  });

  test('says what is wrong with a flag and exits with 2', async () => {
    const { code, err } = await run('--rounds', 'many');
    expect(code).toBe(2);
    expect(err).toContain('--rounds: expected a whole number');
    expect(err).not.toContain('    at ');
  });

  test.runIf(process.platform === 'linux').each(['SIGINT', 'SIGKILL'] as const)('leaves no process behind after %s', async (signal) => {
    const child = spawn(process.execPath, [RUN, '--quick', '--variants', 'bare'], { stdio: 'ignore' });
    bench = child;
    const pid = child.pid ?? 0;
    // Clients start when their servers listen: two of each.
    await expect.poll(() => childrenOf(pid).length, { timeout: 8000 }).toBe(4);
    const started = childrenOf(pid);
    child.kill(signal);
    await once(child, 'exit');
    await expect.poll(() => started.filter(alive), { timeout: 8000 }).toEqual([]);
  });
});
