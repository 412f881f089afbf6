/** The handlers that tests run in threads, and on the main thread to compare. What a call does is in its text. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { appendFileSync, unlinkSync } from 'node:fs';
import { threadId, workerData } from 'node:worker_threads';
import type { handleUnaryCall } from '@grpc/grpc-js';
import type { WorkerCall } from '../../src/index.ts';
import { echoDefinition, type Message, metadataOf } from '../support/loopback.ts';

export const service = echoDefinition;

const local = new AsyncLocalStorage<string>();
let heard = 0;
let begun = 0;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const spin = (ms: number): void => {
  const until = performance.now() + ms;
  while (performance.now() < until);
};

/** The plain shape. */
export async function say(call: WorkerCall<Message>): Promise<Message> {
  begun++;
  const [verb, argument = ''] = call.request.text.split(':');
  const answer = (text: unknown): Message => ({ text: String(text) });
  switch (verb) {
    case 'thread':
      return answer(threadId);
    case 'data':
      return answer(JSON.stringify(workerData));
    case 'begun':
      return answer(begun);
    case 'meta':
      return answer(
        Object.keys(call.metadata.getMap())
          .filter((key) => key.startsWith('x-') || key.startsWith('inmesh-'))
          .join(),
      );
    case 'bin':
      return answer(call.metadata.get('x-bin').map((value) => (typeof value === 'string' ? value : value.toString('hex'))));
    case 'peer':
      return answer(`${call.getPeer().startsWith('127.0.0.1:')} ${call.getPath()} ${call.getHost()}`);
    case 'left':
      return answer(Math.round((Number(call.getDeadline()) - Date.now()) / 1000));
    case 'trace':
      return answer(call.traceContext['traceparent']);
    case 'context': {
      const seen = local.getStore() ?? 'none';
      local.enterWith(argument);
      await wait(1);
      return answer(`${seen} ${local.getStore()}`);
    }
    case 'sleep':
      await wait(Number(argument));
      return answer(argument);
    case 'spin':
      spin(Number(argument));
      return answer(argument);
    case 'stuck':
      for (;;);
    case 'until-cancelled':
      await new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve()));
      heard++;
      return answer('late');
    case 'heard':
      return answer(heard);
    case 'exit':
      return process.exit(3);
    case 'log':
      appendFileSync(call.metadata.get('x-log').join(), `${argument}\n`);
      spin(1);
      return answer(argument);
    case 'die-once':
      // The file is the one life that is taken.
      try {
        unlinkSync(call.metadata.get('x-life').join());
      } catch {
        return answer('alive');
      }
      return process.exit(9);
    case 'crash':
      setImmediate(() => {
        throw new Error('on its own');
      });
      await wait(10_000);
      return answer('never');
    case 'memory': {
      const hoard: unknown[] = [];
      for (;;) hoard.push(new Array(1000).fill(hoard.length));
    }
    case 'error':
      throw new Error('a secret');
    case 'status':
      throw Object.assign(new Error('not here'), {
        code: 5,
        details: 'no such thing',
        metadata: metadataOf({ 'x-why': 'gone', 'x-bin': '00ff' }),
      });
    case 'trailers':
      call.sendMetadata(metadataOf({ 'x-head': 'er', 'x-head-bin': '0102' }));
      call.trailers.set('x-trailer', 'yes');
      call.trailers.set('x-trailer-bin', Buffer.from([0, 255]));
      return answer('with');
    case 'nothing':
      return undefined as unknown as Message;
    case 'unserializable':
      return answer('unserializable');
    default:
      return answer(`say ${call.request.text}`);
  }
}

/** grpc-js's shape. */
export const tell: handleUnaryCall<Message, Message> = (call, callback) => {
  const { text } = call.request;
  if (text === 'throw') throw Object.assign(new Error('a secret'), { code: 5, details: 'another' });
  if (text === 'status') callback({ code: 9, details: 'not now', metadata: metadataOf({ 'x-why': 'because' }) });
  else if (text === 'bare') callback(new Error('said'));
  else if (text === 'twice') {
    callback(null, { text: 'first' });
    callback(null, { text: 'second' });
  } else if (text === 'trailers') {
    call.sendMetadata(metadataOf({ 'x-head': 'er' }));
    callback(null, { text }, metadataOf({ 'x-trailer': ['a', 'b'] }));
  } else setImmediate(() => callback(null, { text: `tell ${text}` }));
};
