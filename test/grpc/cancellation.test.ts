import type { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { Code, type MethodKind } from '../../src/call.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { Ear, Rig, type UpperCall } from '../doors/rig.ts';
import { doors, EchoClient, Gate, type Handlers, serve } from '../support/loopback.ts';
import { coalesceIn, forms, pair, tunnelPair } from './pair.ts';

const kinds: readonly MethodKind[] = ['unary', 'clientStream', 'serverStream', 'bidi'];

/** One slot, and a retry that waits: every place where a call can be when it is cancelled. */
const policy: Policy = {
  defaults: { idempotent: true, bulkhead: { slots: 1, queue: 1 }, retryPolicy: { initialBackoff: '0.1s', maxBackoff: '0.1s' } },
};

interface Place {
  readonly name: string;
  /** Brings a call there; gives it, started unless the place is before that. */
  readonly bring: (rig: Rig, make: () => { call: UpperCall; ear: Ear }) => { call: UpperCall; ear: Ear };
  /** What the call below it was told. */
  readonly told: readonly string[] | 'nothing';
}

const places: readonly Place[] = [
  {
    name: 'C1: queued in the bulkhead',
    bring: (_rig, make) => {
      make(); // has the slot
      return make();
    },
    told: 'nothing',
  },
  {
    name: 'C2: in backoff',
    bring: (rig, make) => {
      const made = make();
      rig.last.end(Code.UNAVAILABLE);
      return made;
    },
    told: 'nothing',
  },
  { name: 'C2: in flight', bring: (_rig, make) => make(), told: ['cancel 1'] },
  {
    name: 'C3: after headers',
    bring: (rig, make) => {
      const made = make();
      rig.last.listener?.onReceiveMetadata(new Metadata());
      return made;
    },
    told: ['cancel 1'],
  },
];

describe.for(doors)('a call cancelled behind %s', (door) => {
  describe.for(kinds)('%s', (kind) => {
    const start = (rig: Rig): { call: UpperCall; ear: Ear } => {
      const call = rig.make(kind);
      const ear = new Ear();
      call.start(new Metadata(), ear);
      if (door === 'channel') call.startRead();
      call.sendMessageWithContext({}, door === 'channel' ? Buffer.from('hello') : { text: 'hello' });
      if (kind === 'unary' || kind === 'serverStream') call.halfClose();
      return { call, ear };
    };

    test.for(places)('$name: told once, the call below at once, and its slot is free', async ({ bring, told }) => {
      const rig = new Rig(door, { policy });
      rig.onLower = (lower) => {
        lower.onCancel = (code, details) => process.nextTick(() => lower.end(code, details));
      };
      const { call, ear } = bring(rig, () => start(rig));
      const lower = rig.last;
      const { length: lowers } = rig.lowers;
      const before = lower.log.length;
      call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
      call.cancelWithStatus(Code.CANCELLED, 'again');
      const said = lower.log.slice(before).filter((line) => line.startsWith('cancel'));
      expect(said.slice(0, 1)).toEqual(told === 'nothing' ? [] : told);
      await turn();
      expect(ear.log.filter((line) => line === 'status')).toHaveLength(1);
      expect(ear.log.at(-1)).toBe('status');
      expect(ear.status).toMatchObject({ code: Code.CANCELLED, details: 'Cancelled on client' });
      if (!lower.log.some((line) => line.startsWith('cancel'))) lower.end(Code.OK); // the one that had the slot
      // After the end nothing comes of it, and nobody throws.
      call.cancelWithStatus(Code.CANCELLED, 'too late');
      call.sendMessageWithContext({}, door === 'channel' ? Buffer.from('x') : { text: 'x' });
      call.halfClose();
      rig.clock.advance(1000);
      await turn();
      expect(rig.lowers).toHaveLength(lowers);
      expect(ear.log.filter((line) => line === 'status')).toHaveLength(1);
      expect(rig.clock.pending).toBe(0);
      // The slot is free again.
      const next = start(rig);
      expect(rig.lowers).toHaveLength(lowers + 1);
      rig.last.end(Code.OK);
      await turn();
      expect(next.ear.status?.code).toBe(Code.OK);
    });

    test('C3: after its end nothing happens any more', async () => {
      const rig = new Rig(door, { policy });
      const { call, ear } = start(rig);
      rig.last.end(Code.INVALID_ARGUMENT, 'no');
      await turn();
      const { length } = rig.last.log;
      call.cancelWithStatus(Code.CANCELLED, 'too late');
      await turn();
      expect(ear.status?.code).toBe(Code.INVALID_ARGUMENT);
      expect(ear.log.filter((line) => line === 'status')).toHaveLength(1);
      expect(rig.last.log.slice(length).filter((line) => line === 'start')).toEqual([]);
      expect(rig.clock.pending).toBe(0);
    });
  });
});

test.for(doors)('C2: with a hedge out behind %s: both are told at once, and no third begins', async (door) => {
  const rig = new Rig(door, { policy: { defaults: { idempotent: true, hedgingPolicy: { maxAttempts: 3, hedgingDelay: '0.05s' } } } });
  rig.onLower = (lower) => {
    lower.onCancel = (code, details) => process.nextTick(() => lower.end(code, details));
  };
  const { call, ear } = rig.unary();
  rig.clock.advance(60);
  expect(rig.lowers).toHaveLength(2);
  call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
  for (const lower of rig.lowers) expect(lower.log).toContain('cancel 1');
  await turn();
  rig.clock.advance(1000);
  expect(rig.lowers).toHaveLength(2);
  expect(ear.log.filter((line) => line === 'status')).toHaveLength(1);
  expect(ear.status?.code).toBe(Code.CANCELLED);
  expect(rig.clock.pending).toBe(0);
});

describe.for(doors)('with both ends behind %s', (door) => {
  test('C1: a call cancelled before it was started sends nothing', async () => {
    let handled = 0;
    const say: Handlers['say'] = (call, callback) => {
      handled++;
      callback(null, call.request);
    };
    await using made = await pair(door, { say }, {});
    let told = 0;
    const { code } = await made.client.say('x', {
      onCall: (call) => {
        call.cancel();
        call.on('status', () => told++);
      },
    });
    expect(code).toBe('CANCELLED');
    await turn();
    expect(told).toBe(1);
    expect(handled).toBe(0);
    await made.mesh.close();
  });

  test.for(forms)('C1: queued for a batch in %s, it never goes out', async (form) => {
    const seen: string[] = [];
    const say: Handlers['say'] = (call, callback) => {
      seen.push(call.request.text);
      callback(null, call.request);
    };
    await using made = form === 'tunnel' ? await tunnelPair(door, { say }) : await pair(door, { say }, { coalesce: coalesceIn(form) });
    const ends = await Promise.all([
      made.client.say('a'),
      made.client.say('b', { onCall: (call) => process.nextTick(() => call.cancel()) }),
      made.client.say('c'),
    ]);
    expect(ends.map(({ code }) => code)).toEqual(['OK', 'CANCELLED', 'OK']);
    expect(seen.filter((text) => text.length === 1).sort()).toEqual(['a', 'c']);
    await made.mesh.close();
  });

  test.for(['alone', ...forms] as const)(
    'C5: a client that goes is a cancellation at the handler of a call %s, and its slot is freed once',
    async (how) => {
      const arrived = new Gate();
      const cancelled = new Gate();
      const resolve = new Gate();
      const again = new Gate();
      let out = 0;
      const serving = createMesh({ server: { bulkhead: { slots: 3 } } });
      const handlers: Partial<Handlers> = {
        say: (call, callback) => {
          if (call.request.text === 'again') return void again.opened.then(() => callback(null, call.request));
          if (call.request.text !== 'hold') return callback(null, call.request);
          if (++out === 3) arrived.open();
          (call as EventEmitter).on('cancelled', () => cancelled.open());
          void resolve.opened.then(() => callback(null, call.request));
        },
      };
      await using running = await serve({ server: new MeshServer({ mesh: serving }), handlers });
      const mesh = createMesh(how === 'alone' ? {} : { coalesce: coalesceIn(how) });
      const client = new EchoClient({ address: running.address, mesh, door });
      await client.learn();
      const held = Promise.all(
        ['hold', 'hold', 'hold'].map((text) => client.say(text, { onCall: (call) => void arrived.opened.then(() => call.cancel()) })),
      );
      await cancelled.opened;
      expect((await held).map(({ code }) => code)).toEqual(['CANCELLED', 'CANCELLED', 'CANCELLED']);
      await expect.poll(() => serving.stats().server.active).toBe(0);
      resolve.open(); // the handlers answer after all: nothing is given back twice
      await turn();
      // Three slots, no more and no less.
      using other = new EchoClient({ address: running.address });
      const four = other.burst(Array(4).fill('again'));
      await expect.poll(() => serving.stats().server.byCode['RESOURCE_EXHAUSTED']).toBe(1);
      again.open();
      expect((await four).map(({ code }) => code).sort()).toEqual(['OK', 'OK', 'OK', 'RESOURCE_EXHAUSTED']);
      await mesh.close();
    },
  );
});
