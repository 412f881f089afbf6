/**
 * Server-side coalescing: plain unary calls, and items of batches, of many clients become one call of a batch handler.
 *
 * It is a unary handler like any other, so the interceptors of every call have run before it is gathered.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import type { handleUnaryCall } from '@grpc/grpc-js';
import { Gather, type GatherCounts, type GatherShared, gatherShared, type Run } from '../batch/gather.ts';
import { checkedFunction, type GatherOptions, type GatherRules, resolveGatherOptions } from '../batch/gather-options.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { CallScope, currentScope } from '../deadline/call-scope.ts';
import { ConfigError } from '../errors.ts';
import { show } from '../input/show.ts';
import type { GatherSpan, GatherSpans } from '../observe/gather-span.ts';
import { type BatchItem, GatheredCall } from './batch-handler-item.ts';
import { type BatchReply, type Ending, failure, readReplies } from './batch-handler-reply.ts';

/** What is true of a whole run. */
export interface BatchRun {
  /** `/pkg.Service/Method`. */
  readonly method: string;
  /** Aborted when nobody waits for any result of this run any more. Built when asked for. */
  readonly signal: AbortSignal;
}

/**
 * Answers many calls at once: one reply for each item, in the order of the items. A reply is a response, an `Error`, or
 * `{ error }` with one; an error with a gRPC `code` ends its call with that status, one without ends it with UNKNOWN and without
 * its text. What is thrown ends all calls of the run, and no other.
 */
export type BatchHandler<Request, Response> = (
  items: readonly BatchItem<Request>[],
  run: BatchRun,
) => readonly BatchReply<Response>[] | PromiseLike<readonly BatchReply<Response>[]>;

/** Options of `mesh.batchHandler`. */
export interface BatchHandlerOptions<Request = unknown> extends GatherOptions {
  /** Items with different keys never share a run, e.g. the tenant of a call. Default: all items of a method may. */
  readonly keyOf?: (item: BatchItem<Request>) => string;
}

/** Keys with a queue of their own, for one handler; past that the idle make room. */
const MAX_KEYS = 1024;
/** How many are looked at to find an idle one. */
const LOOK_AT = 16;
/** Runs belong to nobody's context. */
const NOBODY: AsyncResource = new AsyncResource('inmesh.gather');

type Call = GatheredCall<unknown, unknown>;

/** The batch handlers of one mesh. */
export class BatchHandlers {
  readonly #clock: Clock;
  readonly #shared: GatherShared;
  readonly #spans: GatherSpans | undefined;

  constructor(clock: Clock, spans: GatherSpans | undefined) {
    this.#clock = clock;
    this.#shared = gatherShared(clock);
    this.#spans = spans;
  }

  get counts(): GatherCounts {
    return this.#shared.counts;
  }

  /** The unary handler that gathers. @throws ConfigError on a bad option. */
  make<Request, Response>(
    handler: BatchHandler<Request, Response>,
    options: BatchHandlerOptions<Request> = {},
  ): handleUnaryCall<Request, Response> {
    if (typeof handler !== 'function') throw new ConfigError('batchHandler', `expected a function of items, got ${show(handler)}`);
    const rules = resolveGatherOptions(options, ['keyOf']);
    checkedFunction(options.keyOf, 'batchHandler.keyOf');
    const { keyOf } = options;
    const queues = new HandlerQueues(rules, this.#shared, this.#spans, handler as BatchHandler<unknown, unknown>);
    return (call, callback) => {
      if (call.cancelled) return; // while it waited for its turn
      const item = new GatheredCall<Request, Response>(call, callback, this.#clock, this.#spans?.current());
      const path = call.getPath();
      const gather = queues.of(path, keyOf === undefined ? '' : String(keyOf(item)));
      call.once('cancelled', () => item.cancelled(() => gather.leave(item as Call)));
      // The turn's end must not run in this caller's context.
      NOBODY.runInAsyncScope(gather.add, gather, item as Call);
    };
  }
}

/** The queues of one handler: one for each method that it is registered for, and for each key. */
class HandlerQueues {
  readonly #rules: GatherRules;
  readonly #shared: GatherShared;
  readonly #spans: GatherSpans | undefined;
  readonly #handler: BatchHandler<unknown, unknown>;
  readonly #gathers = new Map<string, Gather<Call>>();

  constructor(rules: GatherRules, shared: GatherShared, spans: GatherSpans | undefined, handler: BatchHandler<unknown, unknown>) {
    this.#rules = rules;
    this.#shared = shared;
    this.#spans = spans;
    this.#handler = handler;
  }

  of(path: string, key: string): Gather<Call> {
    const name = `${path}\n${key}`;
    let gather = this.#gathers.get(name);
    if (gather !== undefined) return gather;
    const made: Gather<Call> = new Gather(this.#rules, this.#shared, (run) => this.#start(made, path, run));
    gather = made;
    // Without room the call is a batch of its own.
    if (this.#gathers.size < MAX_KEYS || this.#makeRoom()) this.#gathers.set(name, gather);
    return gather;
  }

  #makeRoom(): boolean {
    let looked = 0;
    for (const [name, gather] of this.#gathers) {
      this.#gathers.delete(name);
      if (gather.idle) return true;
      this.#gathers.set(name, gather);
      if (++looked >= LOOK_AT) return false;
    }
    return false;
  }

  #start(gather: Gather<Call>, path: string, run: Run<Call>): void {
    const span = this.#spans?.start(
      path,
      run.items.map((item) => item.span),
    );
    let latestMs = 0;
    for (const { deadlineMs } of run.items) latestMs = Math.max(latestMs, deadlineMs);
    NOBODY.runInAsyncScope(() => {
      const running = new HandlerRun(gather, path, run, span, latestMs);
      running.begin(this.#handler);
    });
  }
}

/** One run of a handler. What it asks of others has the latest deadline of its items. */
class HandlerRun implements BatchRun {
  readonly method: string;
  readonly #gather: Gather<Call>;
  readonly #run: Run<Call>;
  readonly #span: GatherSpan | undefined;
  readonly #scope: CallScope;
  #controller: AbortController | undefined;
  #abandoned = false;

  constructor(gather: Gather<Call>, path: string, run: Run<Call>, span: GatherSpan | undefined, deadlineMs: number) {
    this.method = path;
    this.#gather = gather;
    this.#run = run;
    this.#span = span;
    this.#scope = new CallScope(deadlineMs);
    run.onAbandoned = () => {
      this.#abandoned = true;
      this.#controller?.abort();
      this.#scope.cancelled();
    };
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abandoned) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  begin(handler: BatchHandler<unknown, unknown>): void {
    const invoke = (): void => {
      try {
        const returned = handler(this.#run.items, this);
        if (isThenable(returned)) {
          returned.then(
            (replies) => this.#end(readReplies(replies, this.#run.items.length)),
            (error: unknown) => this.#end(failure(error)),
          );
        } else this.#end(readReplies(returned, this.#run.items.length));
      } catch (error) {
        this.#end(failure(error));
      }
    };
    currentScope.run(this.#scope, () => (this.#span === undefined ? invoke() : this.#span.run(invoke)));
  }

  #end(ending: Ending): void {
    this.#scope.answered();
    this.#span?.end(ending.code ?? Code.OK);
    this.#gather.ended(this.#run, (item, index) => item.settle(ending.of(index)));
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
