/**
 * One attempt of a hedged call: it is played what the app has sent, keeps its answer until somebody wants it, and goes away
 * without harm once it has lost.
 *
 * A loser's stream is reset only as the reset budget allows, else left to finish (design rule 7). One that a *younger* attempt
 * overtook is first left alone for a second: its late answer, or its silence, is how the balancer and the learned delay get
 * to know that its endpoint is slow. A call that was cancelled teaches nobody anything.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { EndpointBook } from '../balance/book.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { DeadlineHandle, DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { QuantileWindow } from '../math/quantile-window.ts';
import type { AttemptContext, CallListener, ClientCall, MessageContext } from './client-call.ts';

/** Something with a time of its own on the one timer of all hedging. */
export interface Waiting {
  due(): void;
}

/** What the app has sent so far, for all attempts of its call. */
export interface Outgoing {
  readonly kept: { readonly context: MessageContext; readonly message: unknown }[];
  closed: boolean;
  /** Messages are given one at a time: grpc-js's calls lose the second of two given at once. */
  readonly paced: boolean;
}

/** The call that an attempt belongs to. */
export interface AttemptHost {
  readonly outgoing: Outgoing;
  /** Where the balancing is ours. */
  readonly book: EndpointBook | undefined;
  headersCame(attempt: HedgeAttempt, headers: Metadata): void;
  messageCame(attempt: HedgeAttempt, message: unknown): void;
  attemptEnded(attempt: HedgeAttempt, status: StatusObject): void;
}

/** What an attempt needs besides, the same for all attempts of a mesh. */
export interface AttemptSettings {
  readonly clock: Clock;
  readonly timers: DeadlineQueue<Waiting>;
  /**
   * Asked before a stream is reset. Undefined: there is no limit. Where the balancing is ours nobody is asked here: the channel
   * does that itself, for all calls (soft-call.ts).
   */
  readonly resets: { tryReset(address: string): boolean } | undefined;
  /** Losers that have not ended. */
  readonly left: Set<HedgeAttempt>;
}

/** How long an attempt that a younger one overtook is left alone, at least; at most as long again as it has taken. */
const LINGER_MS = 1000;
/** How long until a reset that was not granted is asked for again. */
const ASK_AGAIN_MS = 1000;
const NO_BEHAVIOURS: readonly string[] = Object.freeze([]);
/** What a loser is cancelled with; only its span shows it. */
const LOST = 'inmesh: another attempt was faster';

export class HedgeAttempt implements CallListener, Waiting {
  /** 0: the original. */
  readonly number: number;
  readonly context: AttemptContext;
  readonly #settings: AttemptSettings;
  readonly #startedMs: number;
  /** Undefined from its end on, and once nobody waits for it. */
  #host: AttemptHost | undefined;
  #call!: ClientCall;
  #at = 0;
  #busy = false;
  #halfClosed = false;
  #handle: DeadlineHandle<Waiting> | undefined;
  readonly book: EndpointBook | undefined;
  /** Of the method; undefined: nothing is learned of this attempt, or nothing more. */
  #latencies: QuantileWindow | undefined;
  #lingers = false;
  /** Its answer so far, while others are in the race. */
  headers: Metadata | undefined;
  messages: unknown[] | undefined;
  status: StatusObject | undefined;

  /** @param latencies - Learns how long the original takes; a hedge runs, and ends, because of how slow another was. */
  constructor(settings: AttemptSettings, host: AttemptHost, number: number, context: AttemptContext, latencies: QuantileWindow) {
    this.#settings = settings;
    this.#host = host;
    this.book = host.book;
    this.#latencies = number === 0 ? latencies : undefined;
    this.number = number;
    this.context = context;
    this.#startedMs = settings.clock.nowMs();
  }

