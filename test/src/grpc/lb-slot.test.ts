import { Metadata, connectivityState as State } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { noBalanceCounts } from '../../../src/balance/counts.ts';
import { Slot } from '../../../src/grpc/lb-slot.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeChannel, type FakeSubchannel } from './fake-channel.ts';

const A = '10.0.0.1:80';
const OPTIONS = { 'grpc.primary_user_agent': 'x' };
const QUIET = { silentMs: 0, latencyMs: 20, ejected: false };
const SILENT = { silentMs: 1_000, latencyMs: 1_000, ejected: false };

let channel: FakeChannel;
let clock: FakeClock;
let slot: Slot;
let seen: string[];
let may: boolean;

beforeEach(() => {
  channel = new FakeChannel();
  clock = new FakeClock();
  seen = [];
  may = true;
  slot = new Slot(
    A,
    { addresses: [{ host: '10.0.0.1', port: 80 }] },
    {
      ...{ helper: channel, options: OPTIONS, note: '', clock, counts: noBalanceCounts(), connectTimeoutMs: 5_000 },
      picked: () => {},
      changed: (_slot, state, error) => seen.push(`${State[state]}${error === null ? '' : `: ${error}`}`),
      rebuilt: () => seen.push('rebuilt'),
      mayTry: () => may,
    },
  );
  slot.start();
});

afterEach(() => {
  slot.destroy();
  expect(clock.pending).toBe(0);
});

/** The newest connection. */
const newest = (): FakeSubchannel => channel.at(A);

/** A call goes out on the connection in use; gives what ends it. */
function call(): () => void {
  const picked = slot.connection.pick({ metadata: new Metadata(), extraPickInfo: {} });
  picked.onCallStarted?.();
  return () => picked.onCallEnded?.(0, '', new Metadata());
}

/** Connects in 20 ms, is used, then silent for a second. */
function goSilent(): { readonly first: FakeSubchannel; readonly end: () => void } {
  const first = newest();
  first.connect();
  clock.advance(20);
  first.move(State.READY);
  const end = call();
  slot.check(QUIET, clock.nowMs(), clock.nowMs());
  slot.check(SILENT, clock.nowMs(), clock.nowMs());
  return { first, end };
}

/** One round later. */
function round(ms: number, answeredAtMs = 0): void {
  clock.advance(ms);
  slot.check(SILENT, answeredAtMs, clock.nowMs());
}

describe('the connections to one endpoint', () => {
  test('M12: one that is not ready in time has failed, with a reason', () => {
    const signal = newest().connect();
    clock.advance(5_000);
    expect(signal.aborted).toBe(true);
    expect(seen.at(-1)).toBe(`TRANSIENT_FAILURE: ${A} was not ready for calls within 5000 ms`);
    newest().move(State.TRANSIENT_FAILURE, 'refused');
    newest().connect();
    newest().move(State.TRANSIENT_FAILURE, 'refused');
    expect(seen.at(-1)).toContain('refused');
  });

  test('X4: one that falls silent gets another beside it, shared with nobody, in attempts of 300 ms', () => {
    const { first } = goSilent();
    const second = newest();
    expect(second).not.toBe(first);
    expect(second.options).toMatchObject({ ...OPTIONS, 'inmesh.generation': expect.any(Number) });
    expect(first.options).not.toHaveProperty('inmesh.generation');
    const signal = second.connect();
    clock.advance(299);
    expect(signal.aborted).toBe(false);
    clock.advance(1);
    expect(signal.aborted).toBe(true);
    round(250);
    expect(newest()).toBe(second);
    expect(slot.state).toBe(State.READY);
    expect(seen).not.toContain('rebuilt');
  });

  test('X4: an attempt has four times what the last connection took', () => {
    const first = newest();
    first.connect();
    clock.advance(200);
    first.move(State.READY);
    call();
    slot.check(QUIET, 0, clock.nowMs());
    slot.check(SILENT, 0, clock.nowMs());
    const signal = newest().connect();
    clock.advance(799);
    expect(signal.aborted).toBe(false);
    clock.advance(1);
    expect(signal.aborted).toBe(true);
  });

  test('X4: the other one takes its place as soon as it is ready; calls on the first end in peace', () => {
    const { first, end } = goSilent();
    newest().connect();
    newest().move(State.READY);
    expect(seen.slice(-2)).toEqual(['rebuilt', 'READY']);
    expect([first.refs, first.state]).toEqual([0, State.READY]);
    expect(slot.connection.inFlight).toBe(0);
    end();
    expect(slot.connection.inFlight).toBe(0);
    first.move(State.IDLE);
    expect(seen.at(-1)).toBe('READY');
  });

  test('a connection of its own is closed when it is let go, after the last call on it', () => {
    goSilent();
    const signal = newest().connect();
    newest().move(State.READY);
    const end = call();
    slot.destroy();
    expect(signal.aborted).toBe(false);
    end();
    expect(signal.aborted).toBe(true);
  });

  test('one that answers after all stays, and the other is given up with its socket', () => {
    const { first } = goSilent();
    const signal = newest().connect();
    round(250, clock.nowMs() + 100);
    expect([signal.aborted, slot.trying, first.refs]).toEqual([true, false, 1]);
  });

  test('one that breaks is opened again, and the other is given up', () => {
    const { first } = goSilent();
    const signal = newest().connect();
    first.move(State.IDLE);
    round(250);
    expect([signal.aborted, slot.trying]).toEqual([true, false]);
    expect(seen.at(-1)).toBe('IDLE');
  });

  test('when nothing gets through for connectTimeout the endpoint is not connected, until an attempt does', () => {
    const { first } = goSilent();
    for (let passed = 0; passed < 5_000; passed += 250) {
      if (newest().state !== State.CONNECTING) newest().connect();
      round(250);
    }
    expect(first.refs).toBe(0);
    expect(seen).toContain('rebuilt');
    expect(slot.state).not.toBe(State.READY);
    newest().connect();
    newest().move(State.READY);
    expect(seen.at(-1)).toBe('READY');
  });

  test('haste ends after 30 s without a connection', () => {
    goSilent();
    for (let passed = 0; passed < 5_000; passed += 250) {
      if (newest().state !== State.CONNECTING) newest().connect();
      round(250);
    }
    const hasty = newest();
    expect(hasty.options).toMatchObject({ 'grpc.max_reconnect_backoff_ms': 200 });
    clock.advance(30_000);
    expect(newest()).not.toBe(hasty);
    expect(newest().options).not.toHaveProperty('grpc.max_reconnect_backoff_ms');
    const signal = newest().connect();
    clock.advance(4_999);
    expect(signal.aborted).toBe(false);
  });

  test('a connection on which no call went out is not suspected, nor one more tried than is allowed', () => {
    const first = newest();
    first.connect();
    first.move(State.READY);
    slot.check(QUIET, 0, clock.nowMs());
    round(250);
    expect(slot.trying).toBe(false);
    call();
    may = false;
    round(250);
    expect(slot.trying).toBe(false);
    may = true;
    round(250);
    expect(slot.trying).toBe(true);
  });
});
