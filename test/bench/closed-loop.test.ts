import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { closedLoop } from '../../bench/closed-loop.ts';
import type { Call } from '../../bench/echo.ts';

const failure: ServiceError = Object.assign(new Error('14 UNAVAILABLE: gone'), { code: 14, details: 'gone', metadata: new Metadata() });

describe('closed loop', () => {
  test('keeps as many calls out as there are callers, and waits for all of them', async () => {
    let out = 0;
    let most = 0;
    const echo: Call = (request, done) => {
      most = Math.max(most, ++out);
      setImmediate(() => {
        out--;
        done(null, request);
      });
    };
    const edges: string[] = [];
    const result = await closedLoop(echo, { callers: 7, warmMs: 2, sliceMs: 5 }, (edge) => edges.push(edge));
    expect(most).toBe(7);
    expect(out).toBe(0);
    expect(edges).toEqual(['begin', 'end']);
    expect(result).toMatchObject({ failed: 0, firstError: undefined });
    expect(result.calls).toBeGreaterThan(0);
    expect(result.elapsedMs).toBeGreaterThanOrEqual(5);
  });

  test('counts only calls answered within the slice', async () => {
    let answered = 0;
    let before = 0;
    let within = 0;
    const echo: Call = (request, done) => {
      setImmediate(() => {
        answered++;
        done(null, request);
      });
    };
    const result = await closedLoop(echo, { callers: 3, warmMs: 2, sliceMs: 5 }, (edge) => {
      if (edge === 'begin') before = answered;
      else within = answered - before;
    });
    expect(result.calls).toBe(within);
  });

  test('ends when every call fails, and says why', async () => {
    const result = await closedLoop(
      (_, done) => setImmediate(done, failure),
      { callers: 4, warmMs: 60_000, sliceMs: 1 },
      () => {},
    );
    expect(result).toMatchObject({ calls: 0, failed: 4, firstError: '14 UNAVAILABLE: gone' });
  });

  test('takes the answer to another call for a failure', async () => {
    const result = await closedLoop(
      (_, done) => setImmediate(() => done(null, { id: 99, text: '' })),
      { callers: 1, warmMs: 0, sliceMs: 1 },
      () => {},
    );
    expect(result.firstError).toBe('asked for 0, got 99');
  });
});
