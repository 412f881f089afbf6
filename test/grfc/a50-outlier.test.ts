/** Outlier detection: the tables of gRFC A50, and where ours differs on purpose. */
import { describe, expect, test } from 'vitest';
import { OutlierDetector } from '../../src/outlier/detector.ts';
import { OutlierHost } from '../../src/outlier/host.ts';
import { type OutlierOptions, type OutlierRules, resolveOutlierOptions } from '../../src/outlier/options.ts';
import { seededRandom } from '../../src/random.ts';

const INTERVAL_MS = 10_000;
const BASE_MS = 30_000;
const STRICT = { minimumGap: 0 };
/** Room for all. */
const ALL = { maxEjectionPercent: 100 };
const SUCCESS: OutlierOptions = { ...STRICT, ...ALL, successRateEjection: {} };
const FAILURE: OutlierOptions = { ...ALL, failurePercentageEjection: {} };

const rulesOf = (options: OutlierOptions): OutlierRules => resolveOutlierOptions(options, 'outlierDetection');

/** Endpoints under detection, and a clock. */
class Stage {
  readonly detector: OutlierDetector;
  readonly hosts: OutlierHost[];
  nowMs = 1_000_000;

  constructor(size: number, options: OutlierOptions, seed = 1) {
    this.hosts = Array.from({ length: size }, () => new OutlierHost());
    this.detector = new OutlierDetector(seededRandom(seed));
    this.detector.configure(rulesOf(options), this.hosts, this.nowMs);
  }
  /** Calls of one host in this interval. */
  calls(index: number, successRate: number, volume = 100): void {
    const successes = Math.round(successRate * volume);
    for (let i = 0; i < volume; i++) this.hosts[index]?.count(i >= successes);
  }
  /** One whole interval in which each host succeeds at its rate. */
  interval(rates: readonly number[], volume = 100): number[] {
    rates.forEach((rate, index) => {
      this.calls(index, rate, volume);
    });
    return this.pass(INTERVAL_MS);
  }
  pass(ms: number): number[] {
    this.nowMs += ms;
    this.detector.tick(new Set(this.hosts), this.nowMs);
    return this.ejected;
  }
  /** 1-based, as the table counts. */
  get ejected(): number[] {
    return this.hosts.flatMap((host, index) => (host.ejectedAtMs === undefined ? [] : [index + 1]));
  }
}

const good = (n: number): number[] => Array<number>(n).fill(1);
const bad = (n: number): number[] => Array<number>(n).fill(0);

describe('success rate of A50, factor 1900', () => {
  test.each<[string, readonly number[], readonly number[], OutlierOptions]>([
    ['O1: two good of three are 1.41 deviations apart: none', [1, 1, 0], [], { successRateEjection: { minimumHosts: 3 } }],
    ['O2: three good of four, 1.73: none', [1, 1, 1, 0.5], [], { successRateEjection: { minimumHosts: 4 } }],
    ['O3: four good of five, 2.0: the fifth', [1, 1, 1, 1, 0.5], [5], {}],
    ['O4: to the letter, 99 % among 100 % is ejected', [1, 1, 1, 1, 0.99], [5], {}],
    ['O5: two bad of ten, 2.0: both', [...good(8), 0, 0], [9, 10], {}],
    ['O6: two bad of nine, 1.87: none', [...good(7), 0, 0], [], {}],
    ['O6: three bad of ten, 1.53: none', [...good(7), 0, 0, 0], [], {}],
    ['O8: mean 0.92, deviation 0.0603, threshold 0.8054: 0.80 is ejected', [0.95, 0.94, 0.96, 0.95, 0.8], [5], {}],
  ])('%s', (_title, rates, ejected, own) => {
    expect(new Stage(rates.length, { ...SUCCESS, ...own }).interval(rates)).toEqual(ejected);
  });

  test('O7: with the gap of our default, 99 % among 100 % stays, and what is below mean - gap goes', () => {
    const ours: OutlierOptions = { ...ALL, successRateEjection: {} };
    expect(new Stage(5, ours).interval([1, 1, 1, 1, 0.99])).toEqual([]);
    expect(new Stage(5, ours).interval([1, 1, 1, 1, 0.94])).toEqual([]);
    expect(new Stage(5, ours).interval([1, 1, 1, 1, 0.93])).toEqual([5]);
    expect(new Stage(5, ours).interval([0.95, 0.94, 0.96, 0.95, 0.8])).toEqual([5]);
  });

  test('O11: with four endpoints of volume nothing is judged, minimum_hosts being five', () => {
    const judged = (volume: number): number[] => {
      const stage = new Stage(5, { ...SUCCESS, successRateEjection: { stdevFactor: 1000 } });
      for (let i = 0; i < 3; i++) stage.calls(i, 1);
      stage.calls(3, 0);
      stage.calls(4, 1, volume);
      return stage.pass(INTERVAL_MS);
    };
    expect(judged(99)).toEqual([]);
    expect(judged(100)).toEqual([4]);
  });

  test('O11: an endpoint with 99 of 100 calls is passed over, the others are judged', () => {
    const stage = new Stage(6, SUCCESS);
    for (let i = 0; i < 4; i++) stage.calls(i, 1);
    stage.calls(4, 0);
    stage.calls(5, 0, 99);
    expect(stage.pass(INTERVAL_MS)).toEqual([5]);
  });
});

