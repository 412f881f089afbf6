/**
 * One call as a row of attempts: keeps what the app sends until the call is committed, and plays it to the next attempt.
 *
 * - Committed (gRFC A6): headers or a message have reached the app, or the app's messages outgrew the buffer. The answer of
 *   a unary call that may be repeated is held back until it is whole, so what its trailers say comes in time.
 * - A try that takes too long is not cut off: another one joins it, and the first good answer wins. So the limit of a try can
 *   never fail a call that would have succeeded.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code, outcomeOf } from '../call.ts';
import type { CancelTimer } from '../clock.ts';
import { UNPROCESSED_KEY } from '../errors.ts';
import type { QuantileWindow } from '../math/quantile-window.ts';
import type { Budget } from '../retry/budget.ts';
import { decideRetry, type NoRetryReason, type RetryDecision } from '../retry/decide.ts';
import { PREVIOUS_ATTEMPTS_KEY } from '../retry/pushback.ts';
import { tryTimeoutMs } from '../retry/try-timeout.ts';
import {
  type AuthContext,
  attemptContext,
  type CallInfo,
  type CallListener,
  type ClientCall,
  type MessageContext,
  type NextClientCall,
} from './client-call.ts';
import { withAttempt } from './lb-policy.ts';
import { endSoon, plainStatus } from './refuse.ts';
import { Attempt, type AttemptOwner, without } from './retry-attempt.ts';
import { RetryBuffer } from './retry-buffer.ts';
import { type AttemptEnd, endOf, isForRetry, TOO_SLOW } from './retry-end.ts';
import type { MethodRetry, RetrySettings } from './retry-settings.ts';

export class RetryCall implements ClientCall, AttemptOwner {
  readonly #settings: RetrySettings;
  readonly #info: CallInfo;
  readonly #next: NextClientCall;
  readonly #method: MethodRetry;
  readonly #idempotent: boolean;
  readonly #budget: Budget;
  readonly #buffer: RetryBuffer;
  /** Of a unary call that may be repeated. */
  readonly #latency: QuantileWindow | undefined;
  #metadata!: Metadata;
  #upper!: CallListener;
  /** The newest attempt; undefined while none is out. */
  #current: Attempt | undefined;
  /** Attempts that another one has joined because they took too long. */
  #slow: Attempt[] | undefined;
  /** How the call will end if none of the slow ones answers. */
  #failure: StatusObject | undefined;
  #attempts = 0;
  #backoffs = 0;
  #tried: Set<string> | undefined;
  #reads = 0;
  #committed = false;
  #cancelled = false;
  #over = false;
  #cancelTimer: CancelTimer | undefined;

  constructor(settings: RetrySettings, info: CallInfo, next: NextClientCall) {
    const method = settings.rules(info);
    this.#settings = settings;
    this.#info = info;
    this.#next = next;
    this.#method = method;
    this.#idempotent = info.options?.idempotent ?? method.idempotent;
    this.#budget = settings.budget(info.method);
    this.#buffer = new RetryBuffer(settings.limits, info.door);
    const repeats = this.#idempotent && info.kind === 'unary' && method.retry.maxAttempts > 1 && info.options?.retry !== false;
    this.#latency = repeats ? settings.latencies.of(info.method) : undefined;
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.#upper = listener;
    // The caller's own object is not ours to mark, and may change before a retry.
    this.#metadata = this.#info.ownsMetadata === true ? metadata : metadata.clone();
    this.#budget.deposit();
    this.#try();
  }

  #try(): void {
    const { kind } = this.#info;
    const context = attemptContext({ avoid: this.#tried, streaming: kind !== undefined && kind !== 'unary' });
    const attempt = new Attempt(this, context, this.#latency === undefined ? 0 : this.#settings.clock.nowMs(), this.#latency !== undefined);
    if (this.#attempts++ > 0) {
      this.#metadata = this.#metadata.clone();
      this.#metadata.set(PREVIOUS_ATTEMPTS_KEY, String(this.#attempts - 1));
    }
    withAttempt(this.#metadata, context);
    const info = this.#attempts === 1 ? this.#info : { ...this.#info };
    info.attempt = context;
    const call = this.#next(info);
    attempt.call = call;
    this.#current = attempt;
    call.start(this.#metadata, attempt);
    this.#limit(attempt, attempt.startedMs);
    if (this.#attempts === 1) return; // nothing was sent yet
    for (let i = 0; i < this.#reads; i++) call.startRead();
    this.#buffer.playTo(call);
    if (this.#buffer.overflown) this.#commit();
  }

  /** The last try has the whole rest of the call's time. */
  #limit(attempt: Attempt, fromMs: number): void {
    const { retry } = this.#method;
    if (this.#latency === undefined || this.#attempts >= retry.maxAttempts || attempt.context.over) return;
    if (retry.perTryTimeoutMs === undefined && this.#info.door.book?.attached !== true) return; // nobody knows where else to go
    const { deadlineMs } = this.#info;
    const atMs = fromMs + tryTimeoutMs(retry.perTryTimeoutMs, this.#latency, fromMs, deadlineMs - fromMs);
    if (atMs < deadlineMs && atMs < Number.POSITIVE_INFINITY) attempt.expiry = this.#settings.tries.add(attempt, atMs);
  }

  expired(attempt: Attempt): void {
    const { context } = attempt;
    const { book } = this.#info.door;
    if (attempt !== this.#current || this.#committed || this.#cancelled) return;
    // Not even on its way, or the app has not sent its message: its time begins later.
    if (!this.#buffer.closed || (book?.attached === true && context.picked === '')) {
      this.#limit(attempt, this.#settings.clock.nowMs());
      return;
    }
    if (context.picked !== '') book?.timedOut?.(context.picked);
    // What is learned may be wrong: without another endpoint to go to it would only add load to one that is slow.
    if (this.#method.retry.perTryTimeoutMs === undefined && this.#hasOther(context.picked) !== true) return;
    const decision = this.#decide(TOO_SLOW, context.picked);
    if (!decision.retry) {
      if (decision.why === 'budget') this.#limit(attempt, this.#settings.clock.nowMs());
      return;
    }
    this.#slow ??= [];
    this.#slow.push(attempt);
    this.#avoid(context.picked);
    this.#settings.onRetry(this.#info);
    this.#info.scope.runInAsyncScope(this.#try, this);
  }
  /** Whether there is an endpoint that was not tried; undefined: nobody knows. */
  #hasOther(picked: string): boolean | undefined {
    const { book } = this.#info.door;
    if (book?.attached !== true) return undefined;
    return book.endpoints.some(
      ({ ready, ejected, address }) => ready && !ejected && address !== picked && this.#tried?.has(address) !== true,
    );
  }
  #avoid(address: string): void {
    if (address === '') return;
    this.#tried = new Set(this.#tried).add(address); // attempts that are out keep theirs
  }

  sendMessageWithContext(context: MessageContext, message: unknown): void {
    const { call } = this.#current ?? {};
    this.#buffer.send(context, message, call);
    // Without an attempt the next one takes it along, however large it is.
    if (call !== undefined && !this.#committed && this.#buffer.overflown) this.#commit();
  }
  startRead(): void {
    this.#reads++;
    this.#current?.call.startRead();
  }
  halfClose(): void {
    this.#buffer.closed = true;
    if (!this.#buffer.replaying) this.#current?.call.halfClose();
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.#over) return;
    this.#cancelled = true;
    const current = this.#current;
    if (current !== undefined) {
      current.context.over = true;
      this.#settle(current);
      current.call.cancelWithStatus(code, details); // its status is the call's
      return;
    }
    this.#end();
    endSoon(this.#upper, plainStatus(code === Code.OK ? Code.CANCELLED : code, details));
  }
  getPeer(): string {
    return this.#current?.call.getPeer() ?? 'inmesh';
  }
  getAuthContext(): AuthContext | null {
    return this.#current?.call.getAuthContext() ?? null;
  }

  headers(metadata: Metadata): void {
    this.#commit();
    this.#upper.onReceiveMetadata(metadata);
  }
  message(message: unknown): void {
    this.#commit();
    this.#upper.onReceiveMessage(message);
  }
  ended(attempt: Attempt, status: StatusObject): void {
    this.#settle(attempt);
    const unwanted =
      status.code === Code.OK && attempt.hasMessage && this.#settings.retryOnResponse?.(this.#info.method, attempt.received) === true;
    if (status.code === Code.OK && !unwanted) this.#answered(attempt, status);
    else if (attempt === this.#current) this.#failed(attempt, status, unwanted);
    else this.#slowFailed(attempt, status);
  }

  #answered(attempt: Attempt, status: StatusObject): void {
    this.#budget.succeeded();
    if (this.#latency !== undefined) {
      const nowMs = this.#settings.clock.nowMs();
      this.#latency.record(nowMs - attempt.startedMs, nowMs);
    }
    this.#deliver(attempt, status);
  }
  #failed(attempt: Attempt, status: StatusObject, unwanted: boolean): void {
    const why = this.#again(attempt, status, unwanted);
    if (why === undefined) return;
    if (this.#slow === undefined || unwanted || this.#cancelled || this.#isFinal(status)) this.#deliver(attempt, status);
    else {
      // A slow attempt may answer after all.
      this.#failure = status;
      this.#current = undefined;
    }
  }
  #slowFailed(attempt: Attempt, status: StatusObject): void {
    this.#slow = without(this.#slow, attempt);
    if (this.#isFinal(status)) this.#deliver(attempt, status);
    else if (this.#failure !== undefined && this.#slow === undefined) this.#deliver(undefined, this.#failure);
  }
  /** The service's own word on the matter is an answer like any other. */
  #isFinal({ code }: StatusObject): boolean {
    return code !== Code.OK && outcomeOf(code) === 'success' && !this.#method.retry.retryableCodes.has(code);
  }
  #deliver(attempt: Attempt | undefined, status: StatusObject): void {
    const overtaken = this.#current;
    if (attempt !== undefined && attempt !== overtaken) {
      this.#slow = without(this.#slow, attempt);
      this.#current = attempt; // whose peer the app may ask for
      if (overtaken !== undefined) this.#settle(overtaken);
      overtaken?.giveUp();
    }
    this.#end();
    const upper = this.#upper;
    if (attempt?.metadata !== undefined) upper.onReceiveMetadata(attempt.metadata);
    if (attempt?.hasMessage === true) upper.onReceiveMessage(attempt.received);
    if (status.code !== Code.OK) status.metadata.remove(UNPROCESSED_KEY);
    upper.onReceiveStatus(status);
  }
  /** Nothing comes after this. */
  #end(): void {
    this.#over = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#commit();
    if (this.#slow === undefined) return;
    for (const slow of this.#slow) slow.giveUp();
    this.#slow = undefined;
  }
  #settle(attempt: Attempt): void {
    if (attempt.expiry !== undefined) this.#settings.tries.remove(attempt.expiry);
    attempt.expiry = undefined;
  }

  /** Undefined: the call is sent again. Else why not. */
  #again({ context }: Attempt, status: StatusObject, unwanted: boolean): NoRetryReason | undefined {
    const settings = this.#settings;
    const end = endOf(status, context, this.#info, this.#method.retry, settings.clock);
    const decision = this.#decide(unwanted ? { ...end, unwanted } : end, context.picked);
    if (!decision.retry) {
      settings.onGivenUp(this.#info, decision.why, status.code);
      return decision.why;
    }
    settings.onRetry(this.#info);
    this.#backoffs = decision.backoffs;
    this.#avoid(context.picked);
    this.#current = undefined;
    this.#buffer.stop();
    this.#cancelTimer = settings.clock.setTimer(() => {
      this.#cancelTimer = undefined;
      this.#info.scope.runInAsyncScope(this.#try, this);
    }, decision.delayMs);
    return undefined;
  }
  #decide(end: AttemptEnd, picked: string): RetryDecision {
    const { clock, random } = this.#settings;
    return decideRetry({
      rules: this.#method.retry,
      attempt: this.#attempts,
      idempotent: this.#idempotent,
      committed: this.#committed || this.#cancelled,
      deadlineMs: this.#info.deadlineMs,
      nowMs: clock.nowMs(),
      budget: this.#budget,
      random,
      backoffs: this.#backoffs,
      enabled: this.#info.options?.retry !== false,
      hasOther: () => this.#hasOther(picked) !== false,
      isChained: () => this.#method.retry.chainStop && isForRetry(this.#info),
      ...end,
    });
  }

  #commit(): void {
    this.#committed = true;
    this.#buffer.drop();
  }
}
