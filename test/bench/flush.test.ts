/**
 * The flush simulator, its oracle, and what the short run must show. Deterministic: virtual time, seeded.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { SimLoop } from '../../bench/flush/loop.ts';
import { oracleCost } from '../../bench/flush/oracle.ts';
import { ENTRIES } from '../../bench/flush/policies.ts';
import { realRun } from '../../bench/flush/real.ts';
import { type CarrierName, compare, type Row, type Score, score, type Table } from '../../bench/flush/score.ts';
import { workloads } from '../../bench/flush/workloads.ts';
import { FLUSH_RULES } from '../../src/batch/options.ts';
import { seededRandom } from '../../src/random.ts';

describe('the virtual event loop', () => {
  test('what falls due while it works waits, and the end of a turn comes after all that was due at its beginning', () => {
    const loop = new SimLoop();
    const seen: string[] = [];
    loop.at(1, () => {
      seen.push(`a ${loop.nowMs()}`);
      loop.endOfTurn(() => seen.push(`end ${loop.nowMs()}`));
      loop.spend(2);
    });
    loop.at(1, () => seen.push(`b ${loop.nowMs()}`));
    loop.at(2, () => seen.push(`c ${loop.nowMs()}`));
    loop.run();
    expect(seen).toEqual(['a 1', 'b 3', 'end 3', 'c 3']);
    expect([loop.busyMs, loop.pending]).toEqual([2, 0]);
  });

  test('timers are as coarse as those of Node, and can be cancelled', () => {
    const loop = new SimLoop();
    const seen: number[] = [];
    for (const delayMs of [0.2, 1.9, 3]) loop.setTimer(() => seen.push(loop.nowMs()), delayMs);
    loop.setTimer(() => seen.push(-1), 2)();
    loop.run();
    expect(seen).toEqual([1.1, 1.1, 3.1]);
  });
});

describe('the oracle', () => {
  /** The least cost over every way to cut the arrivals into runs. */
  function bruteForce(arrivals: readonly number[], batchMs: number, waitWeight: number, maxItems: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (let cuts = 0; cuts < 1 << (arrivals.length - 1); cuts++) {
      let cost = 0;
      let from = 0;
      for (let i = 0; i < arrivals.length; i++) {
        if (i < arrivals.length - 1 && (cuts & (1 << i)) === 0) continue;
        if (i - from >= maxItems) cost = Number.POSITIVE_INFINITY;
        cost += batchMs;
        for (let j = from; j <= i; j++) cost += waitWeight * ((arrivals[i] ?? 0) - (arrivals[j] ?? 0));
        from = i + 1;
      }
      least = Math.min(least, cost);
    }
    return least;
  }

  test('costs what the best of all ways costs', () => {
    const random = seededRandom(3);
    for (let round = 0; round < 60; round++) {
      let atMs = 0;
      const arrivals = Array.from({ length: 10 }, () => (atMs += -0.2 * Math.log(1 - random())));
      for (const [batchMs, waitWeight, maxItems] of [
        [0.245, 1, 128],
        [0.245, 0.1, 3],
        [2, 0.1, 128],
      ] as const) {
        expect(oracleCost(arrivals, { batchMs, waitWeight }, maxItems)).toBeCloseTo(bruteForce(arrivals, batchMs, waitWeight, maxItems), 9);
      }
    }
  });
});

describe('workloads', () => {
  test('repeat themselves for a seed, ascend, and have about the rate that they say', () => {
    const one = workloads(4000, 5);
    expect(workloads(4000, 5)).toEqual(one);
    expect(one.map(({ name }) => name)).toEqual([...new Set(one.map(({ name }) => name))]);
    for (const { name, load } of one) {
      if ('callers' in load) continue;
      const { arrivals } = load;
      expect(arrivals).toEqual(arrivals.toSorted((a, b) => a - b));
      const said = Number(/-(\d+)$/.exec(name)?.[1] ?? Number.NaN);
      const rate = (1000 * arrivals.length) / (arrivals.at(-1) ?? 1);
      if (!Number.isNaN(said)) expect(rate / said, name).toBeGreaterThan(0.6);
      if (!Number.isNaN(said)) expect(rate / said, name).toBeLessThan(1.7);
    }
  });
});

