/**
 * One call as a row of attempts: keeps what the app sends until the call is committed, and plays it to the next attempt.
 *
 * Committed (gRFC A6): headers or a message have reached the app, or the app's messages outgrew the buffer.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { CancelTimer, Clock } from '../clock.ts';
import { UNPROCESSED_KEY } from '../errors.ts';
import type { Random } from '../random.ts';
import type { RetryBudget } from '../retry/budget.ts';
import { decideRetry, type NoRetryReason } from '../retry/decide.ts';
import type { RetryRules } from '../retry/options.ts';
import { PREVIOUS_ATTEMPTS_KEY, PUSHBACK_KEY } from '../retry/pushback.ts';
import {
  type AttemptContext,
  type AuthContext,
  attemptContext,
  type CallInfo,
  type CallListener,
  type ClientCall,
  type MessageContext,
  type NextClientCall,
} from './client-call.ts';
import { withAttempt } from './lb-policy.ts';
import { lostWithCarrier, retryCodeOf } from './lost-connection.ts';
import { endSoon, isUnprocessed, plainStatus } from './refuse.ts';

/** What a retried call is told, once per mesh. */
export interface RetrySettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly rules: (info: CallInfo) => MethodRetry;
  readonly budget: (method: string) => RetryBudget;
  /** Most bytes of a call's messages kept for another attempt; beyond, the call is committed. */
  readonly maxBufferBytes: number;
  /** Told when a failed call is not sent again. */
  readonly onGivenUp: (info: CallInfo, why: NoRetryReason, code: number) => void;
  /** Told when a call is sent again. */
  readonly onRetry: (info: CallInfo) => void;
}

/** What policy says of retrying one method. */
export interface MethodRetry {
  readonly retry: RetryRules;
  readonly idempotent: boolean;
}

interface Sent {
  readonly context: MessageContext;
  readonly message: unknown;
}

/** Most calls have one message, and need no list until it comes. */
const NONE_YET: Sent[] = [];
/** An object message at the interceptor door has no size; it counts as this much. */
const OBJECT_BYTES = 1024;

export class RetryCall implements ClientCall, CallListener {
  readonly #settings: RetrySettings;
  readonly #info: CallInfo;
  readonly #next: NextClientCall;
  readonly #method: MethodRetry;
  readonly #budget: RetryBudget;
  #metadata!: Metadata;
  #upper!: CallListener;
  #call: ClientCall | undefined;
  #context: AttemptContext | undefined;
  #attempt = 0;
  #backoffs = 0;
  #tried: Set<string> | undefined;
  #messages: Sent[] | undefined = NONE_YET;
  #bytes = 0;
  /** What the current attempt has still to be played, from `#played` on; the app's own messages queue up behind it. */
  #replay: Sent[] | undefined;
  #played = 0;
  #reads = 0;
  #closed = false;
  #committed = false;
  #cancelled = false;
  #cancelTimer: CancelTimer | undefined;

  constructor(settings: RetrySettings, info: CallInfo, next: NextClientCall) {
    this.#settings = settings;
    this.#info = info;
    this.#next = next;
    this.#method = settings.rules(info);
    this.#budget = settings.budget(info.method);
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.#upper = listener;
    // The caller's own object is not ours to mark, and may change before a retry.
    this.#metadata = this.#info.ownsMetadata === true ? metadata : metadata.clone();
    this.#budget.deposit();
    this.#try();
  }

