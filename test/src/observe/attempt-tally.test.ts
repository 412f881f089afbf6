import { describe, expect, test } from 'vitest';
import { AttemptTally } from '../../../src/observe/attempt-tally.ts';

describe('tally of attempts', () => {
  test('counts retries, and the time without an attempt', () => {
    const tally = new AttemptTally();
    tally.began(0);
    tally.ended(10, false);
    tally.began(25);
    tally.ended(30, false);
    tally.began(70);
    tally.ended(90, false);
    expect(tally).toMatchObject({ attempts: 3, retries: 2, transparent: 0, hedges: 0, delayMs: 55 });
  });

  test('an attempt after one that no server saw is a transparent retry', () => {
    const tally = new AttemptTally();
    tally.began(0);
    tally.ended(1, true);
    tally.began(1);
    tally.ended(2, false);
    tally.began(5);
    expect(tally).toMatchObject({ attempts: 3, retries: 1, transparent: 1, delayMs: 3 });
  });

  test('a hedge is no retry, and while one attempt is out there is no delay', () => {
    const tally = new AttemptTally();
    tally.began(0);
    tally.hedges++;
    tally.began(20);
    tally.ended(30, false);
    tally.ended(40, false);
    expect(tally).toMatchObject({ attempts: 2, retries: 0, hedges: 1, delayMs: 0 });
  });

  test('a call that never got as far as an attempt has none of it', () => {
    expect(new AttemptTally()).toMatchObject({ attempts: 0, retries: 0, transparent: 0, hedges: 0, delayMs: 0 });
  });
});
