/**
 * gRFC A6's hedging as a table, from its text and from the cases of grpc-java and grpc-dotnet, against the deciding engine.
 */
import { describe, expect, test } from 'vitest';
import { Code } from '../../src/call.ts';
import { type HedgeOptions, resolveHedgeOptions } from '../../src/hedge/options.ts';
import { HedgePlan } from '../../src/hedge/plan.ts';
import { RetryThrottle } from '../../src/retry/throttle.ts';
import { type CallFacts, CORE, CountingBudget, type Played, play, type Script } from '../src/hedge/timeline.ts';

const SILENT: Script = {};
const ok = (afterMs: number): Script => ({ afterMs });
const fails = (afterMs: number, more: Partial<Script> = {}): Script => ({ afterMs, code: Code.UNAVAILABLE, ...more });
const fatal = (afterMs: number): Script => ({ afterMs, code: Code.INVALID_ARGUMENT });
const pushed = (afterMs: number, ...pushback: string[]): Script => fails(afterMs, { pushback });

interface Row {
  readonly id: string;
  readonly what: string;
  readonly scripts: readonly Script[];
  readonly options?: HedgeOptions;
  readonly call?: CallFacts;
  readonly want: Partial<Played>;
}

const rows: readonly Row[] = [
  { id: 'H1', what: 'silence', scripts: [SILENT], want: { startsMs: [0, 500, 1000, 1500], endMs: undefined } },
  {
    id: 'H2',
    what: 'delay 0',
    options: { ...CORE, delayMs: 0 },
    scripts: [ok(50)],
    want: { startsMs: [0, 0, 0, 0], endMs: 50, losers: 3 },
  },
  { id: 'H3', what: 'the original answers before the delay', scripts: [ok(499)], want: { startsMs: [0], endMs: 499, losers: 0 } },
  {
    id: 'H3',
    what: 'the first hedge answers',
    scripts: [SILENT, ok(100)],
    want: { startsMs: [0, 500], endMs: 600, code: Code.OK, losers: 1 },
  },
  { id: 'H3', what: 'the original answers after all began', scripts: [ok(1600), SILENT], want: { endMs: 1600, code: Code.OK, losers: 3 } },
  {
    id: 'H4',
    what: 'a failure that is not fatal: the next one now, then every delay from there',
    scripts: [fails(100), SILENT],
    want: { startsMs: [0, 100, 600, 1100], endMs: undefined },
  },
  {
    id: 'H4',
    what: 'the failure of a hedge, while the original is out',
    scripts: [SILENT, fails(200), SILENT],
    want: { startsMs: [0, 500, 700, 1200] },
  },
  {
    id: 'H5',
    what: 'a fatal status ends all at once',
    scripts: [SILENT, fatal(10)],
    want: { startsMs: [0, 500], endMs: 510, code: Code.INVALID_ARGUMENT, losers: 1 },
  },
  { id: 'H5', what: 'a fatal status of the original', scripts: [fatal(10)], want: { startsMs: [0], endMs: 10, losers: 0 } },
  {
    id: 'H6',
    what: 'all fail: the last status when all are back, no extra round',
    scripts: [fails(10), fails(20), fails(500), fails(30)],
    want: { startsMs: [0, 10, 30, 530], endMs: 560, code: Code.UNAVAILABLE, losers: 0 },
  },
  {
    id: 'H6',
    what: 'all begun, all but one back: its answer is waited for',
    options: { ...CORE, delayMs: 0 },
    scripts: [fails(10), fails(20), fails(30), ok(5000)],
    want: { startsMs: [0, 0, 0, 0], endMs: 5000, code: Code.OK },
  },
  {
    id: 'H7',
    what: 'pushback n: the next at n, then n + delay',
    scripts: [pushed(100, '1000'), SILENT],
    want: { startsMs: [0, 1100, 1600, 2100] },
  },
  {
    id: 'H7',
    what: 'pushback later than the next was due',
    scripts: [SILENT, pushed(100, '2000'), SILENT],
    want: { startsMs: [0, 500, 2600, 3100] },
  },
  { id: 'H7', what: 'pushback of 0: now', scripts: [pushed(100, '0'), SILENT], want: { startsMs: [0, 100, 600, 1100] } },
  {
    id: 'H7',
    what: "another's failure does not bring it forward",
    scripts: [fails(1000), pushed(100, '5000'), SILENT],
    want: { startsMs: [0, 500, 5600, 6100] },
  },
  {
    id: 'H7',
    what: 'pushback past the deadline, nobody out: the end now',
    scripts: [pushed(100, '5000')],
    call: { deadlineMs: 3000 },
    want: { startsMs: [0], endMs: 100, code: Code.UNAVAILABLE },
  },
  ...['-1', 'xxx', '', '1e3', '007', '+5', '2147483648'].map((value) => ({
    id: 'H8',
    what: `pushback "${value}": no more, and what is out may win (M2)`,
    scripts: [ok(700), pushed(100, value)],
    want: { startsMs: [0, 500], endMs: 700, code: Code.OK },
  })),
  {
    id: 'H8',
    what: 'two values of pushback are a bad one',
    scripts: [ok(700), pushed(100, '10', '20')],
    want: { startsMs: [0, 500], endMs: 700 },
  },
  {
    id: 'H8',
    what: 'pushback -1 to the only one out: its status, now',
    scripts: [pushed(100, '-1')],
    want: { startsMs: [0], endMs: 100, code: Code.UNAVAILABLE },
  },
  {
    id: 'H9',
    what: 'no budget: the original, no hedge',
    scripts: [ok(5000)],
    call: { budget: new CountingBudget(0) },
    want: { startsMs: [0], endMs: 5000, code: Code.OK },
  },
  {
    id: 'H9',
    what: 'a budget of one: one hedge',
    scripts: [SILENT],
    call: { budget: new CountingBudget(1) },
    want: { startsMs: [0, 500], nextAtMs: Number.POSITIVE_INFINITY },
  },
  {
    id: 'H10',
    what: 'no budget, and the original fails: its status at once',
    scripts: [fails(20)],
    call: { budget: new CountingBudget(0), deadlineMs: 60_000 },
    want: { startsMs: [0], endMs: 20, code: Code.UNAVAILABLE },
  },
  {
    id: 'H10',
    what: 'no budget, and pushback n: its status at once, not after n',
    scripts: [pushed(20, '1000')],
    call: { budget: new CountingBudget(0) },
    want: { startsMs: [0], endMs: 20 },
  },
  {
    id: 'H10',
    what: 'no budget left for the third: the original is waited for',
    scripts: [ok(3000), fails(20)],
    call: { budget: new CountingBudget(1) },
    want: { startsMs: [0, 500], endMs: 3000, code: Code.OK },
  },
  {
    id: 'H11',
    what: '10 attempts count as 5',
    options: { maxAttempts: 10, delayMs: 0 },
    scripts: [SILENT],
    want: { startsMs: [0, 0, 0, 0, 0] },
  },
  {
    id: 'H12',
    what: 'deadline just before the second start',
    scripts: [SILENT],
    call: { deadlineMs: 499 },
    want: { startsMs: [0], endMs: 499, code: Code.DEADLINE_EXCEEDED, nextAtMs: Number.POSITIVE_INFINITY },
  },
  {
    id: 'H12',
    what: 'deadline at the second start',
    scripts: [SILENT],
    call: { deadlineMs: 500 },
    want: { startsMs: [0], endMs: 500, code: Code.DEADLINE_EXCEEDED, nextAtMs: Number.POSITIVE_INFINITY },
  },
  {
    id: 'H12',
    what: 'deadline just after the second start',
    scripts: [SILENT],
    call: { deadlineMs: 501 },
    want: { startsMs: [0, 500], endMs: 501, code: Code.DEADLINE_EXCEEDED, nextAtMs: Number.POSITIVE_INFINITY },
  },
  {
    id: 'H12',
    what: 'deadline at the last start',
    scripts: [SILENT],
    call: { deadlineMs: 1500 },
    want: { startsMs: [0, 500, 1000], endMs: 1500 },
  },
  {
    id: 'H12',
    what: 'deadline over at the start: the original alone says so',
    options: { ...CORE, delayMs: 0 },
    scripts: [SILENT],
    call: { deadlineMs: 0 },
    want: { startsMs: [0], endMs: 0, code: Code.DEADLINE_EXCEEDED },
  },
  {
    id: 'H13',
    what: 'cancel just before the second start',
    scripts: [SILENT],
    call: { cancelMs: 499 },
    want: { startsMs: [0], losers: 1, nextAtMs: Number.POSITIVE_INFINITY },
  },
  {
    id: 'H13',
    what: 'cancel at the second start',
    scripts: [SILENT],
    call: { cancelMs: 500 },
    want: { startsMs: [0], nextAtMs: Number.POSITIVE_INFINITY },
  },
  {
    id: 'H13',
    what: 'cancel just after the second start',
    scripts: [SILENT],
    call: { cancelMs: 501 },
    want: { startsMs: [0, 500], losers: 2, nextAtMs: Number.POSITIVE_INFINITY },
  },
  {
    id: 'H16',
    what: 'the delay is not known: no hedge',
    options: { maxAttempts: 4 },
    scripts: [ok(100_000)],
    want: { startsMs: [0], endMs: 100_000 },
  },
  {
    id: 'H16',
    what: 'the delay is not known: a failure brings the next one all the same',
    options: { maxAttempts: 4 },
    scripts: [fails(10), SILENT],
    want: { startsMs: [0, 10] },
  },
  {
    id: 'A6',
    what: 'the codes are those of the policy',
    options: { ...CORE, nonFatalCodes: ['ABORTED'] },
    scripts: [fails(10)],
    want: { startsMs: [0], endMs: 10, code: Code.UNAVAILABLE },
  },
  {
    id: 'A6',
    what: 'what never ran is not fatal, whatever the policy says',
    options: { ...CORE, nonFatalCodes: ['ABORTED'] },
    scripts: [{ afterMs: 10, code: Code.RESOURCE_EXHAUSTED, unprocessed: true }, ok(10)],
    want: { startsMs: [0, 10], endMs: 20, code: Code.OK },
  },
];

