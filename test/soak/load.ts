/**
 * Calls of all kinds with random cancels, deadlines and errors, and a book of how often each caller was told its end.
 */
import { Metadata } from '@grpc/grpc-js';
import type { Random } from '../../src/random.ts';
import type { EchoStub, Handlers } from '../support/loopback.ts';

/** How often each caller of a load has heard its end. */
export interface Book {
  /** Once is right, for every call. */
  readonly told: Uint8Array;
  readonly codes: Record<number, number>;
}

/** Handlers that do what the message says: answer, fail, fail at first, answer late, or never. */
export const moody: Partial<Handlers> = {
  say: (call, callback) => {
    const { text } = call.request;
    const first = call.metadata.get('grpc-previous-rpc-attempts').length === 0;
    if (text === 'fail') callback({ code: 9, details: 'as you said' });
    else if (text === 'flaky' && first) callback({ code: 14, details: 'at first' });
    else if (text === 'late') setTimeout(() => callback(null, call.request), 5);
    else if (text === 'never') call.on('cancelled', () => callback(null, call.request));
    else callback(null, call.request);
  },
};

const MOODS = ['good', 'good', 'good', 'good', 'good', 'good', 'fail', 'flaky', 'late', 'never'] as const;

/** Makes `count` calls, `width` at a time, and resolves when every one of them has ended. */
export async function load(stub: EchoStub, count: number, width: number, random: Random): Promise<Book> {
  const book: Book = { told: new Uint8Array(count), codes: {} };
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await one(stub, next++, book, random);
  };
  await Promise.all(Array.from({ length: width }, worker));
  await new Promise((resolve) => void setTimeout(resolve, 100)); // whoever would be told twice, is told by now
  return book;
}

/** One call. Its caller goes on when it has heard both of its callback (or the stream's end) and its status. */
function one(stub: EchoStub, index: number, { told, codes }: Book, random: Random): Promise<void> {
  return new Promise((resolve) => {
    const mood = MOODS[Math.floor(random() * MOODS.length)] ?? 'good';
    const dice = random();
    // A call that nobody answers must have an end of its own.
    const deadline = mood === 'never' || dice < 0.1 ? { deadline: Date.now() + Math.floor(random() * 12) - 1 } : {};
    const options = { ...deadline, inmesh: { idempotent: true } };
    const metadata = new Metadata();
    let waitsFor = 2;
    const part = (): void => {
      if (--waitsFor === 0) resolve();
    };
    const answered = (): void => {
      told[index] = (told[index] ?? 0) + 1;
      part();
    };
    const ended = ({ code }: { code: number }): void => {
      codes[code] = (codes[code] ?? 0) + 1;
      part();
    };
    const kind = random();
    let cancel: () => void;
    if (kind < 0.85 || mood === 'never') {
      const call = stub.say({ text: mood }, metadata, options, answered).on('status', ended);
      cancel = () => call.cancel();
    } else if (kind < 0.9) {
      const call = stub.collect(metadata, options, answered).on('status', ended);
      call.write({ text: 'a' });
      call.end({ text: 'b' });
      cancel = () => call.cancel();
    } else {
      const chat = kind < 0.95 ? stub.chat(metadata, options) : undefined;
      const stream = chat ?? stub.count({ text: 'a' }, metadata, options);
      stream.on('error', () => {}).on('data', () => {});
      stream.on('status', (status) => {
        answered();
        ended(status);
      });
      chat?.write({ text: 'a' });
      chat?.end();
      cancel = () => stream.cancel();
    }
    if (dice > 0.98) cancel();
    else if (dice > 0.96) setImmediate(cancel);
    else if (dice > 0.92) setTimeout(cancel, random() * 5);
  });
}
