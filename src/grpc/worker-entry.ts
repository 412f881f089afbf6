/**
 * What a worker thread runs: it imports the module with the handlers, then serves the port. Its last argument is the
 * module's URL; `workerData` is the module's own.
 *
 * @packageDocumentation
 */
import { parentPort } from 'node:worker_threads';
import { systemClock } from '../clock.ts';
import { ThreadHandlers } from './worker-handlers.ts';
import type { FromThread, ToThread } from './worker-messages.ts';
import { ThreadRunner } from './worker-runner.ts';

if (parentPort !== null) {
  const port = parentPort;
  const handlers = new ThreadHandlers(await import(process.argv.at(-1) ?? ''));
  const runner = new ThreadRunner(handlers, port, systemClock);
  port.on('message', (message: ToThread) => runner.receive(message));
  // A thread that dies (an uncaught error, `process.exit`) first says what it has finished.
  process.on('exit', () => runner.flush());
  const ready: FromThread = { kind: 'ready', names: handlers.names, codecs: handlers.codecs };
  port.postMessage(ready);
}
