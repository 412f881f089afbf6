/**
 * gRFC A6 as a table, from its text and from the cases of grpc core and grpc-go, against the deciding engine. What needs a
 * wire (replay, buffers, headers) is tested where the wire is.
 */
import { describe, expect, test } from 'vitest';
import { Code } from '../../src/call.ts';
import type { RetryOptions } from '../../src/retry/options.ts';
import { resolveRetryOptions } from '../../src/retry/options.ts';
import type { Answer, CallFacts } from '../src/retry/drive.ts';
import { CountingBudget, play } from '../src/retry/drive.ts';

/** The policy of core's tests: 3 attempts, 1 s growing by 1.6, ABORTED. */
const CORE: RetryOptions = {
  maxAttempts: 3,
  initialBackoffMs: 1000,
  backoffMultiplier: 1.6,
  maxBackoffMs: 120_000,
  retryableCodes: ['ABORTED'],
};
const ABORTED: Answer = { code: Code.ABORTED };
const OK: Answer = { code: Code.OK };

interface Row {
  readonly id: string;
  readonly what: string;
  readonly answers: readonly Answer[];
  readonly call?: CallFacts;
  readonly policy?: RetryOptions;
  readonly attempts: number;
  readonly why: string;
  readonly waitsMs?: readonly number[];
}

const rows: readonly Row[] = [
  { id: 'R1', what: 'retry', answers: [ABORTED, OK], attempts: 2, why: 'ok', waitsMs: [1000] },
  { id: 'R5', what: 'too many attempts', answers: [ABORTED], attempts: 3, why: 'attempts', waitsMs: [1000, 1600] },
  { id: 'R6 R7', what: 'non-retryable status', answers: [{ code: Code.INVALID_ARGUMENT }], attempts: 1, why: 'code' },
  { id: 'R8', what: 'disabled for the call', answers: [ABORTED], call: { enabled: false }, attempts: 1, why: 'disabled' },
  { id: 'R8', what: 'disabled by one attempt', answers: [ABORTED], policy: { ...CORE, maxAttempts: 1 }, attempts: 1, why: 'disabled' },
  { id: 'R9', what: 'throttled', answers: [ABORTED], call: { budget: { tryWithdraw: () => false } }, attempts: 1, why: 'budget' },
  {
    id: 'R10',
    what: 'server pushback beats the backoff, and the next backoff restarts at initial',
    policy: { ...CORE, maxAttempts: 5 },
    answers: [ABORTED, ABORTED, { ...ABORTED, pushback: ['2000'] }, ABORTED, OK],
    attempts: 5,
    why: 'ok',
    waitsMs: [1000, 1600, 2000, 1000],
  },
  { id: 'R10', what: 'pushback of 0 means at once', answers: [{ ...ABORTED, pushback: ['0'] }, OK], attempts: 2, why: 'ok', waitsMs: [0] },
  {
    id: 'R11',
    what: 'server pushback stops',
    answers: [ABORTED, { ...ABORTED, pushback: ['-1'] }, OK],
    attempts: 2,
    why: 'pushback',
    waitsMs: [1000],
  },
  { id: 'R12 R13', what: 'headers or a message commit', answers: [{ ...ABORTED, committed: true }, OK], attempts: 1, why: 'committed' },
  {
    id: 'A6',
    what: 'pushback does not make a status retryable',
    answers: [{ code: Code.INTERNAL, pushback: ['10'] }, OK],
    attempts: 1,
    why: 'code',
  },
  { id: 'R39', what: '10 attempts count as 5', answers: [ABORTED], policy: { ...CORE, maxAttempts: 10 }, attempts: 5, why: 'attempts' },
  {
    id: 'R41',
    what: 'deadline left < backoff: now, not after waiting',
    answers: [ABORTED],
    call: { deadlineMs: 900 },
    attempts: 1,
    why: 'deadline',
  },
  { id: 'R41', what: 'deadline left = backoff', answers: [ABORTED], call: { deadlineMs: 1000 }, attempts: 1, why: 'deadline' },
  {
    id: 'R41',
    what: 'deadline left > first backoff only',
    answers: [ABORTED],
    call: { deadlineMs: 2000 },
    attempts: 2,
    why: 'deadline',
    waitsMs: [1000],
  },
  {
    id: 'R41',
    what: 'deadline left < pushback',
    answers: [{ ...ABORTED, pushback: ['2000'] }],
    call: { deadlineMs: 1500 },
    attempts: 1,
    why: 'deadline',
  },
  {
    id: 'R41',
    what: 'less than a useful millisecond left after the backoff',
    answers: [ABORTED],
    call: { deadlineMs: 1000.5 },
    attempts: 1,
    why: 'deadline',
  },
  {
    id: 'R42',
    what: 'unmarked method, may have run',
    answers: [ABORTED, OK],
    call: { idempotent: false },
    attempts: 1,
    why: 'not-idempotent',
  },
  {
    id: 'R42',
    what: 'unmarked method, never seen',
    answers: [{ code: Code.UNAVAILABLE, unprocessed: true }, { code: Code.RESOURCE_EXHAUSTED, unprocessed: true }, OK],
    call: { idempotent: false },
    attempts: 3,
    why: 'ok',
  },
  {
    id: 'R42',
    what: 'unmarked method, never seen, then possibly run',
    policy: { ...CORE, retryableCodes: ['UNAVAILABLE'] },
    answers: [{ code: Code.UNAVAILABLE, unprocessed: true }, { code: Code.UNAVAILABLE }, OK],
    call: { idempotent: false },
    attempts: 2,
    why: 'not-idempotent',
  },
  {
    id: 'B4',
    what: 'made for a call that is itself a retry, and may have run',
    answers: [ABORTED, OK],
    call: { chained: true },
    attempts: 1,
    why: 'chain',
  },
  {
    id: 'B4',
    what: 'made for a call that is itself a retry, and never ran',
    answers: [{ code: Code.UNAVAILABLE, unprocessed: true }, OK],
    call: { chained: true },
    attempts: 2,
    why: 'ok',
  },
  {
    id: 'R25',
    what: 'refused for overload, and no other replica',
    answers: [{ code: Code.RESOURCE_EXHAUSTED, unprocessed: true, overload: true }, OK],
    call: { hasOther: false },
    attempts: 1,
    why: 'nowhere',
  },
  {
    id: 'R25',
    what: 'refused for overload, but the only replica says when to come back',
    answers: [{ code: Code.RESOURCE_EXHAUSTED, unprocessed: true, overload: true, pushback: ['40'] }, OK],
    call: { hasOther: false },
    attempts: 2,
    why: 'ok',
    waitsMs: [40],
  },
  {
    id: 'R42',
    what: 'never seen, but a code that another try would not change',
    answers: [{ code: Code.UNAUTHENTICATED, unprocessed: true }, OK],
    attempts: 1,
    why: 'code',
  },
  {
    id: 'R42',
    what: 'marked method, RESOURCE_EXHAUSTED after it may have run',
    answers: [{ code: Code.RESOURCE_EXHAUSTED }, OK],
    attempts: 1,
    why: 'code',
  },
];

