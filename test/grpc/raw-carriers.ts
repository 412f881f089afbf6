/**
 * A peer that speaks the carriers' wire format itself, and says in it whatever it likes.
 */
import {
  type CallOptions,
  ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import { decodeReply, type WireResult } from '../../src/batch/reply-codec.ts';
import { encodeFrame, encodeRequest, type WireItem } from '../../src/batch/request-codec.ts';
import type { Form } from './pair.ts';

export const SAY = '/loop.Echo/Say';
export const TUNNEL = '/inmesh.v1.Tunnel/Open';

const identity = (bytes: Buffer): Buffer => bytes;

export const itemOf = (text: string, more: Partial<WireItem> = {}): WireItem => ({
  request: Buffer.from(text),
  timeoutUs: 0,
  metadata: undefined,
  ...more,
});

/** An item as a tunnel takes it. */
export const framed = (id: number, text: string, path: string = SAY, more: Partial<WireItem> = {}) => ({ ...itemOf(text, more), id, path });

/** What came back: the carrier's own end, and the results of its items. */
export interface Answer {
  readonly status: StatusObject;
  readonly results: readonly WireResult[];
}

export class RawPeer implements Disposable {
  readonly #client: Client;

  constructor(address: string, options: ChannelOptions = {}) {
    this.#client = new Client(address, ChannelCredentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1, ...options });
  }

  /** Sends these bytes as an envelope. */
  envelope(bytes: Buffer, path = `${SAY}InmeshBatch`): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const results: WireResult[] = [];
    const call = this.#client.makeServerStreamRequest(path, identity, identity, bytes, new Metadata(), {});
    call.on('data', (reply: Buffer) => results.push(...decodeReply(reply, 1_000_000).results));
    call.on('error', () => {});
    call.on('status', (status: StatusObject) => resolve({ status, results }));
    return promise;
  }

  /** A plain call. */
  plain(bytes: Buffer, path: string = SAY, options: CallOptions = {}): Promise<StatusObject & { readonly text: string }> {
    const { promise, resolve } = Promise.withResolvers<StatusObject & { readonly text: string }>();
    let text = '';
    const call = this.#client.makeUnaryRequest(path, identity, identity, bytes, new Metadata(), options, (_error, value) => {
      text = String(value);
    });
    call.on('status', (status: StatusObject) => resolve({ ...status, text }));
    return promise;
  }

  /** Opens a tunnel, and waits until the server has. */
  async tunnel(): Promise<RawTunnel> {
    const stream = this.#client.makeBidiStreamRequest(TUNNEL, identity, identity, new Metadata(), {});
    const tunnel = new RawTunnel(stream);
    await new Promise((resolve) => stream.once('metadata', resolve));
    return tunnel;
  }

  /** Sends these bytes as the one message of a carrier of that form. */
  async carrier(form: Form, bytes: Buffer): Promise<Answer> {
    if (form === 'envelope') return this.envelope(bytes);
    const tunnel = await this.tunnel();
    tunnel.send(bytes);
    tunnel.stream.end();
    return tunnel.ended;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

export class RawTunnel {
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  readonly results: WireResult[] = [];
  readonly ended: Promise<Answer>;

  constructor(stream: ClientDuplexStream<Buffer, Buffer>) {
    this.stream = stream;
    stream.on('error', () => {});
    this.ended = new Promise((resolve) => stream.on('status', (status: StatusObject) => resolve({ status, results: this.results })));
    stream.on('data', (reply: Buffer) => this.results.push(...decodeReply(reply, 1_000_000).results));
  }
  send(bytes: Buffer): void {
    this.stream.write(bytes);
  }
  /** The text of an item's answer; undefined: none yet. */
  text(id: number): string | undefined {
    return this.results.find((result) => result.id === id)?.response?.toString();
  }
}

/** Bytes of one carrier with these items, whatever its form. */
export function bytesOf(form: Form, items: readonly WireItem[]): Buffer {
  return form === 'envelope'
    ? encodeRequest(items, 0)
    : encodeFrame(
        items.map((item, i) => ({ ...item, id: i + 1, path: SAY })),
        [],
      );
}
