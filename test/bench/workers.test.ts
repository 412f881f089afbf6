import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { calibrate, measure, runThreads } from '../../bench/workers.ts';
import { mainCpuUs } from '../../bench/workers-transport.ts';

describe('bench of worker threads, in short', () => {
  test('two threads do more than one, and the event loop stays free', async () => {
    const lines: string[] = [];
    const gains = await runThreads({ rounds: 3, warmMs: 100, sliceMs: 700 }, (line) => lines.push(line));
    expect(lines.join('\n')).toMatch(/^main +[\d.]+ +[\d.]+ +[\d.]+$/m);
    expect(lines.join('\n')).toMatch(/^2 threads \/ 1: [\d.]+ .*target >= 1\.7$/m);
    expect(lines.join('\n')).not.toContain('FAILED');
    // Wide, and the best of three: other things run on this machine.
    if (availableParallelism() > 1) expect(Math.max(...gains)).toBeGreaterThan(1.1);
  });

  test('the main thread is free while threads work, and is not while it works itself', async () => {
    const cell = { steps: calibrate(5), warmMs: 100, sliceMs: 800 };
    const main = await measure({ ...cell, threads: 0 });
    const threads = await measure({ ...cell, threads: 1 });
    expect(main.failed + threads.failed).toBe(0);
    expect(main.loopMaxMs).toBeGreaterThan(100); // a whole batch in one go
    expect(threads.loopP99Ms).toBeLessThan(main.loopMaxMs / 2);
  });

  test.skipIf(process.threadCpuUsage === undefined)('bytes cost the main thread less than objects', async () => {
    const bytes = await mainCpuUs('bytes', 16_384, 3);
    const cloned = await mainCpuUs('cloned', 16_384, 3);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(cloned);
  });
});