describe('A6 decisions', () => {
  test.each(rows)('$id $what: $attempts attempts, $why', ({ answers, call, policy, attempts, why, waitsMs }) => {
    const played = play(policy ?? CORE, answers, call);
    expect({ attempts: played.attempts, why: played.why }).toEqual({ attempts, why });
    if (waitsMs !== undefined) expect(played.waitsMs).toEqual(waitsMs);
  });

  test('the budget is asked only for retries that happen', () => {
    for (const { answers, call, policy } of rows) {
      if (call?.budget !== undefined) continue;
      const budget = new CountingBudget();
      const played = play(policy ?? CORE, answers, { ...call, budget });
      expect(budget.withdrawn).toBe(played.attempts - 1);
    }
  });
});

describe('A6 pushback', () => {
  test.each([
    { pushback: ['0'], retries: true, why: 'retry at once' },
    { pushback: ['1'], retries: true, why: 'in 1 ms' },
    { pushback: ['2147483647'], retries: true, why: 'largest Int32' },
    { pushback: ['2147483648'], retries: false, why: '2^31 is no Int32' },
    { pushback: ['99999999999999999999'], retries: false, why: 'no Int32' },
    { pushback: ['-1'], retries: false, why: 'negative: do not retry' },
    { pushback: ['-0'], retries: false, why: 'sign' },
    { pushback: ['+5'], retries: false, why: 'sign' },
    { pushback: ['007'], retries: false, why: 'leading zeros' },
    { pushback: ['00'], retries: false, why: 'leading zeros' },
    { pushback: [''], retries: false, why: 'unparseable: do not retry' },
    { pushback: ['abc'], retries: false, why: 'unparseable: do not retry' },
    { pushback: ['xxx'], retries: false, why: 'unparseable: do not retry' },
    { pushback: ['1.5'], retries: false, why: 'not an integer: do not retry' },
    { pushback: ['1e3'], retries: false, why: 'not an integer: do not retry' },
    { pushback: ['0x10'], retries: false, why: 'not decimal' },
    { pushback: [' 5'], retries: false, why: 'white space' },
    { pushback: ['5\n'], retries: false, why: 'white space' },
    { pushback: ['٣'], retries: false, why: 'not ASCII' },
    { pushback: ['5, 5'], retries: false, why: 'two values in one' },
    { pushback: ['5', '5'], retries: false, why: 'two values' },
    { pushback: ['10'], code: Code.INTERNAL, retries: false, why: 'status not retryable' },
  ])('R27 R28 R29 $pushback: $why', ({ pushback, code = Code.ABORTED, retries }) => {
    const played = play(CORE, [{ code, pushback }, OK]);
    expect(played.attempts).toBe(retries ? 2 : 1);
    if (retries) expect(played.waitsMs).toEqual([Number(pushback[0])]);
  });
});

