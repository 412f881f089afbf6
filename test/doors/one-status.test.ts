import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Code, type MethodKind } from '../../src/call.ts';
import type { PlacedBehaviour } from '../../src/grpc/interceptor-door.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { doors } from '../support/loopback.ts';
import { Ear, type LowerCall, Rig } from './rig.ts';

/** Everything that waits, refuses or repeats, switched on; slots are so few that calls meet in the queue. */
const policy: Policy = {
  defaults: {
    timeout: '5s',
    idempotent: true,
    retryPolicy: { maxAttempts: 3, initialBackoff: '0.01s', retryableStatusCodes: ['UNAVAILABLE', 'ABORTED'] },
    bulkhead: { slots: 2, queue: 2, queueTimeout: '0.3s' },
  },
  coalesce: 'auto',
};

/** And what may not stand beside a retry policy, or would hide the queue of the slots. */
const hedged: Policy = {
  defaults: {
    timeout: '0.25s',
    idleTimeout: '0.08s',
    idempotent: true,
    hedgingPolicy: { maxAttempts: 3, hedgingDelay: '0.02s' },
    limit: { initial: 2, max: 2, queue: 2, queueTimeout: '0.3s' },
    breaker: { consecutiveFailures: 3, openTime: '0.05s' },
  },
  coalesce: 'auto',
};

const kind = fc.constantFrom<MethodKind>('unary', 'clientStream', 'serverStream', 'bidi');
const code = fc.constantFrom(Code.OK, Code.OK, Code.UNAVAILABLE, Code.ABORTED, Code.INVALID_ARGUMENT, Code.DEADLINE_EXCEEDED);

/** What a lower call does after its start; its deadline and a cancel end it before. */
const program = fc.record({
  headersAfter: fc.option(fc.nat(40), { nil: undefined }),
  messages: fc.nat(2),
  endAfter: fc.nat(120),
  code,
});
const caller = fc.record({
  kind,
  startAfter: fc.nat(60),
  timeout: fc.option(fc.integer({ min: -5, max: 300 }), { nil: undefined }),
  sendAfter: fc.nat(40),
  cancelAfter: fc.option(fc.nat(200), { nil: undefined }),
});

type Program = typeof program extends fc.Arbitrary<infer T> ? T : never;
type Caller = typeof caller extends fc.Arbitrary<infer T> ? T : never;

/** A lower half as grpc-js's is: one status, the first of its own end, its deadline and a cancel. */
function play(rig: Rig, lower: LowerCall, { headersAfter, messages, endAfter, code: end }: Program): void {
  let ended = false;
  const finish = (status: number, details: string): void => {
    if (ended) return;
    ended = true;
    for (const stop of timers) stop();
    lower.end(status, details);
  };
  const timers = [
    ...(headersAfter === undefined
      ? []
      : [rig.clock.setTimer(() => lower.listener?.onReceiveMetadata(new Metadata()), Math.min(headersAfter, endAfter))]),
    rig.clock.setTimer(() => {
      if (end === Code.OK || headersAfter !== undefined) {
        for (let i = 0; i < messages; i++) lower.listener?.onReceiveMessage(Buffer.from('x'));
      }
      finish(end, 'by program');
    }, endAfter),
    ...(lower.deadlineMs === Number.POSITIVE_INFINITY
      ? []
      : [rig.clock.setTimer(() => finish(Code.DEADLINE_EXCEEDED, 'Deadline exceeded'), lower.deadlineMs - rig.clock.nowMs())]),
  ];
  lower.onCancel = (status, details) => process.nextTick(finish, status, details);
}

function live(rig: Rig, door: 'channel' | 'interceptors', { kind: methodKind, timeout, sendAfter, cancelAfter }: Caller): Ear {
  const { clock } = rig;
  const call = rig.make(methodKind, timeout === undefined ? undefined : clock.nowMs() + timeout);
  const ear = new Ear();
  call.start(new Metadata(), ear);
  if (door === 'channel') call.startRead();
  const send = (): void => {
    call.sendMessageWithContext({}, door === 'channel' ? Buffer.from('hello') : { text: 'hello' });
    call.halfClose();
  };
  if (methodKind === 'unary') send();
  else clock.setTimer(send, sendAfter);
  if (cancelAfter !== undefined) clock.setTimer(() => call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client'), cancelAfter);
  return ear;
}

describe.for(doors)('the whole client stack behind %s', (door) => {
  test.for([
    ['retries and slots', policy],
    ['hedges, limits, breakers and idle timeouts', hedged],
  ] as const)(
    'C6: whatever the schedule, a caller hears exactly one status, last, and nothing stays behind, with %s',
    async ([, everything]) => {
      let settled = 0;
      let refused = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(caller, { minLength: 1, maxLength: 8 }),
          fc.array(program, { minLength: 1, maxLength: 12 }),
          fc.nat(),
          async (callers, programs, seed) => {
            const rig = new Rig(door, { policy: everything, seed });
            rig.onLower = (lower, index) => {
              lower.onStart = () => play(rig, lower, programs[index % programs.length] as Program);
            };
            const ears: { kind: MethodKind; ear: Ear }[] = [];
            for (const one of callers) rig.clock.setTimer(() => ears.push({ kind: one.kind, ear: live(rig, door, one) }), one.startAfter);
            for (let at = 0; at < 1000; at += 20) {
              rig.clock.advance(20);
              rig.clock.endTurn();
              await turn();
            }
            rig.clock.advance(10_000);
            await turn();
            expect(ears.length).toBe(callers.length);
            for (const { kind: methodKind, ear } of ears) {
              expect(ear.log.filter((line) => line === 'status')).toHaveLength(1);
              expect(ear.log.at(-1)).toBe('status');
              expect(ear.log.lastIndexOf('metadata')).toBeLessThanOrEqual(
                ear.log.includes('message') && ear.log.includes('metadata') ? ear.log.indexOf('message') : ear.log.length,
              );
              const unaryAnswer = methodKind === 'unary' || methodKind === 'clientStream';
              // grpc-js's clients of a unary answer are promised a message before an error, if only `null`; channels promise none.
              if (door === 'interceptors' && unaryAnswer && ear.status?.code !== Code.OK)
                expect(ear.log.some((line) => line === 'null' || line === 'message')).toBe(true);
              if (door === 'channel' || !unaryAnswer) expect(ear.log).not.toContain('null');
              settled++;
            }
            expect(rig.counts.client.active).toBe(0);
            expect(rig.clock.pending).toBe(0);
            for (const count of Object.values(rig.counts.client.refused)) refused += count;
          },
        ),
        { numRuns: 250 },
      );
      // The schedules reach what they are meant for.
      expect(settled).toBeGreaterThan(250);
      expect(refused).toBeGreaterThan(20);
    },
  );

  test.for(['under the whole stack', 'under an empty one'])(
    'C6: whatever a lower half says after its end, the app hears no more, %s',
    (under) => {
      const behaviour = (): PlacedBehaviour => ({ name: 'nothing', from: 0, to: 0, intercept: (info, next) => next(info) });
      const rig = new Rig(door, under === 'under an empty one' ? { behaviour } : {});
      const { ear } = rig.unary();
      rig.last.end(Code.NOT_FOUND);
      const heard = [...ear.log];
      rig.last.listener?.onReceiveMetadata(new Metadata());
      rig.last.listener?.onReceiveMessage(Buffer.from('late'));
      rig.last.end(Code.OK);
      expect(ear.log).toEqual(heard);
      expect(ear.status?.code).toBe(Code.NOT_FOUND);
      expect(rig.counts.client.active).toBe(0);
    },
  );
});
