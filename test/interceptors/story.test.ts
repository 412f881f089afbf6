import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { placed } from '../../interceptors/pipeline.ts';
import { storyClient } from '../../interceptors/story.ts';
import { Bag } from '../../src/bag.ts';
import { Code } from '../../src/call.ts';
import { noCounts } from '../../src/call-counts.ts';
import { refusal } from '../../src/errors.ts';
import { localStatus } from '../../src/grpc/refuse.ts';
import type { OpenCall } from '../../src/grpc/story-call.ts';
import { Recorder } from '../../src/observe/recorder.ts';
import type { CallView } from '../../src/observe/views.ts';
import { Ear, Rig, type RigOptions, succeed } from '../doors/rig.ts';
import { type Door, doors } from '../support/loopback.ts';

/** A rig whose calls are tapped. */
function tapped(door: Door, options: RigOptions = {}): { readonly rig: Rig; readonly seen: () => readonly CallView[] } {
  const rig = new Rig(door, options);
  const calls: CallView[] = [];
  rig.recorder.taps.subscribe({}, (call) => void calls.push(call));
  return {
    rig,
    seen: () => {
      rig.clock.endTurn();
      return calls;
    },
  };
}

describe.for(doors)('the story of a client call behind %s', (door) => {
  test('it lasts from start to status; the pause before a retry is no queue', () => {
    const { rig, seen } = tapped(door, { policy: { defaults: { idempotent: true } } });
    const startedAtMs = rig.clock.wallMs();
    rig.unary();
    rig.clock.advance(7);
    rig.last.end(Code.UNAVAILABLE);
    rig.clock.advance(1000);
    rig.clock.advance(5);
    succeed(rig.last);
    expect(seen()).toMatchObject([{ startedAtMs, durationMs: 1012, attempts: 2, hedges: 0, queuedMs: 0, status: 'OK' }]);
    expect(rig.recorder.ledger.views()).toMatchObject([{ calls: 1, active: 0, attempts: 2, retries: 1, failed: 0 }]);
  });

  test('the wait for a slot is a part of it, to the moment', () => {
    const { rig, seen } = tapped(door, { policy: { defaults: { bulkhead: { slots: 1, queue: 1 } } } });
    rig.unary();
    rig.unary();
    rig.clock.advance(30);
    succeed(rig.last);
    rig.clock.advance(10);
    succeed(rig.last);
    expect(seen()).toMatchObject([
      { durationMs: 30, queuedMs: 0 },
      { durationMs: 40, queuedMs: 30 },
    ]);
  });

  test('a wait that ends in a refusal counts too', async () => {
    const { rig, seen } = tapped(door, { policy: { defaults: { bulkhead: { slots: 1, queue: 1, queueTimeout: '0.05s' } } } });
    rig.unary();
    rig.unary();
    rig.clock.advance(50);
    await turn();
    expect(seen()).toMatchObject([{ reason: 'client.bulkhead/queue-timeout', queuedMs: 50, durationMs: 50, attempts: 0 }]);
    succeed(rig.last);
  });

  test('a call that runs is active and has no record yet', () => {
    const { rig, seen } = tapped(door);
    rig.unary();
    expect(seen()).toEqual([]);
    expect(rig.recorder.ledger.views()).toMatchObject([{ calls: 1, active: 1, byStatus: {} }]);
    succeed(rig.last);
    expect(seen().length).toBe(1);
  });

  test('a call that throws at the call site has none', () => {
    const { rig, seen } = tapped(door);
    rig.onLower = (lower) => {
      lower.onStart = () => {
        throw new Error('a fault of others');
      };
    };
    expect(() => rig.make().start(new Metadata(), new Ear())).toThrow('a fault of others');
    expect(seen()).toEqual([]);
    expect(rig.recorder.ledger.views()).toMatchObject([{ calls: 0, active: 0 }]);
  });

  test('what is ended from above has one end: what comes from below then is not heard', () => {
    const open = new Bag<OpenCall>();
    const counts = noCounts();
    let recorder: Recorder | undefined;
    let idle = 0;
    const rig = new Rig(door, {
      behaviour: (clock) => {
        recorder = new Recorder({ clock });
        return placed(
          'story',
          storyClient(counts, recorder, () => idle++, open),
        );
      },
    });
    const { ear } = rig.unary();
    for (const call of open.items()) call.end(localStatus(refusal(Code.UNAVAILABLE, 'client.mesh/closed', 'closed')));
    rig.last.end(Code.CANCELLED);
    expect(rig.last.log.at(-1)).toBe('cancel 1');
    expect(ear.status?.code).toBe(Code.UNAVAILABLE);
    expect(recorder?.ledger.views()).toMatchObject([{ calls: 1, active: 0, refused: 1, byStatus: { UNAVAILABLE: 1 } }]);
    expect([counts.calls, counts.active, counts.failed, idle]).toEqual([1, 0, 1, 1]);
  });
});