describe('failure percentage of A50', () => {
  test.each<[string, number, boolean]>([
    ['O9: 85 of 100 failed at threshold 85: not more than it', 85, false],
    ['O10: 86 of 100 failed', 86, true],
  ])('%s', (_title, failed, ejected) => {
    expect(new Stage(5, FAILURE).interval([...good(4), 1 - failed / 100])).toEqual(ejected ? [5] : []);
  });

  test('O11: an endpoint with 49 of 50 calls is passed over', () => {
    const stage = new Stage(6, FAILURE);
    for (let i = 0; i < 4; i++) stage.calls(i, 1, 50);
    stage.calls(4, 0, 50);
    stage.calls(5, 0, 49);
    expect(stage.pass(INTERVAL_MS)).toEqual([5]);
  });
});

describe('how many A50 ejects', () => {
  test.each<[string, number, number, number, number]>([
    ['O12: of three with 10 percent one goes: 0 % is below 10 %, 33 % is not', 3, 2, 10, 1],
    ['O13: with 0 percent nobody goes', 10, 2, 0, 0],
    ['O14: of ten with 50 percent and eight bad, five', 10, 8, 50, 5],
  ])('%s', (_title, size, failing, maxEjectionPercent, ejected) => {
    const stage = new Stage(size, { ...FAILURE, maxEjectionPercent, failurePercentageEjection: { minimumHosts: size } });
    expect(stage.interval([...good(size - failing), ...bad(failing)])).toHaveLength(ejected);
  });

  test.each([
    [0, 0, 0],
    [50, 500 - 3 * Math.sqrt(250), 500 + 3 * Math.sqrt(250)],
    [100, 1_000, 1_000],
  ])('O15: enforced to %i percent; who was let go is counted', (enforcementPercentage, least, most) => {
    const stage = new Stage(1_000, { ...FAILURE, failurePercentageEjection: { enforcementPercentage } }, 7);
    const ejected = stage.interval(bad(1_000), 50).length;
    expect(ejected).toBeGreaterThanOrEqual(least);
    expect(ejected).toBeLessThanOrEqual(most);
    expect(stage.detector.ejections).toBe(ejected);
    expect(stage.detector.unenforced).toBe(1_000 - ejected);
  });
});

