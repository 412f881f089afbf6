import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { Code } from '../../src/call.ts';
import { succeed } from '../doors/rig.ts';
import { doors } from '../support/loopback.ts';
import { endsClean, isCancelled, lowerAt, PUSHBACK, start, texts, use } from './hedge-rig.ts';

endsClean();

describe.for(doors)('hedging of streams behind %s', (door) => {
  test('H15: the first message of a server stream decides; the others are given up, the stream goes on', () => {
    const { clock, lowers } = use(door);
    const { call, ear, write } = start(door, 'serverStream');
    write('question');
    call.halfClose();
    clock.advance(1000);
    for (const { listener } of lowers) listener?.onReceiveMetadata(new Metadata());
    expect(ear.log).toEqual([]);
    lowerAt(1).listener?.onReceiveMessage(Buffer.from('a'));
    expect(ear.log).toEqual(['metadata', 'message']);
    expect(lowers.map(isCancelled)).toEqual([true, false, true]);
    call.startRead();
    expect(lowerAt(1).log.filter((line) => line === 'read')).toHaveLength(2);
    lowerAt(1).listener?.onReceiveMessage(Buffer.from('b'));
    lowerAt(1).end(Code.UNAVAILABLE);
    expect(ear.log).toEqual(['metadata', 'message', 'message', 'status']);
    clock.advance(60_000);
    expect(lowers).toHaveLength(3);
  });

  test('H15: headers decide a two-way stream, for an app may wait for them', () => {
    const { clock, lowers } = use(door);
    const { ear, write } = start(door, 'bidi');
    write('a');
    clock.advance(500);
    lowerAt(0).listener?.onReceiveMetadata(new Metadata());
    expect(ear.log).toEqual(['metadata']);
    expect(lowers.map(isCancelled)).toEqual([false, true]);
    lowerAt(0).contexts[0]?.callback?.();
    write('b');
    expect(texts(lowers[0])).toEqual(['a', 'b']);
    expect(texts(lowers[1])).toEqual(['a']);
    lowerAt(0).end(Code.OK);
  });

  test('H15: messages are played to each attempt in order, one at a time, and a write is told once that it was taken', () => {
    const { clock } = use(door);
    const { call, ear, write } = start(door, 'clientStream');
    const told = write('a');
    lowerAt(0).contexts[0]?.callback?.();
    expect(told()).toBe(1);
    write('b');
    clock.advance(500);
    expect(texts(lowerAt(1))).toEqual(['a']);
    lowerAt(1).contexts[0]?.callback?.();
    expect(told()).toBe(1);
    write('c');
    call.halfClose();
    expect(texts(lowerAt(1))).toEqual(['a', 'b']);
    for (const at of [1, 2]) {
      lowerAt(0).contexts[at]?.callback?.();
      lowerAt(1).contexts[at]?.callback?.();
    }
    for (const index of [0, 1]) {
      expect(texts(lowerAt(index))).toEqual(['a', 'b', 'c']);
      expect(lowerAt(index).log.at(-1)).toBe('half');
    }
    succeed(lowerAt(1));
    expect(ear.status?.code).toBe(Code.OK);
  });

  test('H15: where the messages outgrow the buffer, the attempt that was given most goes on alone', () => {
    const { clock, lowers } = use(door);
    const { call, ear, write } = start(door, 'clientStream');
    const large = 'x'.repeat(1024);
    write(large);
    lowerAt(0).contexts[0]?.callback?.();
    clock.advance(500);
    for (let i = 1; i < 1024; i++) {
      write(large);
      lowerAt(0).contexts[i]?.callback?.();
    }
    expect(lowers.map((lower) => lower.messages.length)).toEqual([1024, 1]);
    write('one more');
    expect(lowers.map(isCancelled)).toEqual([false, true]);
    expect(texts(lowerAt(0)).at(-1)).toBe('one more');
    lowerAt(0).contexts[1024]?.callback?.();
    write('and the last');
    call.halfClose();
    expect(texts(lowerAt(0)).at(-1)).toBe('and the last');
    expect(lowerAt(0).log.at(-1)).toBe('half');
    clock.advance(60_000);
    expect(lowers).toHaveLength(2);
    succeed(lowerAt(0));
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
  });

  test('H15: where they outgrow it while nobody is out, the next attempt takes them along and is the last', () => {
    const { clock, lowers } = use(door);
    const { call, ear, write } = start(door, 'clientStream');
    lowerAt(0).end(Code.UNAVAILABLE, '', { [PUSHBACK]: '1000' });
    const large = 'x'.repeat(1024);
    for (let i = 0; i < 1025; i++) write(large);
    call.halfClose();
    clock.advance(1000);
    for (let i = 0; i < 1025; i++) lowerAt(1).contexts[i]?.callback?.();
    expect(lowerAt(1).messages).toHaveLength(1025);
    lowerAt(1).end(Code.UNAVAILABLE);
    expect(ear.status?.code).toBe(Code.UNAVAILABLE);
    clock.advance(60_000);
    expect(lowers).toHaveLength(2);
  });
});
