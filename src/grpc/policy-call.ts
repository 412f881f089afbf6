/**
 * A unary call inside a policy of the application's (cockatiel's, or anything with its `execute`): to the policy the call is
 * a promise that it may make several times, not at all, or give up.
 *
 * @packageDocumentation
 */
import { Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import { late, REASON_KEY } from '../errors.ts';
import type { CallInfo, CallListener, ClientCall, NextClientCall } from './client-call.ts';
import { bytesOf, type MethodCodec, type MethodCodecs } from './codecs.ts';
import { policyFailure } from './policy-failure.ts';
import { localStatus, plainStatus } from './refuse.ts';
import { serviceError } from './service-error.ts';
import { WholeRequestCall } from './whole-request.ts';

/** What a policy is: cockatiel's `IPolicy` is one. */
export interface UnaryPolicy {
  /** Runs `fn` as often as it likes; `context.signal` tells a run that nobody waits for it any more. */
  execute<T>(fn: (context: { readonly signal: AbortSignal }) => PromiseLike<T> | T, signal?: AbortSignal): Promise<unknown>;
}

/** What all such calls share. */
export interface PolicyHome {
  readonly clock: Clock;
  readonly codecs: MethodCodecs;
  readonly expiries: DeadlineQueue<PolicyCall>;
}

export class PolicyCall extends WholeRequestCall {
  readonly #home: PolicyHome;
  readonly #policies: readonly UnaryPolicy[];
  readonly #codec: MethodCodec | undefined;
  /** Speaks when the caller waits no longer. */
  #gone: AbortController | undefined;
  #latest: PolicyAttempt | undefined;
  #attempts = 0;
  /** A policy may run several at a time. */
  readonly #running = new Set<PolicyAttempt>();
  readonly #succeeded: PolicyAttempt[] = [];
  #expiry: DeadlineHandle<PolicyCall> | undefined;

  constructor(home: PolicyHome, policies: readonly UnaryPolicy[], info: CallInfo, next: NextClientCall) {
    super(info, next);
    this.#home = home;
    this.#policies = policies;
    this.#codec = info.definition === undefined ? home.codecs.of(info.method) : undefined;
  }
  protected override get out(): ClientCall | undefined {
    return this.#latest?.call;
  }

  protected override asked(): void {
    this.metadata = this.metadata.clone(); // each attempt has its own, and the caller's own object may change
    const { deadlineMs } = this.info;
    if (deadlineMs !== Number.POSITIVE_INFINITY) this.#expiry = this.#home.expiries.add(this, deadlineMs);
    this.#gone = new AbortController();
    // What comes of it is told outside of the promise: an error thrown by the application's callback is no rejection.
    this.#run(0, this.#gone.signal).then(
      (value) => process.nextTick(() => this.#answered(value)),
      (error: unknown) => process.nextTick(() => this.#failed(error)),
    );
  }

  /** The policies, the first outermost, and the call inside. */
  async #run(index: number, signal: AbortSignal): Promise<unknown> {
    const policy = this.#policies[index];
    if (policy === undefined) return this.#try(signal);
    return policy.execute((context) => this.#run(index + 1, context.signal), signal);
  }

  /** One attempt, in the caller's own context: a policy may begin it in another call's. */
  #try(signal: AbortSignal): Promise<unknown> {
    this.#attempts++;
    return new Promise((resolve, reject) => {
      const attempt = new PolicyAttempt(this.#codec, (ended) => {
        this.#running.delete(ended);
        if (ended.error !== undefined) {
          reject(ended.error);
          return;
        }
        this.#succeeded.push(ended);
        resolve(ended.value);
      });
      this.#latest = attempt;
      if (this.ended || signal.aborted) {
        attempt.onReceiveStatus(plainStatus(Code.CANCELLED, 'nobody waits any more'));
        return;
      }
      this.#running.add(attempt);
      this.info.scope.runInAsyncScope(() => attempt.begin(this.send(this.metadata.clone(), attempt), signal));
    });
  }

  #answered(value: unknown): void {
    const attempt = this.#succeeded.find((one) => one.value === value);
    if (attempt !== undefined) {
      this.#deliver(attempt.headers, attempt.response, attempt.status);
      return;
    }
    const message = this.#encoded(value);
    if (message === undefined) {
      this.#end(policyFailure(new TypeError('no response of this method'), this.info.method, this.#attempts));
      return;
    }
    const metadata = new Metadata();
    metadata.set(REASON_KEY, 'client.policy/fallback');
    if (this.info.story !== undefined) this.info.story.answeredBy = 'fallback';
    this.#deliver(new Metadata(), message, { code: Code.OK, details: "inmesh: answered by the application's policy", metadata });
  }

  /** A value that the policy has put in place of an answer, in the form of this door. Undefined: it is none. */
  #encoded(value: unknown): unknown {
    if (value === undefined || value === null) return undefined;
    if (this.info.definition !== undefined) return value;
    try {
      return bytesOf(value, this.#codec?.responseSerialize);
    } catch {
      return undefined;
    }
  }

  #failed(error: unknown): void {
    this.#end(statusOf(error) ?? policyFailure(error, this.info.method, this.#attempts));
  }
  #deliver(headers: Metadata | undefined, message: unknown, status: StatusObject): void {
    if (!this.finish()) return;
    this.#forget();
    this.#cancel(Code.CANCELLED, 'another run of the call was taken');
    if (headers !== undefined) this.upper.onReceiveMetadata(headers);
    this.upper.onReceiveMessage(message);
    this.upper.onReceiveStatus(status);
  }
  #end(status: StatusObject): void {
    if (!this.finish()) return;
    this.#forget();
    this.upper.onReceiveStatus(status);
  }

  /** The call's own time is over, whatever the policy does: cockatiel's waits can't be ended. */
  expire(): void {
    this.#expiry = undefined;
    const refusal = late('client.policy/deadline', `the deadline of ${this.info.method} ended inside the application's policy`);
    this.#end(localStatus({ ...refusal, unprocessed: this.#attempts === 0 }));
    this.#giveUp(Code.DEADLINE_EXCEEDED, 'Deadline exceeded');
  }
  protected override gaveUp(code: number, details: string): void {
    this.#forget();
    this.#giveUp(code, details);
  }
  #giveUp(code: number, details: string): void {
    this.#cancel(code, details);
    this.#gone?.abort();
  }
  #cancel(code: number, details: string): void {
    for (const attempt of this.#running) attempt.call?.cancelWithStatus(code, details);
  }
  #forget(): void {
    if (this.#expiry === undefined) return;
    this.#home.expiries.remove(this.#expiry);
    this.#expiry = undefined;
  }
}

