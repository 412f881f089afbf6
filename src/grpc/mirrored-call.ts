/**
 * A unary call of which a copy is sent to other clusters, once all of it has gone out itself.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Answer, Mirror } from '../mirror/mirrors.ts';
import {
  attemptContext,
  type ByteChannel,
  type CallInfo,
  type CallListener,
  type ClientCall,
  type Door,
  ForwardingCall,
  type MessageContext,
  NO_CONTEXT,
} from './client-call.ts';
import { bytesOf, type MethodCodec, type MethodCodecs } from './codecs.ts';
import { NOBODY } from './detached.ts';
import { MIRROR_KEY } from './traits.ts';

/** What all such calls share. */
export interface MirrorHome {
  /** Its callbacks belong to nobody's context. */
  readonly clock: Clock;
  readonly codecs: MethodCodecs;
}

/** A mirror that has chosen this call, and the way to its cluster. */
export interface Chosen {
  readonly mirror: Mirror;
  readonly door: Door;
  readonly channel: ByteChannel;
}

export class MirroredCall extends ForwardingCall {
  readonly #home: MirrorHome;
  readonly #info: CallInfo;
  readonly #choose: (metadata: Metadata) => readonly Chosen[];
  readonly #codec: MethodCodec | undefined;
  #chosen: readonly Chosen[] = NONE;
  #metadata: Metadata | undefined;
  #request: Buffer | undefined;
  #messages = 0;
  /** The first thing done was to read: its response is one message. */
  #readFirst = false;
  #pairs: readonly (Pair | undefined)[] | undefined;
  #response: Uint8Array | undefined;

  constructor(lower: ClientCall, home: MirrorHome, info: CallInfo, choose: (metadata: Metadata) => readonly Chosen[]) {
    super(lower);
    this.#home = home;
    this.#info = info;
    this.#choose = choose;
    this.#codec = home.codecs.of(info.method);
  }

  override start(metadata: Metadata, listener: CallListener): void {
    this.#chosen = this.#choose(metadata);
    if (this.#chosen.length > 0) this.#metadata = metadata.clone(); // the caller's own object may change
    try {
      super.start(metadata, listener);
    } catch (error) {
      this.#forget(); // no status will come
      throw error;
    }
  }
  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#messages++;
    const isUnary = this.#messages === 1 && (this.#info.kind === 'unary' || this.#readFirst);
    if (this.#chosen.length > 0 && !isUnary) {
      this.#forget(); // a stream, whose kind nobody told: it must not hold the place of a copy until it ends
    } else if (this.#chosen.length > 0) {
      try {
        this.#request = bytesOf(message, this.#info.definition?.requestSerialize);
      } catch {
        // The call itself will say so.
      }
    }
    this.lower.sendMessageWithContext(context, message);
  }
  override startRead(): void {
    if (this.#messages === 0) this.#readFirst = true;
    this.lower.startRead();
  }
  override halfClose(): void {
    this.lower.halfClose();
    const [chosen, request, metadata] = [this.#chosen, this.#request, this.#metadata];
    this.#request = undefined;
    if (chosen.length === 0) return;
    if (request === undefined || metadata === undefined) {
      this.#forget();
      return;
    }
    this.#chosen = NONE;
    metadata.set(MIRROR_KEY, '1');
    const pairs = chosen.map(({ mirror }) =>
      mirror.rules.compare ? new Pair(mirror, this.#codec?.responseDeserialize, this.#home.clock) : undefined,
    );
    if (pairs.some((pair) => pair !== undefined)) this.#pairs = pairs;
    // After everything of this turn, the call itself among it.
    this.#home.clock.endOfTurn(() => {
      for (const [index, one] of chosen.entries()) send(this.#home, this.#info, one, metadata, request, pairs[index]);
    });
  }
  override onReceiveMessage(message: unknown): void {
    if (this.#pairs !== undefined || this.#chosen.length > 0) {
      try {
        // At once: the app may change its object. Bytes are nobody's to change.
        this.#response = bytesOf(message, this.#codec?.responseSerialize);
      } catch {
        this.#response = undefined;
      }
    }
    this.upper.onReceiveMessage(message);
  }
  override onReceiveStatus(status: StatusObject): void {
    this.#forget();
    const pairs = this.#pairs;
    this.#pairs = undefined;
    if (pairs !== undefined) for (const pair of pairs) pair?.ownEnded({ code: status.code, message: this.#response });
    this.upper.onReceiveStatus(status);
  }
  /** What was not sent by now will not be. */
  #forget(): void {
    for (const { mirror } of this.#chosen) mirror.unsent();
    this.#chosen = NONE;
    this.#metadata = undefined;
  }
}

const NONE: readonly Chosen[] = Object.freeze([]);

/** Never throws: nothing of a copy may reach the call. */
function send(
  home: MirrorHome,
  info: CallInfo,
  { mirror, door, channel }: Chosen,
  metadata: Metadata,
  request: Buffer,
  pair: Pair | undefined,
): void {
  const listener = new CopyListener(mirror, pair);
  try {
    const copy = channel.open({
      ...info,
      kind: 'unary',
      deadlineMs: home.clock.nowMs() + mirror.rules.timeoutMs,
      parent: undefined,
      definition: undefined,
      door,
      attempt: attemptContext(),
      record: undefined,
      story: undefined,
      bottom: (below) => channel.open(below),
      scope: NOBODY,
    });
    mirror.sent();
    copy.start(metadata.clone(), listener);
    copy.startRead();
    copy.sendMessageWithContext(NO_CONTEXT, request);
    copy.halfClose();
  } catch {
    listener.end(Code.UNKNOWN);
  }
}

/** Hears the answer to a copy, which is nobody's. */
class CopyListener implements CallListener {
  readonly #mirror: Mirror;
  readonly #pair: Pair | undefined;
  #message: Uint8Array | undefined;
  #ended = false;

  constructor(mirror: Mirror, pair: Pair | undefined) {
    this.#mirror = mirror;
    this.#pair = pair;
  }
  onReceiveMetadata(_metadata: Metadata): void {}
  onReceiveMessage(message: unknown): void {
    if (message instanceof Uint8Array) this.#message = message;
  }
  onReceiveStatus({ code }: StatusObject): void {
    this.end(code);
  }
  end(code: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#mirror.answered(code);
    this.#pair?.copyEnded({ code, message: this.#message });
  }
}

/** The two answers to one request. */
class Pair {
  readonly #mirror: Mirror;
  readonly #decode: ((bytes: Buffer) => unknown) | undefined;
  readonly #clock: Clock;
  #own: Answer | undefined;
  #copy: Answer | undefined;

  constructor(mirror: Mirror, decode: ((bytes: Buffer) => unknown) | undefined, clock: Clock) {
    this.#mirror = mirror;
    this.#decode = decode;
    this.#clock = clock;
  }
  ownEnded(answer: Answer): void {
    this.#own = answer;
    this.#compare();
  }
  copyEnded(answer: Answer): void {
    this.#copy = answer;
    this.#compare();
  }
  #compare(): void {
    const [own, copy] = [this.#own, this.#copy];
    if (own === undefined || copy === undefined) return;
    // The call's own answer may be on its way to the app just now: looking at it can wait.
    this.#clock.endOfTurn(() => this.#mirror.compare(own, copy, this.#decode));
  }
}
