/**
 * One call as a race of attempts: plays what the plan decides, gives the caller the first good answer, and none of the others.
 *
 * What makes an attempt the winner: the OK of a single answer; of streams the first message, for two-way ones the headers
 * already, since an app may wait for them. Until then its answer is kept. An app whose messages outgrow the buffer stays with
 * the attempt that was given most of them.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { EndpointBook } from '../balance/book.ts';
import { Code } from '../call.ts';
import type { DeadlineHandle } from '../deadline/deadline-queue.ts';
import { UNPROCESSED_KEY } from '../errors.ts';
import { type HedgeRules, MIN_LEARNED_MS } from '../hedge/options.ts';
import { type HedgeAllowance, type HedgeBudget, HedgePlan, type HedgeStep } from '../hedge/plan.ts';
import type { HedgeShare } from '../hedge/share.ts';
import type { QuantileWindow } from '../math/quantile-window.ts';
import { PREVIOUS_ATTEMPTS_KEY, PUSHBACK_KEY } from '../retry/pushback.ts';
import { tryTimeoutMs } from '../retry/try-timeout.ts';
import type { AuthContext, CallInfo, CallListener, ClientCall, MessageContext, NextClientCall } from './client-call.ts';
import { type AttemptHost, type AttemptSettings, HedgeAttempt, HedgeContext, type Outgoing, type Waiting } from './hedge-attempt.ts';
import { withAttempt } from './lb-policy.ts';
import { lostWithCarrier, retryCodeOf } from './lost-connection.ts';
import { endSoon, isUnprocessed, plainStatus } from './refuse.ts';
import type { BufferLimits } from './retry-buffer.ts';

/** What a hedged call is told, once per mesh. */
export interface HedgeCallSettings extends AttemptSettings {
  /** How much of what apps send is kept for other attempts. */
  readonly limits: BufferLimits;
  /** Told of every attempt but the original. */
  readonly onHedge: (info: CallInfo) => void;
}

/** What holds for its method. */
export interface HedgedMethod {
  readonly rules: HedgeRules;
  readonly budget: HedgeBudget & { deposit(): void; succeeded(): void };
  readonly latencies: QuantileWindow;
  readonly share: HedgeShare;
}

/** A timer that late has waited for this process, as its answers have. */
const PAUSE_MS = 3;
/** An object message at the interceptor door has no size; it counts as this much. */
const OBJECT_BYTES = 1024;

export class HedgeCall implements ClientCall, AttemptHost, Waiting {
  readonly outgoing: Outgoing;
  readonly #settings: HedgeCallSettings;
  readonly #info: CallInfo;
  readonly #next: NextClientCall;
  readonly #method: HedgedMethod;
  /** One message answers the call, so its status can be waited for. */
  readonly #single: boolean;
  readonly #attempts: HedgeAttempt[] = [];
  #metadata!: Metadata;
  #upper!: CallListener;
  #plan!: HedgePlan;
  #handle: DeadlineHandle<Waiting> | undefined;
  #armedMs = Number.POSITIVE_INFINITY;
  #winner: HedgeAttempt | undefined;
  /** The last to end without OK. */
  #failed: HedgeAttempt | undefined;
  /** Endpoints that attempts were sent to; from the first hedge on. */
  #tried: Set<string> | undefined;
  #reads = 0;
  #bytes = 0;
  #ended = false;

  constructor(settings: HedgeCallSettings, method: HedgedMethod, info: CallInfo, next: NextClientCall) {
    const { kind } = info;
    this.#settings = settings;
    this.#method = method;
    this.#info = info;
    this.#next = next;
    this.#single = kind === 'unary' || kind === 'clientStream';
    this.outgoing = { kept: [], closed: false, paced: kind !== 'unary' && kind !== 'serverStream' };
  }

  get book(): EndpointBook | undefined {
    return this.#info.door.book;
  }
  get tried(): Set<string> | undefined {
    return this.#tried;
  }