  #try(): void {
    this.#attempt++;
    const { kind } = this.#info;
    const context = attemptContext({ avoid: this.#tried, streaming: kind !== undefined && kind !== 'unary' });
    this.#context = context;
    if (this.#attempt > 1) {
      this.#metadata = this.#metadata.clone();
      this.#metadata.set(PREVIOUS_ATTEMPTS_KEY, String(this.#attempt - 1));
    }
    withAttempt(this.#metadata, context);
    if (this.#attempt === 1) {
      this.#info.attempt = context;
      this.#call = this.#next(this.#info);
      this.#call.start(this.#metadata, this);
      return; // nothing was sent yet
    }
    const call = this.#next({ ...this.#info, attempt: context });
    this.#call = call;
    call.start(this.#metadata, this);
    for (let i = 0; i < this.#reads; i++) call.startRead();
    this.#replay = [...(this.#messages ?? [])];
    this.#played = 0;
    this.#play(call);
    if (this.#bytes > this.#settings.maxBufferBytes) this.#commit();
  }

  /** Plays the next message to a repeated attempt. One at a time: grpc-js's calls lose the second of two messages given at once. */
  #play(call: ClientCall): void {
    if (call !== this.#call || this.#replay === undefined) return; // that attempt is over
    const sent = this.#replay[this.#played++];
    if (sent === undefined || (this.#closed && this.#played === this.#replay.length)) {
      this.#replay = undefined;
      if (sent !== undefined) call.sendMessageWithContext(sent.context, sent.message);
      if (this.#closed) call.halfClose();
      return;
    }
    const callback = (error?: Error | null): void => {
      sent.context.callback?.(error);
      this.#play(call);
    };
    call.sendMessageWithContext({ ...sent.context, callback }, sent.message);
  }

  sendMessageWithContext(context: MessageContext, message: unknown): void {
    let sent = context;
    if (this.#messages !== undefined) {
      sent = context.callback === undefined ? context : { ...context, callback: calledOnce(context.callback) };
      this.#bytes += Buffer.isBuffer(message) ? message.length : OBJECT_BYTES;
      const waits = this.#cancelTimer !== undefined;
      if (!waits && this.#bytes > this.#settings.maxBufferBytes) this.#commit();
      else if (this.#messages === NONE_YET) this.#messages = [{ context: sent, message }];
      else this.#messages.push({ context: sent, message });
      if (waits) return; // the next attempt takes it along, however large it is
    }
    if (this.#replay !== undefined) {
      this.#replay.push({ context: sent, message });
      return;
    }
    this.#call?.sendMessageWithContext(sent, message);
  }
  startRead(): void {
    this.#reads++;
    if (this.#cancelTimer === undefined) this.#call?.startRead();
  }
  halfClose(): void {
    this.#closed = true;
    if (this.#cancelTimer === undefined && this.#replay === undefined) this.#call?.halfClose();
  }
  cancelWithStatus(code: number, details: string): void {
    this.#cancelled = true;
    if (this.#context !== undefined) this.#context.over = true;
    if (this.#cancelTimer === undefined) {
      this.#call?.cancelWithStatus(code, details);
      return;
    }
    this.#cancelTimer();
    this.#cancelTimer = undefined;
    this.#commit();
    endSoon(this.#upper, plainStatus(code === Code.OK ? Code.CANCELLED : code, details));
  }
  getPeer(): string {
    return this.#call?.getPeer() ?? 'inmesh';
  }
  getAuthContext(): AuthContext | null {
    return this.#call?.getAuthContext() ?? null;
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#commit();
    this.#upper.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    this.#commit();
    this.#upper.onReceiveMessage(message);
  }
  onReceiveStatus(status: StatusObject): void {
    if (this.#context !== undefined) this.#context.over = true;
    if (status.code === Code.OK) {
      this.#commit();
      this.#budget.succeeded();
      this.#upper.onReceiveStatus(status);
      return;
    }
    const settings = this.#settings;
    const context = this.#context;
    const { retry: rules, idempotent } = this.#method;
    // With our own picker a stream that was never opened was never seen by any server.
    const neverSent = this.#info.door.book?.attached === true && context !== undefined && !context.started;
    const decision = decideRetry({
      rules,
      attempt: this.#attempt,
      // A policy that names the status's own code means just that.
      code: rules.retryableCodes.has(status.code) ? status.code : retryCodeOf(status),
      pushback: status.metadata.get(PUSHBACK_KEY) as string[],
      idempotent: this.#info.options?.idempotent ?? idempotent,
      unprocessed: neverSent || isUnprocessed(status),
      committed: this.#committed || this.#cancelled,
      deadlineMs: this.#info.deadlineMs,
      nowMs: settings.clock.nowMs(),
      budget: this.#budget,
      carried: lostWithCarrier(status),
      random: settings.random,
      backoffs: this.#backoffs,
      enabled: this.#info.options?.retry !== false,
    });
    if (!decision.retry) {
      this.#commit();
      settings.onGivenUp(this.#info, decision.why, status.code);
      status.metadata.remove(UNPROCESSED_KEY);
      this.#upper.onReceiveStatus(status);
      return;
    }
    settings.onRetry(this.#info);
    this.#backoffs = decision.backoffs;
    if (context !== undefined && context.picked !== '') {
      this.#tried ??= new Set();
      this.#tried.add(context.picked);
    }
    this.#cancelTimer = settings.clock.setTimer(() => {
      this.#cancelTimer = undefined;
      this.#info.scope.runInAsyncScope(this.#try, this);
    }, decision.delayMs);
  }

  #commit(): void {
    this.#committed = true;
    this.#messages = undefined;
  }
}

/**
 * A write's callback for all sendings of its message: the first attempt to take the message frees the writer, which would
 * wait for ever if that were left to an attempt that has died, and must not be told twice.
 */
function calledOnce(callback: (error?: Error | null) => void): (error?: Error | null) => void {
  let called = false;
  return (error) => {
    if (called) return;
    called = true;
    callback(error);
  };
}