describe('A6 hedging', () => {
  test.each(rows)('$id $what', ({ options = CORE, scripts, call, want }) => {
    expect(play(options, scripts, call)).toMatchObject(want);
  });

  test('H9: with the throttle at half of its tokens 500 failing calls are 500 attempts (M3)', () => {
    const budget = new RetryThrottle({ maxTokens: 10, tokenRatio: 0.1 });
    for (let i = 0; i < 5; i++) budget.failed();
    let attempts = 0;
    for (let i = 0; i < 500; i++) attempts += play(CORE, [fails(10)], { budget }).startsMs.length;
    expect(attempts).toBe(500);
  });

  test('H9: each failure that is not fatal, and no other, takes a token of the throttle', () => {
    const budget = new CountingBudget();
    play({ ...CORE, delayMs: 0 }, [fails(10), pushed(20, '-1'), fails(30), fatal(40)], { budget });
    expect(budget.failures).toBe(3);
  });

  test('B4: calls that were lost with their carrier draw on the purse for that, by their next attempt alone', () => {
    const asked: boolean[] = [];
    const budget = {
      tryWithdraw: (carried = false): boolean => {
        asked.push(carried);
        return carried;
      },
      tryJoin: (): boolean => budget.tryWithdraw(),
      failed: (): void => {},
    };
    const terms = {
      maxAttempts: 4,
      delayMs: 500,
      nonFatalCodes: new Set([Code.UNAVAILABLE]),
      deadlineMs: Number.POSITIVE_INFINITY,
      budget,
    };
    const lost = { code: Code.UNAVAILABLE, pushback: [], unprocessed: false, carried: true };
    const plan = new HedgePlan(terms);
    plan.start(0);
    expect(plan.ended(lost, 10)).toBe('start');
    expect(plan.due(10)).toBe('wait');
    expect(plan.due(510)).toBe('wait');
    expect([asked, plan.begun]).toEqual([[true, false], 2]);
  });

  test('H12: a timer that comes late, after the deadline, begins nothing', () => {
    const plan = new HedgePlan({
      maxAttempts: 4,
      delayMs: 500,
      nonFatalCodes: new Set([Code.UNAVAILABLE]),
      deadlineMs: 600,
      budget: new CountingBudget(),
    });
    plan.start(0);
    expect([plan.due(0), plan.nextAtMs]).toEqual(['wait', 500]);
    expect([plan.due(600), plan.begun, plan.nextAtMs]).toEqual(['wait', 1, Number.POSITIVE_INFINITY]);
  });

  test('the budget is asked for each attempt but the original, and for nothing that does not begin', () => {
    for (const { options = CORE, scripts, call } of rows) {
      if (call?.budget !== undefined) continue;
      const budget = new CountingBudget();
      const { startsMs } = play(options, scripts, { ...call, budget });
      expect(budget.withdrawn).toBe(startsMs.length - 1);
    }
  });
});