describe('the short run', () => {
  let tables: Table[];
  const scores: Partial<Record<CarrierName, Score[]>> = {};
  beforeAll(() => {
    tables = compare(1000, 1, ['envelope', 'tunnel']);
    for (const carrier of ['envelope', 'tunnel'] as const) scores[carrier] = score(tables, carrier);
  });
  const row = (workload: string, policy: string, carrier: CarrierName = 'envelope'): Row => {
    const found = tables
      .find((table) => table.workload === workload && table.carrier === carrier)
      ?.rows.find((one) => one.policy === policy);
    if (found === undefined) throw new Error(`no row ${carrier} ${workload} ${policy}`);
    return found;
  };
  const mean = (policy: string, carrier: CarrierName = 'envelope'): number =>
    scores[carrier]?.find((one) => one.policy === policy)?.mean[0] ?? Number.NaN;

  test('has every rule under every workload, and no regret below nothing', () => {
    expect(tables).toHaveLength(32);
    for (const { rows, carrier } of tables) {
      expect(rows.map(({ policy }) => policy)).toEqual(
        ENTRIES.filter(({ plain }) => !plain || carrier === 'envelope').map(({ name }) => name),
      );
      for (const { regret1Us, regret10Us } of rows) {
        expect(regret1Us).toBeGreaterThan(-1e-6);
        expect(regret10Us).toBeGreaterThan(-1e-6);
      }
    }
  });

  test('the default is the cheapest of the rules on envelopes where latency is dear, and within 6 % on tunnels', () => {
    for (const rule of FLUSH_RULES) expect(mean('natural')).toBeLessThanOrEqual(mean(rule) + 0.005);
    expect(mean('natural')).toBeLessThan(1.06);
    expect(Math.min(...FLUSH_RULES.map((rule) => mean(rule, 'tunnel')))).toBeGreaterThan(mean('natural', 'tunnel') - 0.06);
  });

  test('a lone caller waits for nobody, whatever the rule', () => {
    for (const rule of FLUSH_RULES) {
      expect(row('closed-1', rule).p99Ms / row('closed-1', 'plain').p99Ms, rule).toBeLessThan(1.02);
      expect(row('poisson-100', rule).p50Ms / row('poisson-100', 'plain').p50Ms, rule).toBeLessThan(1.02);
    }
  });

  test('a burst made in one turn costs less than a third of plain calls, at a lower latency', () => {
    for (const rule of FLUSH_RULES) expect(row('fanout-1000', rule).cpuUs / row('fanout-1000', 'plain').cpuUs, rule).toBeLessThan(1 / 3);
    expect(row('fanout-1000', 'natural').p99Ms).toBeLessThan(row('fanout-1000', 'plain').p99Ms);
  });

  test('more calls than plain ones can do: the default keeps its latency, and learns to send fewer batches than the end of the turn does', () => {
    expect(row('poisson-15000', 'plain').p99Ms).toBeGreaterThan(10);
    expect(row('poisson-15000', 'natural').p99Ms).toBeLessThan(2.5);
    expect(row('poisson-15000', 'natural').carriers).toBeLessThanOrEqual(row('poisson-15000', 'tick').carriers);
  });

  test('a window costs latency where calls come one by one, and saves CPU', () => {
    expect(row('poisson-1000', 'window').p50Ms).toBeGreaterThan(1.5 * row('poisson-1000', 'natural').p50Ms);
    expect(row('poisson-1000', 'window').cpuUs).toBeLessThan(0.7 * row('poisson-1000', 'natural').cpuUs);
  });
});

describe('the run over a real connection', () => {
  test('answers every call with every rule, and merges', async () => {
    const rows = await realRun({ callers: [16], warmMs: 40, sliceMs: 60 });
    expect(rows.map(({ policy }) => policy)).toEqual(['plain', ...FLUSH_RULES]);
    for (const { policy, perCarrier } of rows) {
      if (policy === 'plain') expect(perCarrier).toBe(1);
      else expect(perCarrier, policy).toBeGreaterThan(1.5);
    }
  });
});

describe('the command', () => {
  const run = (...args: readonly string[]): string =>
    execFileSync(process.execPath, [fileURLToPath(new URL('../../bench/flush/run.ts', import.meta.url)), ...args], { encoding: 'utf8' });

  test('prints tables, or the same as JSON', () => {
    expect(run('--short')).toContain('envelope, azure-code-2000: recorded arrivals');
    const { tables, scores } = JSON.parse(run('--short', '--json')) as { tables: Table[]; scores: Score[][] };
    expect(tables).toHaveLength(32);
    expect(scores.map((one) => one.length)).toEqual([ENTRIES.length, ENTRIES.length - 1]);
  });

  test('says what it takes when it is given something else', () => {
    expect(() => run('--sort')).toThrow(/--short/);
  });
});