  /** True until it has ended or was given up. */
  get out(): boolean {
    return this.#host !== undefined;
  }
  get call(): ClientCall {
    return this.#call;
  }
  /** Messages it was given. */
  get given(): number {
    return this.#at;
  }
  /** As the only one left: nothing waits to be given before the next message. Lets go of what it was given. */
  takesAtOnce(): boolean {
    const kept = this.#host?.outgoing.kept;
    if (kept === undefined || this.#busy || this.#at < kept.length) return false;
    kept.length = this.#at = 0;
    return true;
  }

  /** Starts the call that carries it. */
  open(call: ClientCall, metadata: Metadata, reads: number): void {
    this.#call = call;
    call.start(metadata, this);
    for (let i = 0; i < reads; i++) call.startRead();
    this.feed();
  }

  /** Gives it what it does not have yet. */
  feed(): void {
    const outgoing = this.#host?.outgoing;
    if (outgoing === undefined) return;
    while (!this.#busy && this.#at < outgoing.kept.length) {
      const sent = outgoing.kept[this.#at++];
      if (sent === undefined) break;
      this.#busy = outgoing.paced;
      this.#call.sendMessageWithContext(outgoing.paced ? this.#tellWhenTaken(sent.context) : sent.context, sent.message);
    }
    if (!outgoing.closed || this.#halfClosed || this.#at < outgoing.kept.length) return;
    this.#halfClosed = true;
    this.#call.halfClose();
  }
  /** Whether the write went well is for the status to say: another attempt may do it. */
  #tellWhenTaken(context: MessageContext): MessageContext {
    const callback = (): void => {
      this.#busy = false;
      context.callback?.();
      this.feed();
    };
    return { ...context, callback };
  }

  /** Its time so far goes into the method's latencies: it is answered, or would have taken at least so long. Once. */
  learn(): void {
    const latencies = this.#latencies;
    this.#latencies = undefined;
    latencies?.record(this.#elapsedMs(), this.#settings.clock.nowMs());
  }
  #elapsedMs(): number {
    return this.#settings.clock.nowMs() - this.#startedMs;
  }

  /** Nobody waits for it any more. @param overtaken - A younger one has won. */
  giveUp(overtaken = false): void {
    if (this.#host === undefined) return;
    this.#host = undefined;
    this.context.over = true;
    const neverSent = this.book?.attached === true && !this.context.started;
    if (neverSent) this.#cancel();
    else if (overtaken && !this.context.streaming) {
      this.#lingers = true;
      this.#wait(Math.max(LINGER_MS, this.#elapsedMs()));
    } else {
      if (overtaken) this.learn();
      this.#reset();
    }
  }
  due(): void {
    if (this.#lingers) {
      this.#lingers = false;
      this.learn();
      this.context.timedOut = true;
      this.book?.timedOut?.(this.context.picked);
    }
    this.#reset();
  }
  #reset(): void {
    const { resets } = this.#settings;
    if (resets === undefined || this.book !== undefined || resets.tryReset(this.context.picked)) this.#cancel();
    else {
      this.#wait(ASK_AGAIN_MS);
      this.#call.startRead();
    }
  }
  #wait(ms: number): void {
    const { clock, timers, left } = this.#settings;
    left.add(this);
    this.#handle = timers.add(this, clock.nowMs() + ms);
  }
  #waitNoMore(): void {
    const { timers, left } = this.#settings;
    if (this.#handle !== undefined) timers.remove(this.#handle);
    this.#handle = undefined;
    left.delete(this);
  }
  #cancel(): void {
    this.#waitNoMore();
    this.#call.cancelWithStatus(Code.CANCELLED, LOST);
  }
  /** Its channel is being closed: it would keep the connection open, for nobody. */
  channelCloses(): void {
    this.#lingers = false;
    this.#cancel();
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#host?.headersCame(this, metadata);
  }
  onReceiveMessage(message: unknown): void {
    if (this.#host !== undefined) this.#host.messageCame(this, message);
    // Unread, what the server still sends would fill the window that all calls of the connection share.
    else if (this.context.streaming) this.#call.startRead();
  }
  onReceiveStatus(status: StatusObject): void {
    this.context.over = true;
    const host = this.#host;
    this.#host = undefined;
    if (host !== undefined) {
      this.status = status;
      host.attemptEnded(this, status);
      return;
    }
    if (status.code === Code.OK && this.#lingers) this.learn();
    this.#lingers = false;
    this.#waitNoMore();
  }
}

/** Of an attempt whose siblings are not to go where it went, even if all are sent at once and nobody has been picked yet. */
export class HedgeContext implements AttemptContext {
  readonly #call: { readonly tried: Set<string> | undefined };
  readonly streaming: boolean;
  pin: string | undefined = undefined;
  counted = false;
  started = false;
  over = false;
  timed: AttemptContext['timed'] = undefined;
  timedOut = false;
  watch: AttemptContext['watch'] = undefined;
  behaviours: readonly string[] = NO_BEHAVIOURS;
  #picked = '';

  /** @param call - Knows where its attempts were sent to. */
  constructor(call: { readonly tried: Set<string> | undefined }, streaming: boolean) {
    this.#call = call;
    this.streaming = streaming;
  }
  get avoid(): ReadonlySet<string> | undefined {
    return this.#call.tried;
  }
  get picked(): string {
    return this.#picked;
  }
  set picked(address: string) {
    this.#picked = address;
    this.#call.tried?.add(address);
  }
}
