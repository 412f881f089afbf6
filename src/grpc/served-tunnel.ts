/**
 * The server end of one tunnel: items of any method on one long-lived stream, each run as a call of its own.
 *
 * A tunnel ends when its client closes its half, or when the server is shut down: then the client is told, what was taken is
 * answered, and the stream ends with OK. So OK means that nothing was lost, and an unmodified `tryShutdown()` need not wait.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { IdTable } from '../batch/id-table.ts';
import { LastText } from '../batch/last-text.ts';
import { encodeReply, type WireResult } from '../batch/reply-codec.ts';
import { decodeRequest, type ParsedRequest, WIRE_VERSION } from '../batch/request-codec.ts';
import type { Turns } from '../batch/turns.ts';
import { WireError } from '../batch/wire.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { REASON_KEY, UNPROCESSED_KEY } from '../errors.ts';
import { codeOf, DEFAULT_REPLY_BYTES } from './batch-service.ts';
import type { UnaryMethod } from './handlers.ts';
import type { Chain, ItemRunner, SharedFacts } from './item-runner.ts';
import { ACCEPT_KEY, DRAINING_REASON, WINDOW_KEY } from './metadata.ts';
import { ResultWriter } from './result-writer.ts';
import type { TunnelWatch } from './tunnel-watch.ts';
import type { CarrierFacts, ResultSink, VirtualServerCall } from './virtual-call.ts';

export type TunnelStream = ServerDuplexStream<Buffer, Buffer>;

/** What a tunnel may be asked to carry. */
export interface TunnelLimits {
  /** Most items of one message. */
  readonly maxItems: number;
  /** Most unanswered items of one tunnel. */
  readonly window: number;
}

/** While so many bytes of requests are unanswered, no more is read. */
const MAX_UNANSWERED_BYTES = 16 << 20;
/** How long a shut-down server waits for a client to close its half once everything is answered. */
const LAST_WORD_MS = 100;
/** While so many messages wait for their turn, no more is read. */
const MAX_WAITING = 8;

/** Where items go. */
export interface Dispatch {
  readonly find: (path: string) => UnaryMethod | undefined;
  readonly chain: Chain;
  readonly connection: CarrierFacts['connection'];
  readonly turns: Turns;
}

