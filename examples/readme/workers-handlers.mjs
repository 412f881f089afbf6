/** Handlers for worker threads: every thread imports this module. */
import { threadId } from 'node:worker_threads';
import { Greeter } from './greeter.ts';

// #region handlers
/** Its messages are read and written in the thread. */
export const service = Greeter.service;

export async function sayHello(call) {
  let score = 0;
  for (let i = 0; i < 1_000_000 && !call.cancelled; i++) score += Math.sqrt(i);
  return { message: `Hello ${call.request.name}, ${score > 0 && threadId > 0 ? 'off the main thread' : 'on it'}` };
}
// #endregion
