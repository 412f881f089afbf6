/**
 * The server end of the envelope carrier: takes a batch apart, runs every item as a call of its own, and sends results
 * as they finish, those of one event-loop turn in one message.
 *
 * @packageDocumentation
 */
import { Metadata, type ServerWritableStream } from '@grpc/grpc-js';
import { decodeRequest, encodeReply, type ParsedRequest, resultSize, WIRE_VERSION, type WireResult } from '../batch/codec.ts';
import { WireError } from '../batch/wire.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import { REASON_KEY, UNPROCESSED_KEY } from '../errors.ts';
import type { ServedCarrier, StartServedCarrier } from '../observe/carrier-span.ts';
import type { UnaryMethod } from './handlers.ts';
import { ACCEPT_KEY, BATCH_SUFFIX, overlayItemEntries } from './metadata.ts';
import { runUnary } from './run-unary.ts';
import type { ServerCall } from './server-call.ts';
import { type CarrierFacts, type ResultSink, VirtualServerCall } from './virtual-call.ts';

type CarrierStream = ServerWritableStream<Buffer, Buffer>;

/** Makes the chain of interceptors above an item, the very one that a call of its own meets. */
export type Chain = (method: UnaryMethod, call: ServerCall, item: { index: number; size: number }) => ServerCall;

/** What a batch service may be asked to carry. */
export interface BatchLimits {
  readonly maxItems: number;
}

/** A reply message stays below this unless a single result is larger. */
const FRAME_BYTES = 1 << 20;
/** grpc-js's own default for what a client receives. */
const DEFAULT_REPLY_BYTES = 4 << 20;

export class BatchService {
  readonly #clock: Clock;
  readonly #limits: BatchLimits;
  readonly #startSpan: StartServedCarrier;
  readonly #due: DeadlineQueue<VirtualServerCall>;
  /** Carriers taken and items run, for statistics. */
  carriers = 0;
  items = 0;

  constructor(clock: Clock, limits: BatchLimits, startSpan: StartServedCarrier) {
    this.#clock = clock;
    this.#startSpan = startSpan;
    this.#limits = limits;
    this.#due = new DeadlineQueue(clock, (call) => call.abort(Code.DEADLINE_EXCEEDED, 'Deadline exceeded'));
  }