export class ServedTunnel implements ResultSink {
  readonly #stream: TunnelStream;
  readonly #limits: TunnelLimits;
  readonly #clock: Clock;
  readonly #runner: ItemRunner;
  readonly #dispatch: Dispatch;
  readonly #writer: ResultWriter;
  readonly #calls = new IdTable<VirtualServerCall>();
  readonly #watch: TunnelWatch | undefined;
  readonly #lastMethod = new LastText();
  readonly #idle = (): boolean => this.#calls.size === 0;
  readonly #keep = (call: VirtualServerCall): void => {
    this.#calls.set(call.id, call);
  };
  #shared: SharedFacts | undefined;
  #bytes = 0;
  /** Messages that wait for their turn. */
  #waiting = 0;
  #draining = false;
  #halfClosed = false;
  #over = false;
  onItems: (count: number) => void = () => {};
  onEnd: () => void = () => {};

  constructor(
    stream: TunnelStream,
    limits: TunnelLimits,
    clock: Clock,
    runner: ItemRunner,
    dispatch: Dispatch,
    watch: TunnelWatch | undefined,
  ) {
    this.#watch = watch;
    this.#stream = stream;
    this.#limits = limits;
    this.#clock = clock;
    this.#runner = runner;
    this.#dispatch = dispatch;
    this.#writer = new ResultWriter(stream, clock, () => false);
  }

  open(): void {
    const stream = this.#stream;
    stream.metadata.remove(ACCEPT_KEY);
    stream.on('data', (bytes: Buffer) => this.#receive(bytes));
    stream.on('end', () => {
      this.#halfClosed = true;
      this.#endIfDone();
    });
    stream.on('cancelled', () => this.#cancelled());
    stream.on('error', () => this.#cancelled());
    stream.on('drain', () => this.#readOn());
    const headers = new Metadata();
    headers.set(WINDOW_KEY, String(this.#limits.window));
    stream.sendMetadata(headers);
  }

  drain(): void {
    if (this.#draining || this.#over) return;
    this.#draining = true;
    this.#writer.flush();
    this.#stream.write(encodeReply([], false, true));
    this.#endIfDone();
  }

  finished(call: VirtualServerCall, result: WireResult): void {
    this.#runner.ended(call);
    this.#watch?.finished(call.id);
    this.#calls.take(call.id);
    if (this.#over) return; // nobody is there to be told
    this.#release(call.requestBytes);
    this.#writer.push(result, this.#calls.size === 0);
    this.#endIfDone();
  }

  #receive(bytes: Buffer): void {
    if (this.#over) return;
    let batch: ParsedRequest;
    try {
      batch = decodeRequest(bytes, this.#limits.maxItems, this.#lastMethod);
    } catch (error) {
      this.#fail(codeOf(error), error instanceof WireError ? error.message : 'malformed message');
      return;
    }
    if (batch.version !== WIRE_VERSION) {
      this.#fail(Code.UNIMPLEMENTED, `tunnel version ${batch.version} is not served`);
      return;
    }
    // What comes behind one that waits waits too: it may cancel what that one begins.
    const { turns } = this.#dispatch;
    if (this.#waiting > 0 || turns.defers(batch.items.length)) {
      this.#wait(batch, bytes.length);
      return;
    }
    turns.began(batch.items.length);
    this.#begin(batch);
  }

  #wait(batch: ParsedRequest, bytes: number): void {
    const context = new AsyncResource('inmesh.tunnel'); // its turn comes in somebody else's
    this.#waiting++;
    this.#bytes += bytes;
    if (this.#waiting >= MAX_WAITING || this.#bytes > MAX_UNANSWERED_BYTES) this.#stream.pause();
    this.#dispatch.turns.later(batch.items.length, () => {
      this.#waiting--;
      this.#release(bytes);
      if (!this.#over) context.runInAsyncScope(this.#begin, this, batch);
    });
  }

  #begin(batch: ParsedRequest): void {
    for (const id of batch.cancels) this.#calls.get(id)?.abort(Code.CANCELLED, 'Cancelled');
    if (batch.items.length === 0) {
      this.#endIfDone();
      return;
    }
    const shared = this.#facts(batch.maxReplyBytes);
    this.onItems(batch.items.length);
    this.#watch?.taken(batch.items.length);
    this.#writer.during(() => this.#start(batch, shared), this.#idle);
    if (this.#stream.writableNeedDrain) this.#stream.pause(); // who reads no answers is not read either
    this.#endIfDone();
  }

  #start({ items, ids, methods }: ParsedRequest, shared: SharedFacts): void {
    const { find, chain } = this.#dispatch;
    let path = '';
    let method: UnaryMethod | undefined;
    for (let i = 0; i < items.length && !this.#over; i++) {
      const item = items[i] as (typeof items)[number];
      const id = ids[i] as number;
      const named = methods[i] ?? '';
      if (named !== path) {
        path = named;
        method = find(named);
      }
      if (this.#calls.has(id)) {
        this.#fail(Code.INVALID_ARGUMENT, 'two items with one id');
      } else if (this.#draining) {
        this.#refuse(id, Code.UNAVAILABLE, 'the server is shutting down', DRAINING_REASON);
      } else if (method === undefined) {
        // grpc-js's own words for a path that it does not know.
        this.#answer(id, Code.UNIMPLEMENTED, `The server does not implement the method ${path}`);
      } else if (this.#calls.size >= this.#limits.window) {
        this.#refuse(id, Code.RESOURCE_EXHAUSTED, 'more unanswered items than the window', 'server.tunnel/window');
      } else {
        this.#bytes += item.request.length;
        this.#watch?.started(id, path);
        if (this.#bytes > MAX_UNANSWERED_BYTES) this.#stream.pause();
        this.#runner.start(item, id, { index: i, size: items.length, form: 'tunnel' }, method, shared, chain, this, this.#keep);
      }
    }
  }

  #facts(maxReplyBytes: number): SharedFacts {
    if (this.#shared !== undefined) return this.#shared;
    const stream = this.#stream;
    const limit = maxReplyBytes > 0 ? maxReplyBytes : DEFAULT_REPLY_BYTES;
    this.#writer.limit(limit);
    this.#shared = {
      peer: stream.getPeer(),
      host: stream.getHost(),
      call: stream,
      connection: this.#dispatch.connection,
      maxReplyBytes: limit,
      metadata: stream.metadata,
      deadline: Number(stream.getDeadline()),
    };
    return this.#shared;
  }

  #refuse(id: number, code: number, details: string, reason: string): void {
    this.#answer(id, code, `inmesh: ${details}`, [REASON_KEY, reason, UNPROCESSED_KEY, '1']);
  }

  #answer(id: number, code: number, details: string, trailers?: readonly string[]): void {
    this.#writer.push({ id, code, details, response: undefined, headers: undefined, trailers }, this.#calls.size === 0);
  }

  #release(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#stream.isPaused()) this.#readOn();
  }

  #readOn(): void {
    if (this.#bytes <= MAX_UNANSWERED_BYTES / 2 && this.#waiting < MAX_WAITING && !this.#stream.writableNeedDrain) this.#stream.resume();
  }

  #endIfDone(): void {
    if (this.#over || this.#calls.size > 0 || this.#writer.holds || this.#waiting > 0) return;
    if (this.#halfClosed) this.#end();
    else if (this.#draining) this.#clock.setTimer(() => this.#calls.size === 0 && this.#end(), LAST_WORD_MS);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.onEnd();
    this.#stream.end();
  }

  /** The peer broke the contract: nothing on this tunnel goes on. */
  #fail(code: number, details: string): void {
    this.#cancelled();
    const metadata = new Metadata();
    metadata.set(REASON_KEY, 'server.tunnel/refused');
    this.#stream.emit('error', { code, details: `inmesh: ${details}`, metadata });
  }

  #cancelled(): void {
    if (this.#over) return;
    this.#over = true;
    this.onEnd();
    this.#writer.drop();
    for (const call of this.#calls.values()) call.abort(Code.CANCELLED, 'Cancelled');
  }
}