describe('A6 hedging: configuration', () => {
  test('defaults are the documented ones', () => {
    const defaults = { maxAttempts: 2, percentile: 0.98, nonFatalCodes: new Set([Code.UNAVAILABLE]) };
    expect(resolveHedgeOptions(undefined, 'hedge')).toEqual(defaults);
    expect(resolveHedgeOptions({}, 'hedge')).toEqual(defaults);
  });

  test('no code is non-fatal when the list is empty, as in A6', () => {
    expect(resolveHedgeOptions({ nonFatalCodes: [] }, 'hedge').nonFatalCodes.size).toBe(0);
  });

  test.each([
    [{ maxAttempts: 1 }, 'hedge.maxAttempts: expected a whole number >= 2, got 1'],
    [{ maxAttempts: 2.5 }, 'hedge.maxAttempts: expected a whole number >= 2, got 2.5'],
    [{ delayMs: -1 }, 'hedge.delayMs: expected milliseconds as a number >= 0, got -1'],
    [{ delayMs: '0.5s' }, 'hedge.delayMs: expected milliseconds as a number >= 0, got "0.5s"; did you mean 500?'],
    [{ percentile: 0 }, 'hedge.percentile: expected a number > 0 and <= 1, got 0'],
    [{ percentile: 95 }, 'hedge.percentile: expected a number > 0 and <= 1, got 95'],
    [{ nonFatalCodes: 'UNAVAILABLE' }, 'hedge.nonFatalCodes: expected a list of status codes, got "UNAVAILABLE"'],
    [{ nonFatalCodes: ['OK'] }, 'hedge.nonFatalCodes[0]: OK is no failure'],
    [
      { nonFatalCodes: ['UNAVAILIBLE'] },
      'hedge.nonFatalCodes[0]: expected a status code from 1 to 16 or its name, got "UNAVAILIBLE"; did you mean UNAVAILABLE?',
    ],
    [{ delay: 5 }, 'hedge.delay: unknown option; did you mean delayMs?'],
  ])('refuses %j', (input, message) => {
    expect(() => resolveHedgeOptions(input, 'hedge')).toThrow(message);
  });
});
