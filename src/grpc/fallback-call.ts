/**
 * A unary call that, when it fails, is answered by something else: another method, or a function of the application's.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { Code, codeName } from '../call.ts';
import type { Clock } from '../clock.ts';
import { isLate } from '../deadline/arithmetic.ts';
import type { DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import { REASON_KEY } from '../errors.ts';
import type { FallbackFunction, FallbackRules } from '../fallback/options.ts';
import { type CallInfo, type CallListener, type ClientCall, type NextClientCall, NO_CONTEXT } from './client-call.ts';
import { bytesOf, type MethodCodecs } from './codecs.ts';
import { HeldAnswerCall } from './held-answer.ts';
import { endSoon, plainStatus } from './refuse.ts';

/** Numbers of one mesh. */
export interface FallbackCounts {
  /** Calls that something else answered. */
  used: number;
  /** Calls that nothing else could answer either. */
  failed: number;
}

/** What all such calls share. */
export interface FallbackHome {
  readonly clock: Clock;
  readonly codecs: MethodCodecs;
  readonly counts: FallbackCounts;
  readonly expiries: DeadlineQueue<FallbackCall>;
  /** Says once for each method what is wrong with its fallback. */
  readonly warn: (method: string, why: string) => void;
}

/** On the call's span: the name of the status that it would have ended with. */
const FALLBACK_ATTRIBUTE = 'inmesh.fallback';

export class FallbackCall extends HeldAnswerCall {
  readonly #home: FallbackHome;
  readonly #rules: FallbackRules;
  readonly #next: NextClientCall;
  #metadata: Metadata | undefined;
  /** Set while something else is asked. */
  #failure: StatusObject | undefined;
  #other: ClientCall | undefined;
  #expiry: DeadlineHandle<FallbackCall> | undefined;

  constructor(home: FallbackHome, rules: FallbackRules, info: CallInfo, next: NextClientCall) {
    super(next(info), info);
    this.#home = home;
    this.#rules = rules;
    this.#next = next;
  }

  override start(metadata: Metadata, listener: CallListener): void {
    if (this.#rules.method !== undefined) this.#metadata = metadata.clone(); // the caller's own object may change
    super.start(metadata, listener);
  }
  override cancelWithStatus(code: number, details: string): void {
    if (this.#failure === undefined) {
      super.cancelWithStatus(code, details);
      return;
    }
    this.#failure = undefined;
    this.#forget();
    endSoon(this.upper, plainStatus(code === Code.OK ? Code.CANCELLED : code, details));
    this.#other?.cancelWithStatus(code, details);
  }

  protected override ended(status: StatusObject): void {
    if (status.code === Code.OK || this.cancelled || !this.#rules.codes.has(status.code)) {
      this.pass(status);
      return;
    }
    this.#failure = status;
    this.info.scope.runInAsyncScope(() => this.#ask(status));
  }

  #ask(status: StatusObject): void {
    const { clock, expiries } = this.#home;
    const nowMs = clock.nowMs();
    const { deadlineMs } = this.info;
    const over = status.code === Code.DEADLINE_EXCEEDED || isLate(deadlineMs, nowMs);
    const untilMs = over ? nowMs + this.#rules.timeoutMs : Math.min(deadlineMs, nowMs + this.#rules.timeoutMs);
    const { method, answer } = this.#rules;
    try {
      if (method !== undefined) this.#askMethod(method, untilMs);
      else if (answer !== undefined) {
        this.#askFunction(answer, status);
        if (this.#failure !== undefined) this.#expiry = expiries.add(this, untilMs);
      }
    } catch (error) {
      this.#unanswered(threw(error));
    }
  }

  #askMethod(method: string, deadlineMs: number): void {
    const info = this.info;
    const { definition, door } = info;
    let request = this.request;
    let below: CallInfo = { ...info, method, deadlineMs };
    if (definition !== undefined) {
      // An interceptor can't call another method: grpc-js binds the path. So the call is made on the channel, as bytes.
      const { channel } = door;
      if (channel === undefined || door.foreignBelow === true) {
        this.#unanswered(
          'another method can be called only with mesh.client(), or with mesh.options() and no interceptors of others below',
        );
        return;
      }
      request = definition.requestSerialize(request);
      below = { ...below, definition: undefined, bottom: (bottom) => channel.open(bottom) };
    }
    const other = this.#next(below);
    this.#other = other;
    other.start(this.#metadata ?? new Metadata(), new OtherListener(this));
    other.startRead();
    other.sendMessageWithContext(NO_CONTEXT, request);
    other.halfClose();
  }

  /** The other method has ended. */
  otherEnded(headers: Metadata | undefined, response: unknown, { code, metadata }: StatusObject): void {
    if (code !== Code.OK || response === undefined) {
      this.#unanswered();
      return;
    }
    let message = response;
    try {
      if (this.info.definition !== undefined) message = this.info.definition.responseDeserialize(response as Buffer);
    } catch (error) {
      this.#unanswered(`its answer can't be read: ${nameOf(error)}`);
      return;
    }
    this.#answered(headers ?? new Metadata(), message, metadata.clone());
  }

  #askFunction(answer: FallbackFunction, { code, details, metadata }: StatusObject): void {
    const { definition, method } = this.info;
    const codec = this.#home.codecs.of(method);
    const given = (value: unknown): void => this.#answeredWith(value);
    const failed = (error: unknown): void => this.#unanswered(threw(error));
    const asBytes = definition === undefined && codec !== undefined;
    const request = asBytes ? codec.requestDeserialize(this.request as Buffer) : this.request;
    const value = answer({ code, details, metadata: metadata.getMap() }, request);
    if (!isPromise(value)) given(value);
    else
      value.then(
        (answered) => process.nextTick(given, answered),
        (error: unknown) => process.nextTick(failed, error),
      );
  }