describe('A6 configuration', () => {
  test('R39: defaults are the documented ones', () => {
    expect(resolveRetryOptions({}, 'retry')).toEqual({
      maxAttempts: 3,
      initialBackoffMs: 25,
      maxBackoffMs: 250,
      backoffMultiplier: 2,
      retryableCodes: new Set([Code.UNAVAILABLE]),
      chainStop: true,
    });
    expect(resolveRetryOptions(undefined, 'retry')).toEqual(resolveRetryOptions({}, 'retry'));
  });

  test('R39: status codes are accepted by number and by name in any case', () => {
    const { retryableCodes } = resolveRetryOptions({ retryableCodes: ['unavailable', 14, 'Aborted', 8] }, 'retry');
    expect([...retryableCodes]).toEqual([14, 10, 8]);
  });

  test.each([
    [{ maxAttempts: 0 }, 'retry.maxAttempts: expected a whole number >= 1, got 0'],
    [{ maxAttempts: 2.5 }, 'retry.maxAttempts: expected a whole number >= 1, got 2.5'],
    [{ maxAttempts: '3' }, 'retry.maxAttempts: expected a whole number >= 1, got "3"; did you mean 3?'],
    [{ maxAttempts: Number.POSITIVE_INFINITY }, 'retry.maxAttempts: expected a whole number >= 1, got Infinity'],
    [{ initialBackoffMs: '0.5s' }, 'retry.initialBackoffMs: expected milliseconds as a number > 0, got "0.5s"; did you mean 500?'],
    [{ initialBackoffMs: '20ms' }, 'retry.initialBackoffMs: expected milliseconds as a number > 0, got "20ms"; did you mean 20?'],
    [{ initialBackoffMs: 0 }, 'retry.initialBackoffMs: expected milliseconds as a number > 0, got 0'],
    [{ maxBackoffMs: -1 }, 'retry.maxBackoffMs: expected milliseconds as a number > 0, got -1'],
    [{ maxBackoffMs: Number.NaN }, 'retry.maxBackoffMs: expected milliseconds as a number > 0, got NaN'],
    [{ backoffMultiplier: 0 }, 'retry.backoffMultiplier: expected a number > 0, got 0'],
    [{ retryableCodes: [] }, 'retry.retryableCodes: is empty; name at least one status code'],
    [{ retryableCodes: 'UNAVAILABLE' }, 'retry.retryableCodes: expected a list of status codes, got "UNAVAILABLE"'],
    [
      { retryableCodes: ['UNAVAILIBLE'] },
      'retry.retryableCodes[0]: expected a status code from 1 to 16 or its name, got "UNAVAILIBLE"; did you mean UNAVAILABLE?',
    ],
    [{ retryableCodes: [14, 99] }, 'retry.retryableCodes[1]: expected a status code from 1 to 16 or its name, got 99, e.g. UNAVAILABLE'],
    [{ retryableCodes: ['OK'] }, 'retry.retryableCodes[0]: OK is no failure'],
    [{ maxAttemps: 3 }, 'retry.maxAttemps: unknown option; did you mean maxAttempts?'],
    [{ hedging: 3 }, 'retry.hedging: unknown option; known are maxAttempts, initialBackoffMs'],
    [[], 'retry: expected an object, got an empty list'],
    [{ perTryTimeoutMs: -1 }, 'retry.perTryTimeoutMs: expected milliseconds as a number >= 0, got -1'],
    [{ chainStop: 'yes' }, 'retry.chainStop: expected true or false, got "yes"'],
  ])('R39: refuses %j', (input, message) => {
    expect(() => resolveRetryOptions(input, 'retry')).toThrow(message);
  });
});
