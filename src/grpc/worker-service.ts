/**
 * `mesh.workers()`: handlers that run off the main thread.
 *
 * @packageDocumentation
 */
import type { handleUnaryCall, MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import { show } from '../input/show.ts';
import type { Otel } from '../observe/api.ts';
import type { Random } from '../random.ts';
import { resolveWorkersOptions, type WorkersOptions } from '../workers/options.ts';
import { Pool, type PoolStats } from '../workers/pool.ts';
import { handlerNames, type TraceContext } from './worker-messages.ts';
import { type WorkerMethod, WorkerTask } from './worker-task.ts';
import { WorkerThreads } from './worker-threads.ts';

/** What worker threads have done and have now. */
export interface WorkerStats extends PoolStats {
  /** Calls whose messages were read and written on the main thread and cloned, for the threads have no codec for them. */
  readonly cloned: number;
}

/** A service whose unary methods are served in worker threads. */
export interface WorkerService {
  /** The definition for `addService`: on the main thread the messages of unary methods stay bytes. */
  readonly definition: ServiceDefinition;
  /** Handlers for the unary methods; add those for streams. */
  readonly implementation: UntypedServiceImplementation;
}

/** What the mesh brings. */
export interface WorkersDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly warn: (line: string) => void;
  /** Undefined: no trace context goes to the threads. */
  readonly otel: Otel | undefined;
}

/** Handlers in worker threads. Made by `mesh.workers()`. */
export class Workers {
  /**
   * Resolves when every thread has loaded the module. Rejects with ConfigError when one can't, or when they were closed before;
   * the threads are tried again all the same, ever more seldom. Need not be awaited: calls wait for the threads.
   */
  readonly ready: Promise<void>;
  readonly #dependencies: WorkersDependencies;
  readonly #threads: WorkerThreads;
  readonly #pool: Pool;
  readonly #readiness = Promise.withResolvers<void>();
  readonly #methods: MethodDefinition<unknown, unknown>[] = [];
  readonly #said = new Set<string>();
  #names: ReadonlySet<string> | undefined;
  #lastId = 0;
  #cloned = 0;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(options: WorkersOptions, dependencies: WorkersDependencies) {
    const rules = resolveWorkersOptions(options, 'workers');
    this.#dependencies = dependencies;
    const { clock, random, warn } = dependencies;
    this.ready = this.#readiness.promise;
    this.ready.catch(() => undefined); // nobody has to await it
    this.#threads = new WorkerThreads(rules, clock, {
      up: (names) => {
        this.#names = names;
        if (this.#pool.stats().up === rules.threads) this.#readiness.resolve();
        this.#checkNames();
      },
      failedStart: (error) => {
        this.#readiness.reject(error);
        if (this.#closing === undefined) this.#sayOnce(error.message);
      },
      crashed: (why, calls) => {
        if (this.#closing === undefined) warn(`workers: a thread died with ${calls} calls in it: ${why}`);
      },
      cloned: (task) => {
        this.#cloned++;
        if (task.fromBytes) this.#clonedPath(task.path);
      },
    });
    this.#pool = new Pool(rules, clock, random, this.#threads);
    this.#threads.tell(this.#pool);
    this.#pool.start();
  }

  /**
   * A service that is served in the threads: `const { definition, implementation } = workers.service(Greeter.service)`, then
   * `server.addService(definition, implementation)`. The main thread neither reads nor writes messages: interceptors of
   * the server see a Buffer where they saw a message.
   * @throws ConfigError unless it is a service definition with a unary method.
   */
  service(definition: ServiceDefinition): WorkerService {
    const methods = Object.entries<MethodDefinition<unknown, unknown>>(definition).map(([name, method]): [string, typeof method] => [
      name,
      isUnary(method) ? { ...method, requestDeserialize: asItIs, responseSerialize: asItIs as (value: unknown) => Buffer } : method,
    ]);
    return { definition: Object.fromEntries(methods), implementation: this.#handlers(definition, true) };
  }

  /**
   * Handlers for the service as it is: `server.addService(Greeter.service, workers.handlers(Greeter.service))`. Interceptors of the
   * server see messages, which costs: the main thread reads and writes them all.
   * @throws ConfigError unless it is a service definition with a unary method.
   */
  handlers(definition: ServiceDefinition): UntypedServiceImplementation {
    return this.#handlers(definition, false);
  }

  /** Now, and since the threads were made. */
  stats(): WorkerStats {
    return { ...this.#pool.stats(), cloned: this.#cloned };
  }

  /**
   * Takes no more calls, waits for those that are here, and ends the threads. Leaves no timer and no thread. Never
   * rejects; a second call gives the same end.
   *
   * @param drainMs - Longest wait; calls that are still here then end with UNAVAILABLE. Default 10,000.
   */
  close(drainMs = 10_000): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }
  async #close(drainMs: number): Promise<void> {
    this.#threads.hold();
    await new Promise<void>((resolve) => {
      const cancel = this.#dependencies.clock.setTimer(resolve, drainMs);
      this.#pool.close(() => {
        cancel();
        resolve();
      });
    });
    this.#readiness.reject(new ConfigError('workers', 'closed before all threads were ready'));
    this.#pool.end();
    await this.#threads.allGone();
  }

  #handlers(definition: ServiceDefinition, bytes: boolean): UntypedServiceImplementation {
    const implementation: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries<MethodDefinition<unknown, unknown>>(definition ?? {})) {
      if (!isUnary(method)) continue;
      implementation[name] = this.#handler({ path: method.path, definition: method, bytes });
      this.#methods.push(method);
    }
    if (Object.keys(implementation).length === 0) {
      throw new ConfigError('definition', `expected a service definition with a unary method, got ${show(definition)}`);
    }
    this.#checkNames();
    return implementation;
  }
  #handler(method: WorkerMethod): handleUnaryCall<unknown, unknown> {
    const { clock } = this.#dependencies;
    return (call, callback) => {
      if (call.cancelled) return;
      const task = new WorkerTask(++this.#lastId, method, call, callback, this.#traceContext(), clock);
      task.onCancelled(this.#gone);
      this.#pool.submit(task);
    };
  }
  readonly #gone = (task: WorkerTask): void => this.#pool.cancel(task);

  /** Of the span that is active where the handler runs. */
  #traceContext(): TraceContext | undefined {
    const { otel } = this.#dependencies;
    if (otel === undefined) return undefined;
    const context: Record<string, string> = {};
    otel.propagation.inject(otel.context.active(), context);
    for (const _ in context) return context;
    return undefined;
  }

  #checkNames(): void {
    const names = this.#names;
    if (names === undefined) return;
    const missing = this.#methods.filter(
      ({ path, originalName }) => !handlerNames(path, undefined, originalName).some((name) => names.has(name)),
    );
    if (missing.length === 0) return;
    this.#sayOnce(
      `workers: the module has no handler for ${missing.map(({ path }) => path).join(', ')}; calls of it end with UNIMPLEMENTED`,
    );
  }
  #clonedPath(path: string): void {
    this.#sayOnce(
      `workers: messages of ${path} are read on the main thread and cloned, for the module does not export its definition as "service"`,
    );
  }
  #sayOnce(line: string): void {
    if (this.#said.has(line) || this.#said.size >= 100) return;
    this.#said.add(line);
    this.#dependencies.warn(line);
  }
}

function isUnary(method: MethodDefinition<unknown, unknown>): boolean {
  return typeof method?.path === 'string' && !method.requestStream && !method.responseStream;
}
function asItIs(bytes: Buffer): Buffer {
  return bytes;
}
