/**
 * Calls that wait or are refused: the record says where, how long, by whom and why.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { status as Status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { clientDoors, Gate, type Handlers } from '../support/loopback.ts';
import { fails, SAY, stage } from './story-stage.ts';

describe.each(clientDoors)('the record of a refused call at door %s', (door) => {
  test('a call that waits for a slot says how long, and one that finds none who refused it', async () => {
    const gates = [new Gate(), new Gate()];
    let served = 0;
    const say: Handlers['say'] = async (call, callback) => {
      await gates[served++]?.opened;
      callback(null, { text: call.request.text });
    };
    const policy: Policy = { methods: { [SAY]: { bulkhead: { slots: 1, queue: 1 } } } };
    await using all = await stage(door, { policy, handlers: { say } });
    const calls = ['a', 'b', 'c'].map((text) => all.client.say(text));
    await calls[2];
    const { limits } = all.mesh.overview();
    expect(limits).toEqual([{ side: 'client', key: SAY, kind: 'bulkhead', limit: 1, inUse: 1, queued: 1, refused: 1 }]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const gate of gates) gate.open();
    await Promise.all(calls);
    const [refused, first, second] = await all.seen(3);
    expect(refused).toMatchObject({
      status: 'RESOURCE_EXHAUSTED',
      reason: 'client.bulkhead/queue-full',
      attempts: 0,
      endpoints: [],
      queuedMs: 0,
    });
    expect(first).toMatchObject({ status: 'OK', queuedMs: 0 });
    expect(second?.queuedMs).toBeGreaterThan(15);
    expect(all.mesh.observer.events.since(0)).toContainEqual(
      expect.objectContaining({ kind: 'call.refused', level: 'warn', subject: SAY, reason: 'client.bulkhead/queue-full', times: 1 }),
    );
  });

  test('a refusal on the server: who and why, on both sides', async () => {
    const gate = new Gate();
    const say: Handlers['say'] = async (call, callback) => {
      if (call.request.text === 'slow') await gate.opened;
      callback(null, { text: call.request.text });
    };
    const serverPolicy: Policy = { server: { bulkhead: { slots: 1, queue: 0 } } };
    const policy: Policy = { defaults: { retryPolicy: { maxAttempts: 1 } } };
    await using all = await stage(door, { policy, serverPolicy, handlers: { say } });
    const slow = all.client.say('slow');
    await expect.poll(() => all.serverMesh.stats().server.active).toBe(1);
    await all.client.say('refused');
    gate.open();
    await slow;
    const reason = 'server.bulkhead/queue-full';
    expect((await all.seen(2))[0]).toMatchObject({ status: 'RESOURCE_EXHAUSTED', reason, attempts: 1 });
    expect((await all.seen(2, all.served))[0]).toMatchObject({ status: 'RESOURCE_EXHAUSTED', reason, attempts: 0 });
    expect(all.mesh.overview().methods[0]).toMatchObject({ failed: 1, refused: 0 });
    expect(all.serverMesh.overview().methods[0]).toMatchObject({ failed: 1, refused: 1 });
    expect(all.serverMesh.stats().server.refused).toEqual({ [reason]: 1 });
  });

  test.each<[string, Policy, Partial<Handlers>, string]>([
    ['breaker', { methods: { [SAY]: { breaker: { consecutiveFailures: 1 } } } }, fails(Status.UNAVAILABLE, 99), 'client.breaker/open'],
    ['throttle', { adaptiveThrottle: { k: 1.1 } }, fails(Status.UNAVAILABLE, 1e9), 'client.throttle/shed'],
  ])('a refusal by the %s', async (_, policy, handlers, reason) => {
    await using all = await stage(door, { policy: { defaults: { retryPolicy: { maxAttempts: 1 } }, ...policy }, handlers });
    for (let i = 0; i < 200 && !all.calls.some((call) => call.reason === reason); i++) await all.client.say('a');
    await turn();
    const refused = all.calls.find((call) => call.reason === reason);
    expect(refused).toMatchObject({ status: 'UNAVAILABLE', attempts: 0, endpoints: [] });
    expect(all.mesh.overview().methods[0]?.refused).toBeGreaterThan(0);
  });

  // [reason, the client's policy, the server's, status, attempts, wait in the queue]
  test.each<[string, Policy, Policy, string, number, boolean]>([
    ['client.limit/full', { defaults: { limit: { initial: 1, max: 1 } } }, {}, 'RESOURCE_EXHAUSTED', 0, false],
    ['client.limit/deadline', { defaults: { limit: { initial: 1, max: 1, queue: 9 } } }, {}, 'DEADLINE_EXCEEDED', 0, true],
    ['client.bulkhead/deadline', { defaults: { bulkhead: { slots: 1, queue: 9 } } }, {}, 'DEADLINE_EXCEEDED', 0, true],
    [
      'client.bulkhead/queue-timeout',
      { defaults: { bulkhead: { slots: 1, queue: 9, queueTimeout: '0.03s' } } },
      {},
      'RESOURCE_EXHAUSTED',
      0,
      true,
    ],
    ['server.limit/full', {}, { server: { limit: { initial: 1, max: 1 } } }, 'RESOURCE_EXHAUSTED', 1, false],
    [
      'server.bulkhead/queue-timeout',
      {},
      { server: { bulkhead: { slots: 1, queue: 9, queueTimeout: '0.03s' } } },
      'RESOURCE_EXHAUSTED',
      1,
      true,
    ],
  ])(
    '%s: the record says who, why, how long it waited and that it never ran',
    async (reason, policy, serverPolicy, code, attempts, waits) => {
      const gate = new Gate();
      let ran = 0;
      const say: Handlers['say'] = async (call, callback) => {
        ran++;
        await gate.opened;
        callback(null, { text: call.request.text });
      };
      const { defaults, ...others } = policy;
      const once: Policy = { ...others, defaults: { ...defaults, retryPolicy: { maxAttempts: 1 } } };
      await using all = await stage(door, { policy: once, serverPolicy, handlers: { say } });
      const first = all.client.say('first');
      await expect.poll(() => ran).toBe(1);
      const deadline = reason.endsWith('/deadline') ? { deadline: Date.now() + 60 } : {};
      await all.client.say('refused', deadline);
      gate.open();
      await first;
      const [refused] = await all.seen(2);
      expect(refused).toMatchObject({ side: 'client', status: code, reason, attempts });
      const onServer = reason.startsWith('server.');
      const where = onServer ? (await all.seen(2, all.served))[0] : refused;
      expect(where).toMatchObject({ status: code, reason, attempts: 0 });
      if (waits) expect(where?.queuedMs).toBeGreaterThan(15);
      else expect(where?.queuedMs).toBe(0);
      expect(ran).toBe(1);
      const told = (onServer ? all.serverMesh : all.mesh).observer.events.since(0).filter(({ kind }) => kind === 'call.refused');
      expect(told).toMatchObject([{ reason, subject: SAY, times: 1 }]);
    },
  );
});
