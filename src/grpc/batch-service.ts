/**
 * The server end of the envelope: takes a batch apart, runs every item as a call of its own, and sends results as they finish.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import { Metadata, type ServerWritableStream } from '@grpc/grpc-js';
import type { WireResult } from '../batch/reply-codec.ts';
import { decodeRequest, type ParsedRequest, WIRE_VERSION } from '../batch/request-codec.ts';
import type { Turns } from '../batch/turns.ts';
import { WireError } from '../batch/wire.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { REASON_KEY, UNPROCESSED_KEY } from '../errors.ts';
import type { ServerBatchMetrics } from '../observe/batch-metrics.ts';
import type { ServedCarrier, StartServedCarrier } from '../observe/carrier-span.ts';
import type { UnaryMethod } from './handlers.ts';
import type { Chain, ItemRunner, SharedFacts } from './item-runner.ts';
import { ACCEPT_KEY, BATCH_SUFFIX } from './metadata.ts';
import { ResultWriter } from './result-writer.ts';
import type { CarrierFacts, ResultSink, VirtualServerCall } from './virtual-call.ts';

type CarrierStream = ServerWritableStream<Buffer, Buffer>;

/** What a batch service may be asked to carry. */
export interface BatchLimits {
  readonly maxItems: number;
}

/** grpc-js's own default for what a client receives. */
export const DEFAULT_REPLY_BYTES: number = 4 << 20;

export class BatchService {
  readonly #clock: Clock;
  readonly #limits: BatchLimits;
  readonly #startSpan: StartServedCarrier;
  readonly #runner: ItemRunner;
  readonly #turns: Turns;
  readonly #metrics: ServerBatchMetrics | undefined;
  /** Carriers taken and items run, for statistics. */
  carriers = 0;
  items = 0;

  constructor(
    clock: Clock,
    limits: BatchLimits,
    startSpan: StartServedCarrier,
    runner: ItemRunner,
    turns: Turns,
    metrics?: ServerBatchMetrics,
  ) {
    this.#clock = clock;
    this.#startSpan = startSpan;
    this.#limits = limits;
    this.#runner = runner;
    this.#turns = turns;
    this.#metrics = metrics;
  }

  /** Serves one carrier. */
  serve(stream: CarrierStream, method: UnaryMethod, chain: Chain, connection: CarrierFacts['connection']): void {
    let batch: ParsedRequest;
    try {
      batch = decodeRequest(stream.request, this.#limits.maxItems);
    } catch (error) {
      refuse(stream, codeOf(error), error instanceof WireError ? error.message : 'malformed batch');
      return;
    }
    const problem = whyRefused(batch);
    if (problem !== undefined) {
      refuse(stream, problem.code, problem.details);
      return;
    }
    const begin = (): void => {
      if (!stream.cancelled) this.#begin(stream, batch, method, chain, connection);
    };
    const size = batch.items.length;
    if (this.#turns.defers(size))
      this.#turns.later(size, AsyncResource.bind(begin, 'inmesh.batch')); // its turn comes in somebody else's
    else {
      this.#turns.began(size);
      begin();
    }
  }

  #begin(stream: CarrierStream, batch: ParsedRequest, method: UnaryMethod, chain: Chain, connection: CarrierFacts['connection']): void {
    this.carriers++;
    this.items += batch.items.length;
    const span = this.#startSpan(method.path + BATCH_SUFFIX, stream.metadata, batch.items.length, stream.getPeer());
    const timed = this.#metrics?.live === true ? this.#watch(this.#metrics, method.path, batch.items.length) : undefined;
    const served = new ServedBatch(stream, batch.items.length, this.#clock, this.#runner, span, timed);
    if (span === undefined) served.run(batch, method, chain, connection);
    else span.run(() => served.run(batch, method, chain, connection));
  }

  /** Counts a batch, and gives what is to be called when an item of it has its result. */
  #watch(metrics: ServerBatchMetrics, path: string, items: number): () => void {
    const nowMs = this.#clock.nowMs();
    metrics.taken(path, 'envelope', items);
    return () => metrics.finished(path, 'envelope', this.#clock.nowMs() - nowMs);
  }
}

/** The status that bytes which are no batch end their carrier with. */
export function codeOf(error: unknown): number {
  return error instanceof WireError && error.message.startsWith('more than') ? Code.RESOURCE_EXHAUSTED : Code.INTERNAL;
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
  readonly #runner: ItemRunner;
  readonly #writer: ResultWriter;
  #calls: VirtualServerCall[] = [];
  readonly #onResult: (() => void) | undefined;
  #left: number;
  #ended = false;

  constructor(
    stream: CarrierStream,
    items: number,
    clock: Clock,
    runner: ItemRunner,
    span: ServedCarrier | undefined,
    onResult: (() => void) | undefined,
  ) {
    this.#stream = stream;
    this.#span = span;
    this.#runner = runner;
    this.#onResult = onResult;
    this.#left = items;
    this.#writer = new ResultWriter(stream, clock, () => this.#left === 0);
    stream.on('cancelled', () => this.#cancelled()); // here, where it shares its scope with nothing: the stream keeps it for long
  }

  run({ items, ids, maxReplyBytes }: ParsedRequest, method: UnaryMethod, chain: Chain, connection: CarrierFacts['connection']): void {
    const stream = this.#stream;
    const shared: SharedFacts = {
      peer: stream.getPeer(),
      host: stream.getHost(),
      call: stream,
      connection,
      maxReplyBytes: maxReplyBytes > 0 ? maxReplyBytes : DEFAULT_REPLY_BYTES,
      metadata: stream.metadata,
      deadline: Number(stream.getDeadline()),
    };
    this.#writer.limit(shared.maxReplyBytes);
    shared.metadata.remove(ACCEPT_KEY);
    const keep = (call: VirtualServerCall): void => {
      this.#calls.push(call);
    };
    const start = (): void => {
      for (let i = 0; i < items.length; i++) {
        const item = items[i] as (typeof items)[number];
        this.#runner.start(item, ids[i] as number, { index: i, size: items.length, form: 'envelope' }, method, shared, chain, this, keep);
      }
    };
    this.#writer.during(start, () => this.#left === 0);
    this.#endIfDone();
  }

  finished(call: VirtualServerCall, result: WireResult): void {
    this.#runner.ended(call);
    this.#onResult?.();
    this.#left--;
    this.#writer.push(result, this.#left === 0);
    this.#endIfDone();
  }

  /** The last result is written by then: with nothing left, the writer does not wait. */
  #endIfDone(): void {
    if (this.#left > 0 || this.#ended || this.#writer.holds || this.#stream.cancelled) return;
    this.#ended = true;
    this.#calls = []; // the stream's listener, and so this, lives on for a while; what its items held must not
    this.#span?.end(Code.OK);
    this.#stream.end();
  }

  #cancelled(): void {
    this.#span?.end(Code.CANCELLED);
    for (const call of this.#calls) call.abort(Code.CANCELLED, 'Cancelled');
    this.#writer.drop();
  }
}