describe('how long A50 ejects', () => {
  /** Lengths of the ejections of a host that is bad whenever it has calls. */
  function lengths(options: OutlierOptions, count: number): number[] {
    const stage = new Stage(5, { ...FAILURE, ...options });
    const seen: number[] = [];
    for (let i = 0; i < count; i++) {
      expect(stage.interval([...good(4), 0])).toEqual([5]);
      const fromMs = stage.nowMs;
      // The end is seen at the first interval past it, one interval late.
      while (stage.interval(good(4)).length > 0) {}
      seen.push((stage.nowMs - fromMs) / 1000 - INTERVAL_MS / 1000);
    }
    return seen;
  }

  test('O16: 30 s more each time, up to 300 s', () => {
    // The first interval after its return sees the host bad again: no multiplier is taken back in between.
    expect(lengths({}, 12)).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
  });

  test('O16: a base of 400 s wins over a maximum of 300 s', () => {
    expect(lengths({ baseEjectionMs: 400_000 }, 2)).toEqual([400, 400]);
  });

  test('O17: each interval after the return takes one off the multiplier, down to none', () => {
    const stage = new Stage(5, FAILURE);
    for (let i = 0; i < 3; i++) {
      stage.interval([...good(4), 0]);
      while (stage.interval(good(4)).length > 0) {}
    }
    expect(stage.hosts[4]?.multiplier).toBe(3);
    const seen: (number | undefined)[] = [];
    for (let i = 0; i < 4; i++) {
      stage.interval(good(5));
      seen.push(stage.hosts[4]?.multiplier);
    }
    expect(seen).toEqual([2, 1, 0, 0]);
  });

  test('O18: it returns when now is past the end, not at the end', () => {
    const stage = new Stage(5, FAILURE);
    stage.interval([...good(4), 0]);
    stage.pass(BASE_MS);
    expect(stage.ejected).toEqual([5]);
    stage.pass(INTERVAL_MS);
    expect(stage.ejected).toEqual([]);
  });

  test('O18: intervals that nobody asked about are made up for, each at its own time', () => {
    const stage = new Stage(5, FAILURE);
    stage.interval([...good(4), 0]);
    stage.pass(3_600_000);
    expect(stage.ejected).toEqual([]);
    expect(stage.hosts[4]?.multiplier).toBe(0);
    expect(stage.detector.dueMs).toBe(stage.nowMs + INTERVAL_MS);
  });

  test('a year without a call is made up for in a moment', () => {
    const stage = new Stage(5, { ...FAILURE, intervalMs: 1 });
    stage.interval([...good(4), 0]);
    expect(stage.pass(365 * 86_400_000)).toEqual([]);
    expect(stage.detector.dueMs).toBeGreaterThan(stage.nowMs);
  });
});

describe('a changed configuration of A50', () => {
  test('O19: without a rule all return, multipliers are 0, and nothing is counted', () => {
    const stage = new Stage(5, FAILURE);
    stage.interval([...good(4), 0]);
    stage.detector.configure(rulesOf({}), stage.hosts, stage.nowMs);
    expect(stage.ejected).toEqual([]);
    expect(stage.hosts[4]?.multiplier).toBe(0);
    expect(stage.detector.counting).toBe(false);
    expect(stage.detector.dueMs).toBe(Number.POSITIVE_INFINITY);
    expect(stage.interval([...good(4), 0])).toEqual([]);
  });

  test('O19: what was counted before detection was switched on again is not judged', () => {
    const stage = new Stage(5, {});
    for (let i = 0; i < 4; i++) stage.calls(i, 1);
    stage.calls(4, 0);
    stage.detector.configure(rulesOf(FAILURE), stage.hosts, stage.nowMs);
    expect(stage.pass(INTERVAL_MS)).toEqual([]);
  });

  test.each([
    ['longer: what is left of the new one', 25_000, 21_000],
    ['shorter, but not over: what is left of the new one', 5_000, 1_000],
    ['over already: now', 3_000, 0],
  ])('O20: an interval changed after 4 s, %s; what was counted stays', (_title, intervalMs, leftMs) => {
    const stage = new Stage(5, FAILURE);
    for (let i = 0; i < 4; i++) stage.calls(i, 1);
    stage.calls(4, 0);
    stage.nowMs += 4_000;
    stage.detector.configure(rulesOf({ ...FAILURE, intervalMs }), stage.hosts, stage.nowMs);
    expect(stage.detector.dueMs - stage.nowMs).toBe(leftMs);
    expect(stage.pass(leftMs)).toEqual([5]);
  });
});

describe('both rules of A50', () => {
  test('O24: together they eject once in an interval, and the multiplier goes up by one', () => {
    const stage = new Stage(5, { ...SUCCESS, ...FAILURE });
    expect(stage.interval([...good(4), 0])).toEqual([5]);
    expect(stage.hosts[4]?.multiplier).toBe(1);
    expect(stage.detector.ejections).toBe(1);
  });

  test('an ejected endpoint that still has calls is not ejected again', () => {
    const stage = new Stage(5, { ...SUCCESS, ...FAILURE });
    stage.interval([...good(4), 0]);
    stage.interval([...good(4), 0]);
    expect(stage.hosts[4]?.multiplier).toBe(1);
  });
});