/** The statuses behind the errors that policies are thrown. */
const statuses = new WeakMap<object, StatusObject>();

function statusOf(error: unknown): StatusObject | undefined {
  return typeof error === 'object' && error !== null ? statuses.get(error) : undefined;
}

/** One run of the call. */
class PolicyAttempt implements CallListener {
  readonly #codec: MethodCodec | undefined;
  readonly #ended: (attempt: PolicyAttempt) => void;
  #signal: AbortSignal | undefined;
  #over = false;
  #timedOut = false;
  call: ClientCall | undefined;
  headers: Metadata | undefined;
  /** As it came. */
  response: unknown;
  /** As the policy sees it. */
  value: unknown;
  /** Undefined once it has ended: it was answered. */
  error: ServiceError | undefined;
  status: StatusObject = plainStatus(Code.UNKNOWN, '');

  constructor(codec: MethodCodec | undefined, ended: (attempt: PolicyAttempt) => void) {
    this.#codec = codec;
    this.#ended = ended;
  }

  begin(call: ClientCall, signal: AbortSignal): void {
    this.call = call;
    if (this.#over) return;
    this.#signal = signal;
    signal.addEventListener('abort', this);
  }
  /** The policy waits no longer. */
  handleEvent(): void {
    this.#signal?.removeEventListener('abort', this);
    this.#timedOut = true;
    this.call?.cancelWithStatus(Code.CANCELLED, "given up by the application's policy");
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.headers = metadata;
  }
  onReceiveMessage(message: unknown): void {
    this.response = message;
  }
  onReceiveStatus(status: StatusObject): void {
    if (this.#over) return;
    this.#over = true;
    this.#signal?.removeEventListener('abort', this);
    this.status = status;
    if (status.code === Code.OK && this.response !== undefined) {
      this.value = this.#read();
    } else {
      if (status.code === Code.OK) this.status = { ...status, code: Code.UNIMPLEMENTED, details: 'No message received' };
      else if (this.#timedOut && status.code === Code.CANCELLED) this.status = localStatus(TIMED_OUT);
      this.error = serviceError(this.status, undefined);
      statuses.set(this.error, this.status);
    }
    this.#ended(this);
  }

  /** What can't be read goes up as it is: the client says so in its own words. */
  #read(): unknown {
    if (this.#codec === undefined) return this.response;
    try {
      return this.#codec.responseDeserialize(this.response as Buffer);
    } catch {
      return this.response;
    }
  }
}

const TIMED_OUT = {
  ...late('client.policy/timeout', "given up by the application's policy"),
  unprocessed: false,
};
