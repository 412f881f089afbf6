import { describe, expect, test } from 'vitest';
import { gate } from '../../bench/baseline.ts';
import { judge } from '../../bench/budgets.ts';
import { judgeRows, renderVerdicts, summarise, table } from '../../bench/report.ts';
import type { Cell } from '../../bench/rounds.ts';
import { quantile, ratios, spread } from '../../bench/stats.ts';

const of = (median: number, min = median, max = median) => ({ median, min, max });

function cell(part: Partial<Cell> & Pick<Cell, 'variant' | 'round'>): Cell {
  return {
    pass: 0,
    callers: 64,
    callsPerSecond: 1000,
    p50Ms: 1,
    p99Ms: 2,
    clientCpuUs: 100,
    serverCpuUs: 50,
    perCarrier: undefined,
    ...part,
  };
}

describe('stats', () => {
  test('the median of an even number of values is the mean of the middle two', () => {
    expect(spread([4, 1, 3, 2])).toEqual(of(2.5, 1, 4));
    expect(spread([5, 1, 3])).toEqual(of(3, 1, 5));
  });

  test('nothing has no median', () => {
    expect(spread([]).median).toBeNaN();
    expect(quantile([], 0.5)).toBeNaN();
  });

  test('a quantile is a value that was seen (nearest rank)', () => {
    const values = Float64Array.from({ length: 100 }, (_, i) => i + 1);
    expect(quantile(values, 0.5)).toBe(50);
    expect(quantile(values, 0.99)).toBe(99);
    expect(quantile([7], 0.99)).toBe(7);
  });

  test('ratios compare values of the same round and leave out rounds that lack one', () => {
    expect(ratios([2, undefined, 6, 8], [1, 1, undefined, 4])).toEqual([2, 2]);
  });
});

describe('judging a ratio', () => {
  const rate = { metric: 'rate', target: 0.97 } as const;
  const p50 = { metric: 'p50', target: 1.03 } as const;

  test('a rate at its target holds, and a latency at its target holds', () => {
    expect(judge(rate, of(0.97), of(1))).toBe('holds');
    expect(judge(p50, of(1.03), of(1))).toBe('holds');
  });

  test('a median past the target but inside the interval of bare against itself counts as noise', () => {
    expect(judge(rate, of(0.94), of(1, 0.93, 1.05))).toBe('noise');
    expect(judge(p50, of(1.08), of(1, 0.93, 1.09))).toBe('noise');
  });

  test('a median past both is missed', () => {
    expect(judge(rate, of(0.9), of(1, 0.93, 1.05))).toBe('missed');
    expect(judge(p50, of(1.2), of(1, 0.93, 1.09))).toBe('missed');
  });

  test('noise so wide that it would excuse anything excuses nothing', () => {
    expect(judge(rate, of(0.5), of(1, 0.4, 1.3))).toBe('unclear');
  });

  test('noise above a target does not excuse a rate above the interval but below the target', () => {
    expect(judge({ metric: 'rate', target: 4.5 }, of(3), of(1, 0.9, 1.1))).toBe('missed');
  });
});

describe('summary of rounds', () => {
  const cells = [0, 1, 2].flatMap((round) => [
    cell({ variant: 'bare', round, callsPerSecond: 1000 * (round + 1) }),
    cell({ variant: 'bare-again', round, callsPerSecond: 1000 * (round + 1) * (0.9 + round / 10) }),
    cell({ variant: 'default-channel', round, callsPerSecond: 500 * (round + 1) }),
  ]);
  const rows = summarise({ cells, rounds: 3, faults: [] }, [64]);

  test('a ratio is taken within a round, whatever the rounds themselves do', () => {
    const [bare, again, mesh] = rows.map((row) => row.rate);
    expect(bare).toEqual(of(1));
    expect(again?.min).toBeCloseTo(0.9);
    expect(again?.max).toBeCloseTo(1.1);
    expect(mesh).toEqual(of(0.5));
  });

  test('of several passes over all variants a round counts the median, each against bare of the same pass', () => {
    const passes = [0.5, 0.9, 0.8].flatMap((ratio, pass) => [
      cell({ variant: 'bare', round: 0, pass, callsPerSecond: 1000 * (pass + 1) }),
      cell({ variant: 'default-channel', round: 0, pass, callsPerSecond: 1000 * (pass + 1) * ratio }),
    ]);
    expect(summarise({ cells: passes, rounds: 1, faults: [] }, [64]).map(({ rate }) => rate)).toEqual([of(1), of(0.8)]);
  });

  test('budgets are judged for the variants that ran, with the noise of the same rounds', () => {
    const judged = judgeRows(rows);
    expect(judged.map(({ variant, verdict }) => [variant, verdict])).toEqual([['default-channel', 'missed']]);
    expect(renderVerdicts(judged, 9)).toContain('MISSED');
  });

  test('too few rounds are shown, not judged', () => {
    expect(renderVerdicts(judgeRows(rows), 3)).toContain('not judged below 9 rounds');
  });

  test('a table has columns of one width', () => {
    const lines = table(['a', 'long head'], [['wide cell', '1']]).split('\n');
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });
});

describe('gate', () => {
  const baseline = { rate: { 'coalesce-channel@256': 6 }, layerUs: { 'default-channel': 6.5 } };

  test('passes above 65 % of the committed median and fails below it', () => {
    expect(gate(baseline, { rate: { 'coalesce-channel@256': 3.91 } })).toEqual([]);
    expect(gate(baseline, { rate: { 'coalesce-channel@256': 3.89 } })).toHaveLength(1);
  });

  test('holds a layer below its committed cost / 65 % and a slack for noise', () => {
    expect(gate(baseline, { layerUs: { 'default-channel': 12.9 } })).toEqual([]);
    expect(gate(baseline, { layerUs: { 'default-channel': 13.1 } })).toHaveLength(1);
  });

  test('compares no name that is missing from the committed file', () => {
    expect(gate(baseline, { rate: { 'bare-again@1': 0.01, 'coalesce-channel@256': 6 } })).toEqual([]);
  });

  test('fails where there is nothing to compare', () => {
    expect(gate({ rate: {}, layerUs: {} }, { rate: { 'bare-again@1': 1 } })).toEqual([expect.stringContaining('--write-baseline')]);
  });
});
