/**
 * How calls end that no thread has answered. Fixed texts: what a module or a crash says goes to the log, not to peers.
 *
 * @packageDocumentation
 */
import { Code } from '../call.ts';
import { late, type Refusal, refusal } from '../errors.ts';

/** No free thread and no place to wait. */
export const QUEUE_FULL: Refusal = refusal(
  Code.RESOURCE_EXHAUSTED,
  'server.workers/queue-full',
  'all worker threads are busy and their queue is full',
);

/** The call's own time ended before a thread had it. */
export const LATE: Refusal = late('server.workers/deadline-in-queue', 'the deadline ended in the queue of the worker threads');

/** None of the threads gets as far as loading the module. */
export const NOT_STARTED: Refusal = refusal(
  Code.UNAVAILABLE,
  'server.workers/not-started',
  "no worker thread starts: the handlers' module does not load (the server's log says why)",
);

/** Closed before a thread had the call. */
export const CLOSED: Refusal = refusal(Code.UNAVAILABLE, 'server.workers/closed', 'the worker threads are closed');

/** The thread died with the call in it. */
export const CRASHED: Refusal = {
  code: Code.UNAVAILABLE,
  details: 'inmesh: the worker thread of this call crashed',
  reason: 'server.workers/crashed',
  unprocessed: false,
};

/** The thread was ended with the call in it, for it was stuck. */
export const STALLED: Refusal = {
  code: Code.UNAVAILABLE,
  details: 'inmesh: the worker thread of this call was stuck and has been replaced',
  reason: 'server.workers/stalled',
  unprocessed: false,
};

/** Closed, the wait for it over, with the call in a thread. */
export const CUT_OFF: Refusal = {
  code: Code.UNAVAILABLE,
  details: 'inmesh: the worker threads were closed before the call ended',
  reason: 'server.workers/closed',
  unprocessed: false,
};

/** It has killed threads, and would again: here, and on any other replica. So it is not to be sent again. */
export const QUARANTINED: Refusal = {
  code: Code.INTERNAL,
  details: 'inmesh: this request has crashed worker threads and is kept out for a while',
  reason: 'server.workers/quarantined',
  unprocessed: false,
};
