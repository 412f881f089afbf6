/**
 * A call of grpc-js that is given up softly: its caller is told at once, its stream is reset only as often as the server bears
 * (case C7, `src/resets`). It is below every door, so that carriers, tunnels, retries and hedges are all covered.
 *
 * Where the balancing is ours it also has the deadline, in grpc-js's place: grpc-js would reset the stream at its deadline,
 * although the server, who knows it too, is just about to end it. Our picker writes the time left when it picks.
 *
 * @packageDocumentation
 */
import type { CallCredentials, ChannelInterface, Metadata, StatusObject } from '@grpc/grpc-js';
import type { EndpointBook } from '../balance/book.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { NO_DEADLINE } from '../deadline/arithmetic.ts';
import { type DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import { type Leftover, Leftovers } from '../resets/leftovers.ts';
import type { ResetBudget } from '../resets/reset-budget.ts';
import {
  type AttemptContext,
  type AuthContext,
  attemptContext,
  type CallListener,
  type MessageContext,
  type Timed,
} from './client-call.ts';
import { detachedClock } from './detached.ts';
import { fromGrpcDeadline } from './door.ts';
import { attemptOf, withAttempt } from './lb-policy.ts';
import { STREAM_CANCELLED } from './lost-connection.ts';
import { endSoon, plainStatus } from './refuse.ts';

type ChannelCall = ReturnType<ChannelInterface['createCall']>;

/** What is written for the server is rounded to whole units. */
const ROUNDING_MS = 1;
/** So long an expired stream is left to the deadline that its server has for it: a round trip, and a busy moment. */
const SERVER_LAG_MS = 500;

/**
 * Makes every call of `channel` a soft one: its `createCall` is shadowed on the instance.
 *
 * @returns What is to be called before the channel is closed.
 */
export function soften(channel: ChannelInterface, book: EndpointBook, resets: ResetBudget, clock: Clock): () => void {
  const home = new Home(book, resets, detachedClock(clock));
  book.onLost?.((address) => resets.lost(address));
  const create = channel.createCall.bind(channel);
  channel.createCall = (method, deadline, host, parent, flags) => {
    // As long as no picker of ours is at work nobody would write the time left; and a parent's deadline is grpc-js's to read.
    const ours = book.attached && (parent ?? undefined) === undefined;
    const deadlineMs = ours ? fromGrpcDeadline(deadline, clock) : NO_DEADLINE;
    return new SoftCall(create(method, ours ? NO_DEADLINE : deadline, host, parent, flags), home, deadlineMs);
  };
  return () => home.close();
}

/** What the calls of one channel share. */
class Home {
  readonly book: EndpointBook;
  readonly resets: ResetBudget;
  readonly clock: Clock;
  readonly leftovers: Leftovers;
  readonly due: DeadlineQueue<SoftCall>;
  #closed = false;

  constructor(book: EndpointBook, resets: ResetBudget, clock: Clock) {
    this.book = book;
    this.resets = resets;
    this.clock = clock;
    this.leftovers = new Leftovers(resets, clock);
    this.due = new DeadlineQueue(clock, (call) => call.expire());
  }
  mayReset(address: string): boolean {
    return this.#closed || this.resets.tryReset(address);
  }
  /** What is left ends now, and so does what is given up later: it would keep a connection open that nobody uses. */
  close(): void {
    this.#closed = true;
    this.leftovers.clear();
  }
}

class SoftCall implements ChannelCall, CallListener, Leftover, Timed {
  readonly #lower: ChannelCall;
  readonly #home: Home;
  readonly #deadlineMs: number;
  #upper: CallListener | undefined;
  #context: AttemptContext | undefined;
  #startMs = 0;
  #expiry: DeadlineHandle<SoftCall> | undefined;
  /** Nobody waits for it any more, but its stream is open. */
  #left = false;
  place: DeadlineHandle<Leftover> | undefined = undefined;

  constructor(lower: ChannelCall, home: Home, deadlineMs: number) {
    this.#lower = lower;
    this.#home = home;
    this.#deadlineMs = deadlineMs;
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.#upper = listener;
    let marked = metadata;
    let context = attemptOf(metadata);
    if (context === undefined) {
      context = attemptContext();
      marked = metadata.clone();
      withAttempt(marked, context);
    }
    this.#context = context;
    if (this.#deadlineMs !== NO_DEADLINE) {
      const { clock, due } = this.#home;
      context.timed = this;
      this.#startMs = clock.nowMs();
      this.#expiry = due.add(this, this.#deadlineMs);
    }
    this.#lower.start(marked, this);
  }

  cancelWithStatus(code: number, details: string): void {
    if (this.#upper === undefined) return;
    if (this.#mayReset()) this.#lower.cancelWithStatus(code, details);
    else this.#leave(plainStatus(code === Code.OK ? Code.CANCELLED : code, details));
  }

  leftMs(): number {
    return this.#deadlineMs - this.#home.clock.nowMs();
  }

  /** Its time is over. */
  expire(): void {
    this.#expiry = undefined;
    const { book, clock } = this.#home;
    const context = this.#context;
    if (context === undefined || !this.#isOut(context)) {
      const seconds = ((clock.nowMs() - this.#startMs) / 1000).toFixed(3);
      this.#lower.cancelWithStatus(Code.DEADLINE_EXCEEDED, `Deadline exceeded after ${seconds}s,Waiting for LB pick`);
      return;
    }
    context.timedOut = true;
    // How long a stream lasts says nothing about its endpoint; the calls in a carrier speak for themselves.
    if (!context.streaming && !context.counted) book.timedOut?.(context.picked);
    this.#leave(plainStatus(Code.DEADLINE_EXCEEDED, this.#lateDetails()), SERVER_LAG_MS);
  }

  /** Without a stream there is nothing to reset. */
  #mayReset(): boolean {
    const context = this.#context;
    return context === undefined || !this.#isOut(context) || this.#home.mayReset(context.picked);
  }
  #isOut(context: AttemptContext): boolean {
    context.over = true;
    return context.started;
  }

  #leave(status: StatusObject, askInMs?: number): void {
    const upper = this.#upper;
    this.#upper = undefined;
    this.#left = true;
    this.#settle();
    this.#home.leftovers.leave(this, askInMs);
    // Unread, what the server still sends would fill the window that all calls of the connection share.
    this.#lower.startRead();
    if (upper !== undefined) endSoon(upper, status);
  }
  #settle(): void {
    if (this.#expiry === undefined) return;
    this.#home.due.remove(this.#expiry);
    this.#expiry = undefined;
  }

  get address(): string {
    return this.#context?.picked ?? '';
  }
  reset(): void {
    this.#lower.cancelWithStatus(Code.CANCELLED, 'inmesh: nobody waits for this call any more');
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#upper?.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    if (this.#left) this.#lower.startRead();
    else this.#upper?.onReceiveMessage(message);
  }
  onReceiveStatus(status: StatusObject): void {
    const upper = this.#upper;
    this.#upper = undefined;
    if (this.#left) this.#home.leftovers.finished(this);
    else this.#settle();
    upper?.onReceiveStatus(this.#isServersTimeout(status) ? plainStatus(Code.DEADLINE_EXCEEDED, this.#lateDetails()) : status);
  }
  /** The server, whose clock started later, has reset the stream at the deadline that it was told (grpc-go), and our timer is about to come. */
  #isServersTimeout({ code, details }: StatusObject): boolean {
    return code === Code.CANCELLED && details === STREAM_CANCELLED && this.#deadlineMs !== NO_DEADLINE && this.leftMs() <= ROUNDING_MS;
  }
  #lateDetails(): string {
    const seconds = ((this.#home.clock.nowMs() - this.#startMs) / 1000).toFixed(3);
    return `Deadline exceeded after ${seconds}s,remote_addr=${this.#context?.picked ?? ''}`;
  }

  sendMessageWithContext(context: MessageContext, message: Buffer): void {
    if (!this.#left) this.#lower.sendMessageWithContext(context, message);
    else if (context.callback !== undefined) process.nextTick(context.callback);
  }
  startRead(): void {
    if (!this.#left) this.#lower.startRead();
  }
  // Never for a call that was given up: its handler would take what came so far for the whole request.
  halfClose(): void {
    if (!this.#left) this.#lower.halfClose();
  }
  setCredentials(credentials: CallCredentials): void {
    this.#lower.setCredentials(credentials);
  }
  getPeer(): string {
    return this.#lower.getPeer();
  }
  getCallNumber(): number {
    return this.#lower.getCallNumber();
  }
  getAuthContext(): AuthContext | null {
    return this.#lower.getAuthContext();
  }
}