  #answeredWith(value: unknown): void {
    if (this.#failure === undefined) return;
    if (value === undefined || value === null) {
      this.#unanswered();
      return;
    }
    let message = value;
    if (this.info.definition === undefined) {
      const codec = this.#home.codecs.of(this.info.method);
      try {
        const bytes = bytesOf(value, codec?.responseSerialize);
        if (bytes === undefined) {
          this.#unanswered('it gave no bytes, and nobody knows how to make it so: createMesh(policy, { services: [Greeter.service] })');
          return;
        }
        message = bytes;
      } catch (error) {
        this.#unanswered(`its answer can't be encoded: ${nameOf(error)}`);
        return;
      }
    }
    this.#answered(new Metadata(), message, new Metadata());
  }

  /** Nothing has come in time. */
  expire(): void {
    this.#expiry = undefined;
    this.#unanswered();
  }

  #answered(headers: Metadata, message: unknown, trailers: Metadata): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#failure = undefined;
    this.#forget();
    this.#home.counts.used++;
    if (this.info.story !== undefined) this.info.story.answeredBy = 'fallback';
    const name = codeName(failure.code);
    this.info.record?.call.span.setAttribute(FALLBACK_ATTRIBUTE, name);
    trailers.set(REASON_KEY, 'client.fallback/used');
    this.deliver(headers, message, { code: Code.OK, details: `inmesh: answered by the fallback after ${name}`, metadata: trailers });
  }
  /** The call ends as it failed. */
  #unanswered(why?: string): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#failure = undefined;
    this.#forget();
    this.#home.counts.failed++;
    if (why !== undefined) this.#home.warn(this.info.method, why);
    this.pass(failure);
  }
  #forget(): void {
    if (this.#expiry === undefined) return;
    this.#home.expiries.remove(this.#expiry);
    this.#expiry = undefined;
  }
}

class OtherListener implements CallListener {
  readonly #call: FallbackCall;
  #headers: Metadata | undefined;
  #response: unknown;

  constructor(call: FallbackCall) {
    this.#call = call;
  }
  onReceiveMetadata(metadata: Metadata): void {
    this.#headers = metadata;
  }
  onReceiveMessage(message: unknown): void {
    this.#response = message;
  }
  onReceiveStatus(status: StatusObject): void {
    this.#call.otherEnded(this.#headers, this.#response, status);
  }
}

/** The kind of an error: its text may hold anything, and this goes into a log. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
const threw = (error: unknown): string => `it threw ${nameOf(error)}`;

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
