/**
 * An adaptive limit on real grpc-js, against fixed ones.
 */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createMesh } from '../../../src/mesh.ts';
import type { AdaptiveLimit } from '../../../src/policy/policy.gen.ts';
import { EchoClient, serve } from '../../support/loopback.ts';

/** Sixteen slots of 80 ms, FIFO, on timers: long enough that a busy machine's delays are little beside it. */
function sixteenSlots(): (done: () => void) => void {
  const queue: (() => void)[] = [];
  let busy = 0;
  const work = (): void => {
    const done = busy < 16 ? queue.shift() : undefined;
    if (done === undefined) return;
    busy++;
    setTimeout(() => {
      busy--;
      done();
      work();
    }, 80);
  };
  return (done) => {
    queue.push(done);
    work();
  };
}

/** Answers in time a second, of 400 calls a second, which is twice what can be done. */
async function goodput(limit: AdaptiveLimit, warmUpMs: number, measureMs: number): Promise<number> {
  const work = sixteenSlots();
  await using running = await serve({ handlers: { say: (call, callback) => work(() => callback(null, call.request)) } });
  const mesh = createMesh({ defaults: { limit, retryPolicy: { maxAttempts: 1 } }, balance: 'off' });
  using client = new EchoClient({ address: running.address, mesh });
  await client.learn();
  const startedMs = systemClock.nowMs();
  const endMs = startedMs + warmUpMs + measureMs;
  let good = 0;
  const calls: Promise<unknown>[] = [];
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (systemClock.nowMs() >= endMs) {
        clearInterval(timer);
        resolve();
        return;
      }
      for (let i = 0; i < 2; i++) {
        const call = client.say('x', { deadline: Date.now() + 800 }).then(({ code }) => {
          const nowMs = systemClock.nowMs();
          if (code === 'OK' && nowMs >= startedMs + warmUpMs && nowMs < endMs) good++;
        });
        calls.push(call);
      }
    }, 5);
  });
  await Promise.all(calls);
  await mesh.close();
  return (good * 1000) / measureMs;
}

describe('an adaptive limit on real grpc-js', () => {
  test('A14: answers in time at least 0.9 of what the best of the fixed limits does in the same run', {
    timeout: 60_000,
    retry: 1,
  }, async () => {
    let best = 0;
    for (const n of [4, 8, 16, 24, 64]) {
      best = Math.max(best, await goodput({ algorithm: 'aimd', initial: n, min: n, max: n }, 500, 1000));
    }
    expect(await goodput({}, 2000, 1500)).toBeGreaterThanOrEqual(0.9 * best);
  });
});
