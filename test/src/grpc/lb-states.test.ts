import { experimental, Metadata, connectivityState as State } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Endpoints } from '../../../src/balance/endpoints.ts';
import { type AttemptContext, attemptContext } from '../../../src/grpc/client-call.ts';
import { bookOption, newBook, PeakEwmaBalancer, PeakEwmaConfig, withAttempt } from '../../../src/grpc/lb-policy.ts';
import { type EndpointSettings, newSettings, settingsOption } from '../../../src/grpc/lb-settings.ts';
import { FakeChannel } from './fake-channel.ts';
import { readyIn } from './replicas.ts';

const A = '10.0.0.1:80';
const B = '10.0.0.2:80';
const C = '10.0.0.3:80';
let channel: FakeChannel;
let policy: PeakEwmaBalancer;
let book: Endpoints;
let settings: EndpointSettings;

beforeEach(() => {
  channel = new FakeChannel();
  policy = new PeakEwmaBalancer(channel);
  book = newBook();
  settings = newSettings();
});

afterEach(() => policy.destroy());

function resolved(...addresses: string[]): boolean {
  const endpoints = addresses.map((address) => ({ addresses: [{ host: address.split(':')[0] ?? '', port: 80 }] }));
  return policy.updateAddressList(
    experimental.statusOrFromValue(endpoints),
    new PeakEwmaConfig(),
    { ...bookOption(book), ...settingsOption(settings) },
    'a note',
  );
}

describe('state of the channel', () => {
  test('is CONNECTING, then READY with the first connection, as in round_robin', () => {
    resolved(A, B);
    expect(channel.state).toBe(State.CONNECTING);
    channel.at(A).move(State.READY);
    expect(channel.state).toBe(State.READY);
    channel.at(B).move(State.TRANSIENT_FAILURE, 'refused');
    expect(channel.state).toBe(State.READY);
    expect(book.endpoints.map((endpoint) => endpoint.ready)).toEqual([true, false]);
  });

  test('is TRANSIENT_FAILURE with the last error when every connection failed', () => {
    resolved(A, B);
    channel.at(A).move(State.TRANSIENT_FAILURE, 'first');
    expect(channel.state).toBe(State.CONNECTING);
    channel.at(B).move(State.TRANSIENT_FAILURE, 'second');
    expect(channel.state).toBe(State.TRANSIENT_FAILURE);
    expect(channel.error).toMatch(/^inmesh_peak_ewma: No connection established. Last error: .*second/);
  });

  test('is TRANSIENT_FAILURE rather than IDLE when one connection failed and the last other one was lost', () => {
    book = newBook({ graceMs: 0 });
    resolved(A, B);
    channel.at(A).move(State.TRANSIENT_FAILURE, 'first');
    channel.at(B).move(State.READY);
    channel.at(B).move(State.IDLE);
    expect(channel.states.slice(-3)).toEqual([State.READY, State.TRANSIENT_FAILURE, State.CONNECTING]);
  });

  test('lets calls wait for graceMs when the last ready connection is lost, then fails them', async () => {
    book = newBook({ graceMs: 20 });
    resolved(A, B);
    channel.at(A).move(State.READY);
    channel.at(B).move(State.TRANSIENT_FAILURE, 'second');
    channel.at(A).move(State.IDLE);
    channel.at(A).move(State.TRANSIENT_FAILURE, 'refused');
    expect(channel.state).toBe(State.CONNECTING);
    expect(channel.picker?.pick({ metadata: new Metadata(), extraPickInfo: {} }).pickResultType).toBe(experimental.PickResultType.QUEUE);
    await expect.poll(() => channel.state).toBe(State.TRANSIENT_FAILURE);
    policy.destroy();
  });

  test('is READY at once when a connection comes back within graceMs, and waits anew after the next loss', () => {
    resolved(A, B);
    channel.at(A).move(State.READY);
    channel.at(B).move(State.TRANSIENT_FAILURE, 'second');
    channel.at(A).move(State.IDLE);
    channel.at(A).move(State.TRANSIENT_FAILURE, 'refused');
    channel.at(A).move(State.READY);
    expect(channel.state).toBe(State.READY);
    channel.at(A).move(State.IDLE);
    channel.at(A).move(State.TRANSIENT_FAILURE, 'again');
    expect(channel.state).toBe(State.CONNECTING);
    policy.destroy();
  });

  test('is TRANSIENT_FAILURE with the note of the resolver when there is no address (L9)', () => {
    resolved();
    expect(channel.state).toBe(State.TRANSIENT_FAILURE);
    expect(channel.error).toContain('Resolution note: a note');
  });

  test('is not touched when another policy is meant', () => {
    const other = experimental.parseLoadBalancingConfig({ round_robin: {} });
    expect(policy.updateAddressList(experimental.statusOrFromValue([]), other, {}, '')).toBe(false);
    expect(channel.states).toEqual([]);
  });
});