  start(metadata: Metadata, listener: CallListener): void {
    const { rules, budget } = this.#method;
    const { maxAttempts, nonFatalCodes } = rules;
    const { deadlineMs } = this.#info;
    this.#upper = listener;
    this.#metadata = metadata.clone(); // the caller's own object is not ours to mark, and may change before a hedge
    const nowMs = this.#settings.clock.nowMs();
    const delayMs = rules.delayMs ?? this.#learnedMs(nowMs);
    budget.deposit();
    const allowance = rules.delayMs === undefined ? this.#allowance(nowMs) : undefined;
    this.#plan = new HedgePlan({ maxAttempts, nonFatalCodes, delayMs, allowance, deadlineMs, budget });
    if (delayMs === 0) this.#tried = new Set();
    this.#plan.start(nowMs);
    this.#begin();
    this.#follow(this.#plan.due(nowMs));
  }
  #learnedMs(nowMs: number): number | undefined {
    const learnedMs = this.#method.latencies.quantile(this.#method.rules.percentile, nowMs);
    return learnedMs === undefined ? undefined : Math.max(MIN_LEARNED_MS, learnedMs);
  }

  #allowance(nowMs: number): HedgeAllowance {
    const { rules, latencies, share } = this.#method;
    share.earn(1 - rules.percentile);
    return { share, lateMs: tryTimeoutMs(undefined, latencies, nowMs, this.#info.deadlineMs - nowMs) };
  }

  /** Does what the plan says, until it says wait. */
  #follow(first: HedgeStep): void {
    let step = first;
    while (step === 'start') {
      this.#begin();
      step = this.#plan.due(this.#settings.clock.nowMs());
    }
    if (step === 'end' && this.#failed !== undefined) this.#settle(this.#failed);
    else this.#arm();
  }
  #begin(): void {
    const { kind } = this.#info;
    const number = this.#attempts.length;
    let metadata = this.#metadata;
    if (number > 0) {
      this.#tried ??= new Set(this.#attempts.map(({ context }) => context.picked).filter((address) => address !== ''));
      metadata = metadata.clone();
      metadata.set(PREVIOUS_ATTEMPTS_KEY, String(number));
      this.#settings.onHedge(this.#info);
    }
    const context = new HedgeContext(this, kind !== undefined && kind !== 'unary');
    withAttempt(metadata, context);
    const attempt = new HedgeAttempt(this.#settings, this, number, context, this.#method.latencies);
    this.#attempts.push(attempt);
    let info = this.#info;
    if (this.#tried === undefined) info.attempt = context;
    // In a batch it would travel with the original, or wait for company while it should hurry.
    else info = { ...info, attempt: context, options: { ...info.options, coalesce: 'never' } };
    attempt.open(this.#next(info), metadata, this.#reads);
    if (this.#overflown && attempt.out) this.#commit(attempt);
  }
  #arm(): void {
    const atMs = this.#plan.nextAtMs;
    if (atMs === this.#armedMs) return;
    const { timers } = this.#settings;
    if (this.#handle !== undefined) timers.remove(this.#handle);
    this.#armedMs = atMs;
    this.#handle = atMs === Number.POSITIVE_INFINITY ? undefined : timers.add(this, atMs);
  }
  /** Nothing begins any more, and nothing need be kept for it. */
  #stop(): void {
    this.#plan.stop();
    this.#arm();
    this.#count(-this.#bytes);
  }
  #count(bytes: number): void {
    if (bytes === 0) return;
    const { door } = this.#info;
    this.#bytes += bytes;
    door.keptBytes = (door.keptBytes ?? 0) + bytes;
  }
  get #overflown(): boolean {
    const { maxBytes, maxClientBytes } = this.#settings.limits;
    return this.#bytes > maxBytes || (this.#info.door.keptBytes ?? 0) > maxClientBytes;
  }
  due(): void {
    const { clock } = this.#settings;
    const lateMs = clock.nowMs() - this.#armedMs;
    this.#handle = undefined;
    this.#armedMs = Number.POSITIVE_INFINITY;
    // After a pause of this process answers lie about unread, and timers come before them.
    if (lateMs > PAUSE_MS) clock.endOfTurn(() => this.#wake());
    else this.#wake();
  }
  #wake(): void {
    this.#info.scope.runInAsyncScope(this.#follow, this, this.#plan.due(this.#settings.clock.nowMs()));
  }

  headersCame(attempt: HedgeAttempt, headers: Metadata): void {
    if (attempt === this.#winner) {
      this.#upper.onReceiveMetadata(headers);
      return;
    }
    attempt.headers = headers;
    if (this.#info.kind === 'bidi') this.#commit(attempt);
  }
  messageCame(attempt: HedgeAttempt, message: unknown): void {
    if (attempt !== this.#winner) {
      if (this.#single) {
        attempt.messages ??= [];
        attempt.messages.push(message);
        return;
      }
      this.#commit(attempt);
    }
    this.#upper.onReceiveMessage(message);
  }
  attemptEnded(attempt: HedgeAttempt, status: StatusObject): void {
    if (attempt === this.#winner || status.code === Code.OK) {
      if (status.code === Code.OK) this.#method.budget.succeeded();
      this.#settle(attempt);
      return;
    }
    this.#failed = attempt;
    const { nonFatalCodes } = this.#method.rules;
    const step = this.#plan.ended(
      {
        // A policy that names the status's own code means just that.
        code: nonFatalCodes.has(status.code) ? status.code : retryCodeOf(status),
        pushback: status.metadata.get(PUSHBACK_KEY) as string[],
        // With our own picker a stream that was never opened was never seen by any server.
        unprocessed: (this.book?.attached === true && !attempt.context.started) || isUnprocessed(status),
        carried: lostWithCarrier(status),
      },
      this.#settings.clock.nowMs(),
    );
    if (step === 'start') this.#info.scope.runInAsyncScope(this.#follow, this, step);
    else this.#follow(step);
  }

  /** The call is this attempt's from here on. */
  #commit(winner: HedgeAttempt): void {
    if (this.#winner !== undefined) return;
    this.#winner = winner;
    this.#stop();
    for (const attempt of this.#attempts) if (attempt !== winner) attempt.giveUp(attempt.number < winner.number);
    const failed = winner.status !== undefined && winner.status.code !== Code.OK;
    if (!failed && (winner.headers ?? winner.status) !== undefined) winner.learn();
    if (winner.headers !== undefined) this.#upper.onReceiveMetadata(winner.headers);
    for (const message of winner.messages ?? []) this.#upper.onReceiveMessage(message);
    winner.headers = winner.messages = undefined;
  }
  /** The call ends as this attempt did. */
  #settle(attempt: HedgeAttempt): void {
    const { status } = attempt;
    if (this.#ended || status === undefined) return;
    this.#commit(attempt);
    this.#ended = true;
    this.outgoing.kept.length = 0;
    if (status.metadata.get(UNPROCESSED_KEY).length > 0) status.metadata.remove(UNPROCESSED_KEY);
    this.#upper.onReceiveStatus(status);
  }

  sendMessageWithContext(context: MessageContext, message: unknown): void {
    if (this.#ended) return;
    if (this.#winner?.takesAtOnce() === true) {
      this.#winner.call.sendMessageWithContext(context, message);
      return;
    }
    const { callback } = context;
    this.outgoing.kept.push({ context: callback === undefined ? context : { ...context, callback: calledOnce(callback) }, message });
    if (this.#winner === undefined) this.#count(Buffer.isBuffer(message) ? message.length : OBJECT_BYTES);
    // While nobody is out the next attempt takes it along, however large it is, and is the last.
    if (this.#winner === undefined && this.#overflown) {
      const most = this.#attempts.filter(({ out }) => out).sort((a, b) => b.given - a.given)[0];
      if (most !== undefined) this.#commit(most);
    }
    for (const attempt of this.#attempts) attempt.feed();
  }
  startRead(): void {
    this.#reads++;
    for (const attempt of this.#attempts) if (attempt.out) attempt.call.startRead();
  }
  halfClose(): void {
    this.outgoing.closed = true;
    for (const attempt of this.#attempts) attempt.feed();
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stop();
    for (const attempt of this.#attempts) attempt.giveUp();
    this.outgoing.kept.length = 0;
    endSoon(this.#upper, plainStatus(code === Code.OK ? Code.CANCELLED : code, details));
  }
  getPeer(): string {
    return this.#shown()?.call.getPeer() ?? 'inmesh';
  }
  getAuthContext(): AuthContext | null {
    return this.#shown()?.call.getAuthContext() ?? null;
  }
  #shown(): HedgeAttempt | undefined {
    return this.#winner ?? this.#attempts.at(-1);
  }
}

/** A write's callback for all sendings of its message: the first attempt to take it frees the writer. */
function calledOnce(callback: (error?: Error | null) => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    callback();
  };
}
