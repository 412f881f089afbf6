import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HedgePlan } from '../../../src/hedge/plan.ts';
import { HedgeShare, HedgeShares } from '../../../src/hedge/share.ts';
import { CountingBudget } from './timeline.ts';

const taken = (share: HedgeShare, asked: number): number =>
  Array.from({ length: asked }, () => share.tryTake()).filter((granted) => granted).length;

describe('the share of hedges', () => {
  test('H17: a burst of 20, then a quarter more than each call earns', () => {
    const share = new HedgeShare();
    expect(taken(share, 100)).toBe(20);
    for (let calls = 0; calls < 400; calls++) share.earn(0.02);
    expect(taken(share, 100)).toBe(10);
  });

  test('H17: law: of N calls at most 20 and 1.25 times the share are hedged, whenever they ask, and no quiet time saves more', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 2000 }), fc.double({ min: 0, max: 0.5, noNaN: true }), (asks, part) => {
        const share = new HedgeShare();
        let granted = 0;
        for (const ask of asks) {
          share.earn(part);
          if (ask && share.tryTake()) granted++;
        }
        expect(granted).toBeLessThanOrEqual(20 + 1.25 * part * asks.length + 1e-6);
        expect(taken(share, 100)).toBeLessThanOrEqual(20);
      }),
    );
  });

  test('one for each method, and one for all beyond the thousandth', () => {
    const shares = new HedgeShares();
    expect(shares.of('/a.B/C')).toBe(shares.of('/a.B/C'));
    for (let i = 0; i < 1000; i++) shares.of(`/a.B/M${i}`);
    expect(shares.of('/a.B/C')).not.toBe(shares.of('/a.B/D'));
    expect(shares.of('/a.B/D')).toBe(shares.of('/a.B/E'));
  });
});

describe('a plan with an allowance', () => {
  const terms = (left: number, deadlineMs = 1000, budget = new CountingBudget()) => {
    const share = { left, tryTake: (): boolean => share.left-- > 0 };
    const nonFatalCodes = new Set([14]);
    return { maxAttempts: 3, delayMs: 20, allowance: { share, lateMs: 90 }, nonFatalCodes, deadlineMs, budget };
  };
  const unavailable = { code: 14, pushback: [], unprocessed: false };

  test('H17: hedges at the learned delay while there is a share', () => {
    const plan = new HedgePlan(terms(1));
    plan.start(0);
    expect(plan.due(20)).toBe('start');
    expect(plan.nextAtMs).toBe(40);
  });

  test('H17: without a share the hedge waits until the attempt is as late as a retry lets it be, then only the budget is asked', () => {
    const { budget, ...rest } = terms(0);
    const plan = new HedgePlan({ ...rest, budget });
    plan.start(0);
    expect(plan.due(20)).toBe('wait');
    expect(plan.nextAtMs).toBe(90);
    expect(budget.withdrawn).toBe(0);
    expect(plan.due(90)).toBe('start');
    expect(budget.withdrawn).toBe(1);
    expect(plan.nextAtMs).toBe(110);
    expect(plan.due(110)).toBe('wait');
    expect(plan.nextAtMs).toBe(180);
  });

  test('H12: nothing waits for a time at the deadline or after it', () => {
    const plan = new HedgePlan(terms(0, 90));
    plan.start(0);
    expect(plan.due(20)).toBe('wait');
    expect(plan.nextAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('H4: a failure brings the next attempt without a share', () => {
    const plan = new HedgePlan(terms(0));
    plan.start(0);
    expect(plan.ended(unavailable, 5)).toBe('start');
  });

  test('H4: a failure while the hedge is put off brings it at once', () => {
    const plan = new HedgePlan(terms(0));
    plan.start(0);
    plan.due(20);
    expect(plan.ended(unavailable, 30)).toBe('start');
  });
});
