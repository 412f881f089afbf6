/**
 * A native batch that fails, or whose reply does not fit, loses no call and runs none twice that it may not: at all doors.
 */
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { clientDoors, Gate } from '../support/loopback.ts';
import { open, policyOf } from '../support/native.ts';

describe.each(clientDoors)('at door %s', (door) => {
  test('RETRY_SINGLES: one bad name fails its own call only, though the batch is atomic', async () => {
    await using all = await open(door, policyOf(['GetBook']));
    const outcomes = await all.client.burst('GetBook', [{ name: 'a' }, { name: 'bad' }, { name: 'b' }]);
    expect(outcomes.map(({ code, details }) => (code === 0 ? 'OK' : details))).toEqual(['OK', 'bad: bad', 'OK']);
    expect(all.server.log.toSorted()).toEqual(['BatchGetBooks a,bad,b', 'GetBook a', 'GetBook b', 'GetBook bad']);
    expect(all.mesh.stats().native.plain.fallback).toBe(3);
  });

  test('BISECT isolates the bad name in halves, and the others travel together (K4)', async () => {
    await using all = await open(
      door,
      policyOf(['GetBook'], (rule) => ({ ...rule, onBatchError: 'bisect' })),
    );
    const names = ['a', 'b', 'c', 'd', 'e', 'bad', 'g', 'h'];
    const outcomes = await all.client.burst(
      'GetBook',
      names.map((name) => ({ name })),
    );
    expect(outcomes.map(({ code }) => code)).toEqual(names.map((name) => (name === 'bad' ? 3 : 0)));
    expect(all.server.log.toSorted()).toEqual([
      'BatchGetBooks a,b,c,d',
      'BatchGetBooks a,b,c,d,e,bad,g,h',
      'BatchGetBooks e,bad',
      'BatchGetBooks e,bad,g,h',
      'BatchGetBooks g,h',
      'GetBook bad',
      'GetBook e',
    ]);
    expect(all.mesh.stats().native).toMatchObject({ batches: 5, split: 3, plain: { fallback: 2 } });
  });

  test('FAIL_ALL: every call ends as the batch did, marked as ambiguous, and nothing runs twice (K17)', async () => {
    await using all = await open(
      door,
      policyOf(['GetBook'], (rule) => ({ ...rule, onBatchError: 'fail_all' })),
    );
    const outcomes = await all.client.burst('GetBook', [{ name: 'a' }, { name: 'bad' }]);
    for (const { code, details, trailers } of outcomes) {
      expect([code, details]).toEqual([3, 'bad: bad']);
      expect(trailers.get('inmesh-ambiguous')).toEqual(['1']);
    }
    expect(all.server.log).toEqual(['BatchGetBooks a,bad']);
    expect(all.mesh.stats().native.failed).toBe(1);
  });

  test('a server killed in the middle: the calls end with its status, at most once each, and no call goes out a second time (K17)', async () => {
    await using all = await open(door, { ...policyOf(['CreateRow']), defaults: { retryPolicy: { maxAttempts: 1 } } });
    const came: string[] = [];
    all.server.instead['BatchCreateRows'] = (call: ServerUnaryCall<{ requests: { row: { key: string } }[] }, object>) => {
      came.push(...call.request.requests.map(({ row }) => row.key));
      all.server.server.forceShutdown();
    };
    const outcomes = await all.client.burst('CreateRow', [{ row: { key: 'a' } }, { row: { key: 'b' } }]);
    for (const { code, trailers } of outcomes) {
      expect([1, 14]).toContain(code); // as grpc-js calls a reset
      expect(trailers.get('inmesh-ambiguous')).toEqual(['1']);
    }
    expect(came).toEqual(['a', 'b']);
  });

  test('a batch that fails with its endpoint is sent again by retry, call by call, under its budget', async () => {
    await using all = await open(door, { ...policyOf(['GetBook']), defaults: { retryPolicy: { initialBackoff: '0.001s' } } });
    let refused = 0;
    all.server.instead['BatchGetBooks'] = (_call: unknown, callback: sendUnaryData<object>) => {
      if (refused++ === 0) callback({ code: 14, details: 'busy' });
      else callback({ code: 14, details: 'still busy' });
    };
    const outcomes = await all.client.burst('GetBook', [{ name: 'a' }, { name: 'b' }]);
    // The file says NO_SIDE_EFFECTS, so retry may.
    expect(all.mesh.stats().client.retries).toBeGreaterThanOrEqual(2);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
    expect(all.server.log.toSorted()).toEqual(['GetBook a', 'GetBook b']); // with an endpoint to avoid they go alone
  });

  test('a server without the batch method: calls go alone at once and from then on, none is lost (K13)', async () => {
    await using all = await open(door, policyOf(['GetBook']), { without: ['BatchGetBooks'] });
    for (const _ of [1, 2]) {
      const outcomes = await all.client.burst('GetBook', [{ name: 'a' }, { name: 'b' }]);
      expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
    }
    expect(all.mesh.stats().native).toMatchObject({ batches: 1, plain: { fallback: 2, denied: 2 } });
  });

  test('a batch method that is forbidden while its calls are allowed is left alone', async () => {
    await using all = await open(
      door,
      policyOf(['GetBook'], (rule) => ({ ...rule, onBatchError: 'fail_all' })),
    );
    all.server.instead['BatchGetBooks'] = (_call: unknown, callback: sendUnaryData<object>) => callback({ code: 7, details: 'no batches' });
    for (const _ of [1, 2]) {
      const outcomes = await all.client.burst('GetBook', [{ name: 'a' }, { name: 'b' }]);
      expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
    }
    expect(all.mesh.stats().native).toMatchObject({ batches: 1, plain: { fallback: 2, denied: 2 } });
  });

  test('a reply over the limit of size comes in halves (K10)', async () => {
    await using all = await open(door, policyOf(['Check']));
    const text = 'x'.repeat(3 << 20);
    all.server.tamper['BatchCheck'] = ({ results }) => ({ results: (results as object[]).map((result) => ({ ...result, text })) });
    const outcomes = await all.client.burst('Check', [{ text: 'a' }, { text: 'b' }, { text: 'c' }]);
    expect(outcomes.map(({ response }) => response?.['verdict'])).toEqual(['a is fine ', 'b is fine ', 'c is fine ']);
    expect(all.mesh.stats().native.split).toBeGreaterThan(0);
  });

  test.each([
    ['not_found', 5, undefined, 'client.native/missing'],
    ['default_value', 0, { entity: null, text: '' }, undefined],
    ['internal_error', 13, undefined, 'client.native/no-result'],
  ] as const)('a call without an item, missing %s: code %i', async (missing, code, response, reason) => {
    await using all = await open(
      door,
      policyOf(['GetEntity'], (rule) => ({ ...rule, result: { ...rule.result, missing } })),
    );
    const [found, lost] = await all.client.burst('GetEntity', [{ id: 1 }, { id: 3 }]);
    expect(found?.code).toBe(0);
    expect(lost).toMatchObject({ code });
    expect(lost?.response).toEqual(response);
    expect(lost?.trailers.get('inmesh-reason')[0]).toBe(reason);
  });

  test('a reply of another length than the batch is given to nobody (K2)', async () => {
    const rule = policyOf(['GetBook', 'Count'], (of) => ({ ...of, onBatchError: of.via === 'BatchCount' ? 'fail_all' : 'retry_singles' }));
    await using all = await open(door, rule);
    all.server.tamper['BatchGetBooks'] = ({ books }) => ({ books: books.slice(1) });
    all.server.tamper['BatchCount'] = ({ counts }) => ({ counts: [...counts, 1] });
    expect((await all.client.burst('GetBook', [{ name: 'a' }, { name: 'b' }])).map(({ response }) => response?.['name'])).toEqual([
      'a',
      'b',
    ]);
    for (const { code, trailers } of await all.client.burst('Count', [{ id: 1 }, { id: 2 }])) {
      expect(code).toBe(13);
      expect(trailers.get('inmesh-reason')).toEqual(['client.native/no-result']);
    }
  });

  test('results of a stream come as they are there, and a stream that breaks keeps what came (K9, K17)', async () => {
    const gate = new Gate();
    await using all = await open(
      door,
      policyOf(['Price'], (rule) => ({ ...rule, onBatchError: 'fail_all' })),
    );
    all.server.instead['StreamPrices'] = async (call: ServerWritableStream<object, object>) => {
      call.write({ index: 1, reply: { price: 11 } });
      call.write({ index: 9, reply: { price: 99 } }); // a stranger
      call.write({ index: 1, reply: { price: 12 } }); // a second answer
      await gate.opened;
      call.write({ index: 0, reply: { price: 10 } });
      call.emit('error', { code: 10, details: 'aborted' });
    };
    const calls = ['a', 'b', 'c'].map((symbol) => all.client.call('Price', { symbol }));
    expect((await calls[1])?.response).toEqual({ price: 11 });
    gate.open();
    expect((await calls[0])?.response).toEqual({ price: 10 });
    expect(await calls[2]).toMatchObject({ code: 10, details: 'aborted' });
  });
});
