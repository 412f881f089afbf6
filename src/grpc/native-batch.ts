/**
 * One call of a batch method that answers several unary calls.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { type Remedy, remedyFor } from '../batch/native/failure.ts';
import type { ItemError } from '../batch/native/item.ts';
import type { Missing, NativePlan } from '../batch/native/plan.ts';
import { ReplyTaker, type Results } from '../batch/native/reply.ts';
import { batchRequest } from '../batch/native/request.ts';
import { WireError } from '../batch/wire.ts';
import { Code } from '../call.ts';
import { AMBIGUOUS_KEY, REASON_KEY } from '../errors.ts';
import type { CarrierSpan } from '../observe/carrier-span.ts';
import { type AttemptContext, type AuthContext, type CallListener, type ClientCall, NO_CONTEXT } from './client-call.ts';
import { guarded, throwLater } from './conveyor.ts';
import type { NativeCall, NativeCarrier } from './native-call.ts';

import { isUnprocessed, plainStatus } from './refuse.ts';
import { NO_METADATA, SharedMetadata } from './shared-metadata.ts';

/** What a batch tells whoever sent it. */
export interface NativeBatchOwner {
  /** The first answer is in, or the end. Once. */
  answered(size: number): void;
  /** It failed; these calls have no result and get it another way. `code`: the batch's. */
  again(calls: NativeCall[], remedy: Exclude<Remedy, 'fail'>, code: number): void;
  /** It failed, and its calls with it. */
  failed(): void;
  /** Where balancing is ours, the attempt knows whether anything was sent. */
  readonly knowsStart: boolean;
}

const MISMATCH = 'inmesh: the reply of the batch does not fit its calls';

export class NativeBatch implements CallListener, NativeCarrier, Results {
  readonly #plan: NativePlan;
  readonly #calls: (NativeCall | undefined)[];
  readonly #size: number;
  readonly #owner: NativeBatchOwner;
  readonly #context: AttemptContext;
  readonly #span: CarrierSpan | undefined;
  readonly #taker: ReplyTaker;
  #call: ClientCall | undefined;
  #headers: SharedMetadata = NO_METADATA;
  #trailers: SharedMetadata = NO_METADATA;
  /** The only message of a unary reply. */
  #message: Buffer | undefined;
  #left: number;
  #told = false;
  #broken = false;
  #over = false;

