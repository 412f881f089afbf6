/**
 * The threads of a pool: `node:worker_threads` on its seats, messages to and from them.
 *
 * @packageDocumentation
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import type { ThreadRules } from '../workers/options.ts';
import type { Pool, PoolHost } from '../workers/pool.ts';
import type { PoolTask } from '../workers/task.ts';
import { type FromThread, pack, type ToThread } from './worker-messages.ts';
import { type Encoded, WorkerTask } from './worker-task.ts';

/** Threads, and what they answer to, belong to nobody's call. */
const inNobodysContext = AsyncLocalStorage.snapshot();

/** Where this file is; a CommonJS bundle of an application does not know. */
const HERE: string | undefined = import.meta.url;

/** As this file: TypeScript in the sources, JavaScript in the package. Written out both times, for bundlers to see. */
function entry(): URL {
  if (HERE === undefined) throw new Error('inmesh is in a CommonJS bundle, where its threads have no file; keep it out of the bundle');
  return HERE.endsWith('.ts') ? new URL('./worker-entry.ts', import.meta.url) : new URL('./worker-entry.js', import.meta.url);
}

/** Hears what happens to threads. */
export interface ThreadEvents {
  /** One is up, with handlers of these names and messages of these paths in its own hands. */
  up(names: ReadonlySet<string>): void;
  /** One did not come up. */
  failedStart(error: ConfigError): void;
  /** One died with so many calls in it. */
  crashed(why: string, calls: number): void;
  /** This call goes as an object, for the threads can't read its messages. */
  cloned(task: WorkerTask): void;
}

interface Thread {
  readonly worker: Worker;
  codecs: ReadonlySet<string> | undefined;
  why: string | undefined;
  cancels: number[];
  /** Calls in it. While there are some, the process stays. */
  calls: number;
  readonly gone: Promise<unknown>;
}

export class WorkerThreads implements PoolHost {
  readonly #rules: ThreadRules;
  readonly #clock: Clock;
  readonly #events: ThreadEvents;
  readonly #seats = new Map<number, Thread>();
  /** Calls that are in threads. */
  readonly #out = new Map<number, WorkerTask>();
  #pool!: Pool;
  #held = false;

  constructor(rules: ThreadRules, clock: Clock, events: ThreadEvents) {
    this.#rules = rules;
    this.#clock = clock;
    this.#events = events;
  }
  /** To whom the threads answer. Once, before anything else. */
  tell(pool: Pool): void {
    this.#pool = pool;
  }

  start(seat: number): void {
    try {
      inNobodysContext(() => this.#start(seat));
    } catch (error) {
      // What Node refuses at once: flags it does not know, data that can't be cloned.
      this.#clock.endOfTurn(() => this.#failed(seat, messageOf(error)));
    }
  }
  #start(seat: number): void {
    const { module, data, worker: options } = this.#rules;
    const worker = new Worker(entry(), { ...options, workerData: data, argv: [module], name: `inmesh ${seat}` });
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const thread: Thread = { worker, codecs: undefined, why: undefined, cancels: [], calls: 0, gone };
    this.#seats.set(seat, thread);
    worker.on('message', (message: FromThread) => this.#receive(seat, thread, message));
    worker.on('messageerror', () => this.stop(seat));
    worker.on('error', (error) => {
      thread.why = messageOf(error);
    });
    worker.on('exit', (code) => {
      resolve();
      this.#exited(seat, thread, thread.why ?? `exit code ${code}`);
    });
  }

  post(seat: number, tasks: readonly PoolTask[]): void {
    const thread = this.#seats.get(seat);
    const encoded: Encoded[] = [];
    for (const task of tasks) {
      if (!(task instanceof WorkerTask)) continue;
      const coded = thread?.codecs?.has(task.path) === true;
      if (!coded) this.#events.cloned(task);
      const one = task.encode(coded, this.#clock);
      if (one === undefined) this.#pool.done(task);
      else {
        this.#out.set(task.id, task);
        encoded.push(one);
      }
    }
    if (thread === undefined || encoded.length === 0) return;
    if (thread.calls === 0) thread.worker.ref();
    thread.calls += encoded.length;
    this.#post(thread, encoded);
  }
  #post(thread: Thread, calls: readonly Encoded[]): void {
    const bytes = pack(calls.flatMap(({ part }) => part ?? []));
    const message: ToThread = { kind: 'work', bytes, items: calls.map(({ item }) => item) };
    try {
      thread.worker.postMessage(message, [bytes]);
    } catch {
      // An object that can't be cloned must not take the others along.
      if (calls.length > 1) for (const call of calls) this.#post(thread, [call]);
      else this.#unsendable(thread, calls[0]?.item[0] ?? -1);
    }
  }
  #unsendable(thread: Thread, id: number): void {
    this.#take(thread, id)?.unsendable();
  }
  /** The thread is through with this call. */
  #take(thread: Thread, id: number): WorkerTask | undefined {
    const task = this.#out.get(id);
    if (task === undefined) return undefined;
    this.#out.delete(id);
    if (--thread.calls === 0 && !this.#held) thread.worker.unref();
    this.#pool.done(task);
    return task;
  }

  cancel(seat: number, task: PoolTask): void {
    const thread = this.#seats.get(seat);
    if (thread === undefined || !(task instanceof WorkerTask)) return;
    thread.cancels.push(task.id);
    if (thread.cancels.length > 1) return;
    this.#clock.endOfTurn(() => {
      const ids = thread.cancels;
      thread.cancels = [];
      thread.worker.postMessage({ kind: 'cancel', ids } satisfies ToThread);
    });
  }

  stop(seat: number): void {
    const thread = this.#seats.get(seat);
    if (thread === undefined) return;
    thread.worker.ref();
    void thread.worker.terminate();
  }

  /** Keeps the process alive until the threads are gone. */
  hold(): void {
    this.#held = true;
    for (const { worker } of this.#seats.values()) worker.ref();
  }
  /** Resolves when no thread is left. */
  async allGone(): Promise<void> {
    await Promise.all([...this.#seats.values()].map(({ gone }) => gone));
  }

  #receive(seat: number, thread: Thread, message: FromThread): void {
    if (message.kind === 'ready') {
      thread.codecs = new Set(message.codecs);
      if (!this.#held) thread.worker.unref(); // a thread that waits is no reason for the process to stay
      this.#pool.up(seat);
      this.#events.up(new Set(message.names));
      return;
    }
    let at = 0;
    for (const item of message.items) {
      const size = Math.max(0, item[3]);
      const part = Buffer.from(message.bytes, at, size);
      at += size;
      this.#take(thread, item[0])?.answered(item, part);
    }
    this.#pool.heard(seat);
  }

  #exited(seat: number, thread: Thread, why: string): void {
    this.#seats.delete(seat);
    if (thread.codecs === undefined) {
      this.#failed(seat, why);
      return;
    }
    for (const [id, task] of this.#out) if (task.seat === seat) this.#out.delete(id);
    this.#events.crashed(why, thread.calls);
    this.#pool.down(seat);
  }
  #failed(seat: number, why: string): void {
    this.#events.failedStart(new ConfigError('workers.module', `${this.#rules.module} does not start in a worker thread: ${why}`));
    this.#pool.down(seat);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
