/**
 * The client end of the envelope carrier: one RPC that takes several calls along and gives each its own answer.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { EndpointLoad } from '../balance/book.ts';
import { decodeReply, type ParsedReply, type WireResult } from '../batch/reply-codec.ts';
import { encodeRequest } from '../batch/request-codec.ts';
import { Code, isBusy } from '../call.ts';
import type { Clock } from '../clock.ts';
import { AMBIGUOUS_KEY, UNPROCESSED_KEY } from '../errors.ts';
import type { CarrierSpan } from '../observe/carrier-span.ts';
import { type AttemptContext, type AuthContext, type CallListener, type ClientCall, NO_CONTEXT } from './client-call.ts';
import { type CarriedItem, type Conveyor, guarded, isDropped, stampTimeouts, turnsAway } from './conveyor.ts';
import { NO_METADATA, SharedMetadata } from './shared-metadata.ts';

/** What a carrier tells whoever sent it. */
export interface CarrierOwner {
  /** The first answer is in, or the end. Once. */
  carrierAnswered(): void;
  /** The endpoint does not take batches (any more). `forMs`: for how long, where that is known. */
  turnedAway(forMs: number | undefined): void;
  /** One item goes out alone, for the carrier never ran it. */
  fellBack(): void;
  /** A result came for an item that had ended here. */
  late(): void;
}

export class Carrier implements CallListener, Conveyor {
  readonly form = 'envelope';
  readonly #items: (CarriedItem | undefined)[];
  readonly #owner: CarrierOwner;
  readonly #clock: Clock;
  readonly #endpoint: EndpointLoad | undefined;
  readonly #context: AttemptContext;
  readonly #span: CarrierSpan | undefined;
  readonly #sentMs: number;
  #call: ClientCall | undefined;
  #headers: SharedMetadata = NO_METADATA;
  #left: number;
  #answered = false;
  /** The server has begun to answer, so items may have run: nothing may be sent again on our own account. */
  #begun = false;
  #over = false;

  constructor(
    items: readonly CarriedItem[],
    owner: CarrierOwner,
    clock: Clock,
    endpoint: EndpointLoad | undefined,
    context: AttemptContext,
    span: CarrierSpan | undefined,
  ) {
    this.#items = [...items];
    this.#left = items.length;
    this.#owner = owner;
    this.#clock = clock;
    this.#endpoint = endpoint;
    this.#context = context;
    this.#span = span;
    this.#sentMs = clock.nowMs();
  }

  /** Sends everything, in this turn. `peer`: the endpoint. `maxReplyBytes`: the longest message that the client takes. */
  send(call: ClientCall, metadata: Metadata, peer: string, maxReplyBytes: number): void {
    this.#call = call;
    const items = this.#items as CarriedItem[];
    for (let id = 0; id < items.length; id++) {
      const item = items[id] as CarriedItem;
      item.id = id;
      item.carriedBy(this, peer);
    }
    stampTimeouts(items, this.#sentMs);
    const bytes = encodeRequest(items, maxReplyBytes);
    this.#endpoint?.started(this.#left, this.#sentMs);
    call.start(metadata, this);
    call.startRead();
    call.sendMessageWithContext(NO_CONTEXT, bytes);
    call.halfClose();
  }

  /** An item ended on this side. The carrier goes on for the others; when none is left it is cancelled. */
  gone(item: CarriedItem): void {
    if (this.#items[item.id] !== item) return;
    this.#items[item.id] = undefined;
    this.#endpoint?.ended(this.#clock.nowMs(), undefined, false);
    this.#left--;
    if (this.#left === 0 && !this.#over) this.#cancel();
  }

  #cancel(): void {
    this.#context.over = true;
    this.#call?.cancelWithStatus(Code.CANCELLED, 'every call in the batch has ended');
  }

  getAuthContext(): AuthContext | null {
    return this.#call?.getAuthContext() ?? null;
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#headers = new SharedMetadata(metadata);
    this.#begun = true;
  }

  onReceiveMessage(message: unknown): void {
    if (message === null || this.#over) return;
    let reply: ParsedReply;
    try {
      // Duplicates and strangers are passed over, but not without end.
      reply = decodeReply(message as Buffer, 2 * this.#items.length);
    } catch {
      this.#call?.cancelWithStatus(Code.INTERNAL, 'inmesh: malformed batch reply');
      return;
    }
    this.#begun = true;
    const nowMs = this.#clock.nowMs();
    for (const result of reply.results) this.#settle(result, nowMs);
    this.#firstAnswer();
    if (this.#left === 0) {
      // Results of calls that were given up here are still to come; unread they would keep the stream open for ever.
      if (!reply.last) this.#cancel();
      return;
    }
    if (reply.last) this.#call?.cancelWithStatus(Code.INTERNAL, NO_RESULT);
    else this.#call?.startRead();
  }

  onReceiveStatus(status: StatusObject): void {
    if (this.#over) return;
    this.#over = true;
    this.#span?.end(status.code, this.#call?.getPeer() ?? '');
    if (this.#left > 0) this.#fail(status);
    // The stream below lives on for a while; what it held must not.
    this.#items.length = 0;
    this.#call = undefined;
    this.#firstAnswer();
  }

  #settle(result: WireResult, nowMs: number): void {
    const item = this.#items[result.id];
    if (item === undefined) {
      if (result.id < this.#items.length) this.#owner.late(); // given up on this side, or a duplicate; else unknown
      return;
    }
    this.#items[result.id] = undefined;
    this.#left--;
    this.#endpoint?.ended(nowMs, nowMs - this.#sentMs, isDropped(result.code), isBusy(result.code));
    guarded(() => {
      item.wasSent();
      item.answered(result, this.#headers);
    });
  }

  #fail(status: StatusObject): void {
    const nowMs = this.#clock.nowMs();
    const untouched = !this.#begun;
    const never = untouched && (this.#neverSent(status) || turnsAway(status.code) || tooLarge(status));
    if (untouched && turnsAway(status.code) && this.#context.started)
      this.#owner.turnedAway(status.code === Code.UNIMPLEMENTED ? undefined : 60_000);
    const final = never ? status : finalStatus(status);
    for (const item of this.#items) {
      if (item === undefined) continue;
      this.#endpoint?.ended(nowMs, never ? undefined : nowMs - this.#sentMs, !never);
      if (!item.live) continue;
      guarded(() => {
        if (never) {
          this.#owner.fellBack();
          item.goAlone();
        } else {
          item.wasSent();
          item.failed(final);
        }
      });
    }
  }

  /** Our own picker knows whether a stream was opened; a server of ours says so when it took a batch and ran nothing. */
  #neverSent(status: StatusObject): boolean {
    return (this.#endpoint !== undefined && !this.#context.started) || status.metadata.get(UNPROCESSED_KEY).length > 0;
  }

  #firstAnswer(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#owner.carrierAnswered();
  }
}

/** Before any answer: the server refused the batch for its size, no handler ran. After one it would be our own limit for replies. */
function tooLarge(status: StatusObject): boolean {
  return status.code === Code.RESOURCE_EXHAUSTED && status.details.startsWith('Received message larger than max');
}

/** What an item ends with when its carrier broke: the carrier's code, and the mark that it may have run. */
function finalStatus(status: StatusObject): StatusObject {
  const metadata = new Metadata();
  metadata.set(AMBIGUOUS_KEY, '1');
  if (status.code === Code.OK) return { code: Code.INTERNAL, details: NO_RESULT, metadata };
  return { code: status.code, details: status.details, metadata };
}

const NO_RESULT = 'inmesh: the batch was answered without a result for this call';
