/**
 * A bulkhead for each endpoint (`balance.maxInFlight`): at both doors, alone and in batches.
 */
import { describe, expect, test } from 'vitest';
import { doors, type Handlers } from '../support/loopback.ts';
import { coalesceIn, forms, pair } from './pair.ts';

/** Holds calls back until they are let go. */
function holding(): { readonly say: Handlers['say']; letGo(): void; readonly held: number; most: number } {
  const waiting: (() => void)[] = [];
  const seen = { most: 0 };
  return {
    say: (call, callback) => {
      waiting.push(() => callback(null, call.request));
      seen.most = Math.max(seen.most, waiting.length);
    },
    letGo: () => {
      for (const answer of waiting.splice(0)) answer();
    },
    get held() {
      return waiting.length;
    },
    get most() {
      return seen.most;
    },
  };
}

describe.for(doors)('an endpoint that may have two calls, behind %s', (door) => {
  test('gets two; the third ends with RESOURCE_EXHAUSTED, told as ours, and the next are taken again', async () => {
    const stage = holding();
    await using made = await pair(door, { say: stage.say }, { balance: { maxInFlight: 2 }, defaults: { retryPolicy: { maxAttempts: 1 } } });
    const two = [made.client.say('a'), made.client.say('b')];
    await expect.poll(() => stage.held).toBe(2);
    const third = await made.client.say('c');
    expect(third.code).toBe('RESOURCE_EXHAUSTED');
    expect(third.trailers['inmesh-reason']).toEqual(['client.balance/endpoints-full']);
    stage.letGo();
    expect((await Promise.all(two)).map(({ code }) => code)).toEqual(['OK', 'OK']);
    const later = made.client.say('d');
    await expect.poll(() => stage.held).toBe(1);
    stage.letGo();
    expect((await later).code).toBe('OK');
  });

  test.for(forms)('items of batches count one each: never more than two at once, in %s', async (form) => {
    const stage = holding();
    await using made = await pair(
      door,
      { say: stage.say },
      { balance: { maxInFlight: 2 }, coalesce: coalesceIn(form), defaults: { retryPolicy: { maxAttempts: 1 } } },
    );
    const burst = made.client.burst(['a', 'b', 'c', 'd', 'e']);
    await expect.poll(() => stage.held).toBe(2);
    stage.letGo();
    const codes = (await burst).map(({ code }) => code).sort();
    expect(codes).toEqual(['OK', 'OK', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED']);
    expect(stage.most).toBe(2);
  });

  test.for(forms)('one call at a time leaves no room for a batch: all go one by one, with %s asked for', async (form) => {
    const stage = holding();
    await using made = await pair(
      door,
      { say: stage.say },
      { balance: { maxInFlight: 1 }, coalesce: coalesceIn(form), defaults: { retryPolicy: { maxAttempts: 1 } } },
    );
    const burst = made.client.burst(['a', 'b', 'c']);
    await expect.poll(() => stage.held).toBe(1);
    stage.letGo();
    expect((await burst).map(({ code }) => code).sort()).toEqual(['OK', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED']);
    expect(stage.most).toBe(1);
  });
});