  /** Serves one carrier. */
  serve(stream: CarrierStream, method: UnaryMethod, chain: Chain, connection: CarrierFacts['connection']): void {
    let batch: ParsedRequest;
    try {
      batch = decodeRequest(stream.request, this.#limits.maxItems);
    } catch (error) {
      const tooMany = error instanceof WireError && error.message.startsWith('more than');
      refuse(stream, tooMany ? Code.RESOURCE_EXHAUSTED : Code.INTERNAL, error instanceof WireError ? error.message : 'malformed batch');
      return;
    }
    const problem = whyRefused(batch);
    if (problem !== undefined) {
      refuse(stream, problem.code, problem.details);
      return;
    }
    this.carriers++;
    this.items += batch.items.length;
    const span = this.#startSpan(method.path + BATCH_SUFFIX, stream.metadata, batch.items.length, stream.getPeer());
    const served = new ServedBatch(stream, batch, this.#clock, this.#due, span);
    if (span === undefined) served.run(method, chain, connection);
    else span.run(() => served.run(method, chain, connection));
  }
}

function whyRefused({ version, ids }: ParsedRequest): { code: number; details: string } | undefined {
  if (version !== WIRE_VERSION) return { code: Code.UNIMPLEMENTED, details: `batch version ${version} is not served` };
  if (ids.length === 0) return { code: Code.INVALID_ARGUMENT, details: 'a batch without items' };
  if (new Set(ids).size !== ids.length) return { code: Code.INVALID_ARGUMENT, details: 'two items with one id' };
  return undefined;
}

/** None of the items has run, and the client is told so. */
function refuse(stream: CarrierStream, code: number, details: string): void {
  const metadata = new Metadata();
  metadata.set(UNPROCESSED_KEY, '1');
  metadata.set(REASON_KEY, 'server.batch/refused');
  stream.emit('error', { code, details: `inmesh: ${details}`, metadata });
}

class ServedBatch implements ResultSink {
  readonly #stream: CarrierStream;
  readonly #span: ServedCarrier | undefined;
  readonly #batch: ParsedRequest;
  readonly #clock: Clock;
  readonly #due: DeadlineQueue<VirtualServerCall>;
  readonly #calls: VirtualServerCall[] = [];
  #ready: WireResult[] = [];
  #left: number;
  #running = true;
  #scheduled = false;

  constructor(
    stream: CarrierStream,
    batch: ParsedRequest,
    clock: Clock,
    due: DeadlineQueue<VirtualServerCall>,
    span: ServedCarrier | undefined,
  ) {
    this.#stream = stream;
    this.#span = span;
    this.#batch = batch;
    this.#clock = clock;
    this.#due = due;
    this.#left = batch.items.length;
  }

  run(method: UnaryMethod, chain: Chain, connection: CarrierFacts['connection']): void {
    const { items, ids, maxReplyBytes } = this.#batch;
    const stream = this.#stream;
    const facts: CarrierFacts = {
      peer: stream.getPeer(),
      host: stream.getHost(),
      call: stream,
      connection,
      maxReplyBytes: maxReplyBytes > 0 ? maxReplyBytes : DEFAULT_REPLY_BYTES,
    };
    stream.on('cancelled', () => this.#cancelled());
    const nowMs = this.#clock.nowMs();
    const wallMs = this.#clock.wallMs();
    const outer = Number(stream.getDeadline());
    const shared = stream.metadata;
    shared.remove(ACCEPT_KEY);
    for (let i = 0; i < items.length; i++) {
      const item = items[i] as (typeof items)[number];
      const metadata = shared.clone();
      let bad = false;
      try {
        overlayItemEntries(metadata, item.metadata);
      } catch {
        bad = true;
      }
      const deadline = item.timeoutUs > 0 ? Math.min(outer, wallMs + item.timeoutUs / 1000) : outer;
      const call = new VirtualServerCall(ids[i] as number, facts, method, metadata, item.request, deadline, this);
      this.#calls.push(call);
      if (bad) {
        call.abort(Code.INVALID_ARGUMENT, 'inmesh: an item with metadata that it may not carry');
        continue;
      }
      if (item.timeoutUs > 0) call.expiry = this.#due.add(call, nowMs + item.timeoutUs / 1000);
      try {
        runUnary(method.path, method.handler, chain(method, call, { index: i, size: items.length }));
      } catch (error) {
        // An interceptor threw: its own call ends and no other. The error surfaces as it does from a call of its own.
        call.abort(Code.UNKNOWN, 'Unknown error');
        process.nextTick(() => {
          throw error;
        });
      }
    }
    this.#running = false;
    if (this.#ready.length > 0) this.#later();
  }

  finished(call: VirtualServerCall, result: WireResult): void {
    if (call.expiry !== undefined) this.#due.remove(call.expiry);
    this.#left--;
    this.#ready.push(result);
    if (!this.#running) this.#later();
  }

  /** All answered: send at once. Else at the end of the turn, so that what finishes together goes together. */
  #later(): void {
    if (this.#left === 0) {
      this.#flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#clock.endOfTurn(() => {
        this.#scheduled = false;
        this.#flush();
      });
    }
  }

  #flush(): void {
    if (this.#ready.length === 0 || this.#stream.cancelled) return;
    const ready = this.#ready;
    this.#ready = [];
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < ready.length; i++) {
      const size = resultSize(ready[i] as WireResult);
      if (i > from && bytes + size > FRAME_BYTES) {
        this.#stream.write(encodeReply(ready.slice(from, i), false));
        from = i;
        bytes = 0;
      }
      bytes += size;
    }
    const last = this.#left === 0;
    this.#stream.write(encodeReply(from === 0 ? ready : ready.slice(from), last));
    if (last) {
      this.#span?.end(Code.OK);
      this.#stream.end();
    }
  }

  #cancelled(): void {
    this.#span?.end(Code.CANCELLED);
    for (const call of this.#calls) call.abort(Code.CANCELLED, 'Cancelled');
    this.#ready = [];
  }
}