describe('a pick', () => {
  function pick(part?: Partial<AttemptContext>): experimental.PickResultType | undefined {
    const metadata = new Metadata();
    withAttempt(metadata, attemptContext(part));
    return channel.picker?.pick({ metadata, extraPickInfo: {} }).pickResultType;
  }

  test('is load at once, unless whoever pinned it counts', () => {
    resolved(A);
    channel.at(A).move(State.READY);
    const loads = [{}, { pin: A }, { pin: A, counted: true }].map((part) => {
      expect(pick(part)).toBe(experimental.PickResultType.COMPLETE);
      return book.endpoints[0]?.load;
    });
    expect(loads).toEqual([1, 2, 2]);
  });

  test('waits while nothing is ready, but is dropped if it is pinned', () => {
    resolved(A);
    expect(pick()).toBe(experimental.PickResultType.QUEUE);
    expect(pick({ pin: A })).toBe(experimental.PickResultType.DROP);
    channel.at(A).move(State.TRANSIENT_FAILURE);
    expect(pick()).toBe(experimental.PickResultType.TRANSIENT_FAILURE);
    expect(pick({ pin: A })).toBe(experimental.PickResultType.DROP);
  });
});

describe('a connection that is lost', () => {
  test('asks for name resolution, is not picked any longer and is opened again at once, without a call', () => {
    resolved(A, B);
    channel.at(A).move(State.READY);
    channel.at(B).move(State.READY);
    const lost = channel.at(A);
    const made = channel.subchannels.length;
    expect(channel.resolutions).toBe(0);
    lost.move(State.IDLE);
    expect(channel.resolutions).toBe(1);
    expect(book.pick()?.address).toBe(B);
    expect(channel.state).toBe(State.READY);
    expect(channel.subchannels).toHaveLength(made + 1);
    expect(channel.at(A)).not.toBe(lost);
  });
});

describe('an update of the addresses', () => {
  test('leaves connections of known addresses alone, opens new ones and lets old ones go that are not connected', () => {
    resolved(A, B);
    channel.at(A).move(State.READY);
    const [first, second] = [channel.at(A), channel.at(B)];
    expect(resolved(C, A)).toBe(true);
    expect(channel.subchannels.map((subchannel) => subchannel.address)).toEqual([A, B, C]);
    expect([first.refs, second.refs]).toEqual([1, 0]);
  });

  test('X10: keeps the connection of an address that has gone, without calls, and finds it again when the address flaps', () => {
    resolved(A, B);
    channel.at(A).move(State.READY);
    channel.at(B).move(State.READY);
    const [first, made] = [channel.at(A), channel.subchannels.length];
    resolved(B);
    expect([first.refs, readyIn(book)]).toEqual([1, [B]]);
    resolved(B, A);
    expect(readyIn(book)).toEqual([B, A]);
    expect(channel.subchannels).toHaveLength(made);
  });

  test('X10: lets the connection of an address go holdMs after the address, at once with 0', async () => {
    settings = newSettings({ holdMs: 20 });
    resolved(A, B);
    for (const address of [A, B]) channel.at(address).move(State.READY);
    const first = channel.at(A);
    resolved(B);
    expect(first.refs).toBe(1);
    await expect.poll(() => first.refs).toBe(0);
    policy.destroy();

    policy = new PeakEwmaBalancer(channel);
    settings = newSettings({ holdMs: 0 });
    resolved(A, B);
    channel.at(A).move(State.READY);
    resolved(B);
    expect(channel.at(A).refs).toBe(0);
  });

  test('X10: goes on with old addresses until one of the new ones is connected', () => {
    resolved(A);
    channel.at(A).move(State.READY);
    resolved(B, C);
    channel.at(B).move(State.TRANSIENT_FAILURE, 'refused');
    expect([channel.state, readyIn(book)]).toEqual([State.READY, [A]]);
    channel.at(C).move(State.READY);
    expect(readyIn(book)).toEqual([C]);
  });

  test('lets an old address go that loses its connection while it is held', () => {
    resolved(A, B);
    for (const address of [A, B]) channel.at(address).move(State.READY);
    resolved(B);
    const [held, made] = [channel.at(A), channel.subchannels.length];
    held.move(State.IDLE);
    expect([held.refs, channel.subchannels.length]).toEqual([0, made]);
  });

  test('X10: that brings none is not heeded once there were some', () => {
    resolved(A);
    channel.at(A).move(State.READY);
    expect(resolved()).toBe(false);
    expect([channel.state, readyIn(book)]).toEqual([State.READY, [A]]);
  });

  test('counts an address that is named twice once (L9)', () => {
    resolved(A, A);
    expect(channel.subchannels).toHaveLength(1);
  });

  test('reports the state once', () => {
    resolved(A, B);
    expect(channel.states).toEqual([State.CONNECTING]);
  });
});

describe('the end of the policy', () => {
  test('lets every connection go and says no more', () => {
    resolved(A, B);
    channel.at(A).move(State.READY);
    const reports = channel.states.length;
    policy.destroy();
    expect(channel.subchannels.map((subchannel) => subchannel.refs)).toEqual([0, 0]);
    channel.at(A).move(State.IDLE);
    expect(channel.states).toHaveLength(reports);
    expect(book.attached).toBe(false);
  });

  test('leaves its last picker harmless: calls wait for the next policy', () => {
    resolved(A);
    channel.at(A).move(State.READY);
    const { picker } = channel;
    policy.destroy();
    const result = picker?.pick({ metadata: new Metadata(), extraPickInfo: {} });
    expect(result?.pickResultType).toBe(experimental.PickResultType.QUEUE);
  });
});
