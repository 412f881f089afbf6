import { describe, expect, test } from 'vitest';
import { QueueTable } from '../../../src/batch/queue-table.ts';

interface Queue {
  readonly name: string;
  idle: boolean;
}

function table(): { queues: QueueTable<Queue, string>; made: string[] } {
  const made: string[] = [];
  const queues = new QueueTable<Queue, string>((name) => {
    made.push(name);
    return { name, idle: false };
  });
  return { queues, made };
}

describe('QueueTable', () => {
  test('gives the same queue for the same method and key, whatever was asked for in between', () => {
    const { queues, made } = table();
    const first = queues.of('/a.S/M', 'one', 'first');
    expect(queues.of('/a.S/M', 'one', 'not made')).toBe(first);
    const second = queues.of('/a.S/M', 'two', 'second');
    const third = queues.of('/a.S/N', 'two', 'third');
    expect(new Set([first, second, third]).size).toBe(3);
    expect(queues.of('/a.S/M', 'one', 'not made')).toBe(first);
    expect(queues.of('/a.S/N', 'two', 'not made')).toBe(third);
    expect(made).toEqual(['first', 'second', 'third']);
    expect([...queues.values()]).toEqual([first, second, third]);
  });

  test('K3: method and key do not run into one another', () => {
    const { queues } = table();
    expect(queues.of('/a.S/M', 'x', '1')).not.toBe(queues.of('/a.S/Mx', '', '2'));
  });

  test('lets an idle queue go for a new one, also the one that was asked for last; with none among the oldest there is no room', () => {
    const { queues } = table();
    for (let i = 0; i < 1024; i++) queues.of('/a.S/M', String(i), String(i));
    expect(queues.size).toBe(1024);
    expect(queues.of('/a.S/M', 'more', 'more')).toBeUndefined();
    const old = queues.of('/a.S/M', '3', 'not made') as Queue;
    old.idle = true;
    expect(queues.of('/a.S/M', 'more', 'more')?.name).toBe('more');
    expect(queues.size).toBe(1024);
    expect(queues.of('/a.S/M', '3', 'again')).toBeUndefined();
  });

  test('a busy queue is never let go, and few are looked at', () => {
    const { queues } = table();
    for (let i = 0; i < 1024; i++) (queues.of('/a.S/M', String(i), String(i)) as Queue).idle = i >= 16;
    expect(queues.of('/a.S/M', 'more', 'more')).toBeUndefined();
  });
});