  constructor(
    plan: NativePlan,
    calls: readonly NativeCall[],
    owner: NativeBatchOwner,
    context: AttemptContext,
    span: CarrierSpan | undefined,
  ) {
    this.#plan = plan;
    this.#calls = [...calls];
    this.#size = this.#left = calls.length;
    this.#owner = owner;
    this.#context = context;
    this.#span = span;
    this.#taker = new ReplyTaker(
      plan.reply,
      calls.map(({ lifted }) => lifted.key),
      this,
    );
    for (const [place, call] of calls.entries()) call.carriedBy(this, place);
  }

  /** Sends everything, in this turn. */
  send(call: ClientCall, metadata: Metadata): void {
    this.#call = call;
    const bytes = batchRequest(this.#plan.request, this.#calls as NativeCall[]);
    call.start(metadata, this);
    call.startRead();
    call.sendMessageWithContext(NO_CONTEXT, bytes);
    call.halfClose();
  }

  /** A call ended on this side. The batch goes on for the others; when none is left it is cancelled. */
  gone(place: number): void {
    if (this.#calls[place] === undefined) return;
    this.#calls[place] = undefined;
    this.#left--;
    if (this.#left > 0 || this.#over) return;
    this.#context.over = true;
    this.#call?.cancelWithStatus(Code.CANCELLED, 'every call in the batch has ended');
  }
  getPeer(): string | undefined {
    return this.#call?.getPeer();
  }
  getAuthContext(): AuthContext | null {
    return this.#call?.getAuthContext() ?? null;
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#headers = new SharedMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    if (message === null || this.#over) return;
    if (!this.#plan.reply.stream) {
      this.#message = message as Buffer;
      return;
    }
    this.#read(message as Buffer);
    this.#tell();
    if (this.#broken) this.#call?.cancelWithStatus(Code.INTERNAL, MISMATCH);
    else this.#call?.startRead();
  }
  onReceiveStatus(status: StatusObject): void {
    if (this.#over) return;
    this.#over = true;
    this.#span?.end(status.code, this.#call?.getPeer() ?? '');
    this.#tell();
    if (status.code !== Code.OK) this.#fail(status, false);
    else {
      if (!this.#plan.reply.stream) this.#trailers = new SharedMetadata(status.metadata);
      if (this.#message !== undefined) this.#read(this.#message);
      else if (!this.#plan.reply.stream) this.#broken = true;
      if (this.#broken || !this.#taker.end()) this.#fail(plainStatus(Code.INTERNAL, MISMATCH), true);
    }
    // The stream below lives on for a while; what it held must not.
    this.#calls.length = 0;
    this.#message = this.#call = undefined;
  }

  #read(message: Buffer): void {
    try {
      this.#taker.message(message);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#broken = true;
    }
  }
  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    this.#owner.answered(this.#size);
  }

  // As the listener of the results:
  answered(place: number, response: Buffer): void {
    const call = this.#take(place);
    if (call === undefined) return;
    try {
      call.answered(response, this.#headers, this.#trailers);
    } catch (error) {
      throwLater(error);
    }
  }
  refused(place: number, error: ItemError): void {
    this.#settle(place, (call) => call.refused(error));
  }
  missing(place: number): void {
    this.#settle(place, (call) => {
      const { missing } = this.#plan.reply;
      if (missing === 'default_value') call.answered(Buffer.alloc(0), this.#headers, this.#trailers);
      else call.failed(missingStatus(missing));
    });
  }
  unreadable(place: number): void {
    this.#settle(place, (call) => call.failed(noResult('inmesh: the result of this call in the reply of the batch can not be read')));
  }
  #settle(place: number, tell: (call: NativeCall) => void): void {
    const call = this.#take(place);
    if (call !== undefined) guarded(() => tell(call));
  }
  /** The call at a place, which gets its result now; undefined: given up on this side. */
  #take(place: number): NativeCall | undefined {
    const call = this.#calls[place];
    if (call === undefined) return undefined;
    this.#calls[place] = undefined;
    this.#left--;
    call.wasSent(this.#context.picked);
    return call;
  }

  /** No result for those that are left. `mismatch`: the server did its work, and nobody knows for whom. */
  #fail(status: StatusObject, mismatch: boolean): void {
    const calls = this.#calls.filter((call) => call?.live === true) as NativeCall[];
    if (calls.length === 0) return;
    const neverSent = this.#owner.knowsStart && !this.#context.started;
    const unprocessed = !mismatch && (neverSent || isUnprocessed(status));
    const remedy = remedyFor({ code: status.code, tooLarge: tooLarge(status), unprocessed }, this.#plan.onBatchError);
    if (remedy !== 'fail') {
      this.#owner.again(calls, remedy, status.code);
      return;
    }
    this.#owner.failed();
    for (const call of calls) {
      const metadata = status.metadata.clone();
      if (!unprocessed) metadata.set(AMBIGUOUS_KEY, '1');
      if (mismatch) metadata.set(REASON_KEY, NO_RESULT);
      guarded(() => {
        if (!neverSent) call.wasSent(this.#context.picked);
        call.failed({ ...status, metadata });
      });
    }
  }
}

const NO_RESULT = 'client.native/no-result';
const MISSING = 'client.native/missing';

/** The server, or our own limit, refused a message for its size. */
function tooLarge(status: StatusObject): boolean {
  return status.code === Code.RESOURCE_EXHAUSTED && status.details.startsWith('Received message larger than max');
}

function noResult(details: string): StatusObject {
  const status = plainStatus(Code.INTERNAL, details);
  status.metadata.set(REASON_KEY, NO_RESULT);
  return status;
}

function missingStatus(missing: Exclude<Missing, 'default_value'>): StatusObject {
  if (missing === 'internal_error') return noResult('inmesh: the reply of the batch has no item for this call');
  const status = plainStatus(Code.NOT_FOUND, 'inmesh: the reply of the batch has no item for this call');
  status.metadata.set(REASON_KEY, MISSING);
  return status;
}
