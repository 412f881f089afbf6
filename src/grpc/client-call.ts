/**
 * The one small interface that every client behaviour is written against.
 *
 * It is the common shape of grpc-js's `InterceptingCallInterface` and of its channel's `Call`, so the same interceptor
 * runs at every door: as an interceptor (messages are objects), behind a channel (messages are bytes).
 *
 * Inside our stack, whatever the door: a failed unary call has no `onReceiveMessage(null)` (the door adds it), and
 * nobody may count on `startRead` for a unary response (it comes at the channel door only).
 *
 * @packageDocumentation
 */
import type { AsyncResource } from 'node:async_hooks';
import type { CallCredentials, CallOptions, ChannelInterface, InterceptorOptions, Metadata, NextCall, StatusObject } from '@grpc/grpc-js';
import type { EndpointBook } from '../balance/book.ts';
import type { InmeshCallOptions, MethodKind } from '../call.ts';
import type { AttemptTally } from '../observe/attempt-tally.ts';
import type { CallRecord } from '../observe/call-record.ts';
import type { CallStory } from '../observe/story.ts';
import type { ServiceConfigPolicy } from '../policy/resolve.ts';
import type { ClusterTarget } from './cluster-ways.ts';

/** Flags and write callback of a message. */
export type MessageContext = Parameters<ReturnType<NextCall>['sendMessageWithContext']>[0];

/** Of a message that nobody wants to hear about. */
export const NO_CONTEXT: MessageContext = Object.freeze({});
/** TLS facts about the peer. */
export type AuthContext = NonNullable<ReturnType<ReturnType<NextCall>['getAuthContext']>>;
/** What grpc-js knows of a method at the interceptor door. */
export type MethodDefinition = InterceptorOptions['method_definition'];
/** The server call that a client call is made for. */
export type ParentCall = NonNullable<CallOptions['parent']>;

/** Hears the answer to a call: metadata?, then messages, then exactly one status. */
export interface CallListener {
  onReceiveMetadata(metadata: Metadata): void;
  onReceiveMessage(message: unknown): void;
  onReceiveStatus(status: StatusObject): void;
}

/** One call, or one attempt at it, seen from above. */
export interface ClientCall {
  start(metadata: Metadata, listener: CallListener): void;
  sendMessageWithContext(context: MessageContext, message: unknown): void;
  startRead(): void;
  halfClose(): void;
  cancelWithStatus(code: number, details: string): void;
  getPeer(): string;
  getAuthContext(): AuthContext | null;
}

/** A channel below all our behaviours: bytes in, bytes out. Carriers are opened here. */
export interface ByteChannel {
  open(info: CallInfo): ClientCall;
}

/** What is true of every call through one door of one client. */
export interface Door {
  readonly kind: 'interceptors' | 'channel';
  /** The target as the user wrote it, e.g. `dns:///atlas:50051`; empty when an interceptor alone cannot know it. */
  readonly target: string;
  /** The channel below, for carriers. Undefined at an interceptor whose client came without `mesh.options()`. */
  readonly channel: ByteChannel | undefined;
  /** The endpoints of that channel. Undefined when the balancing is not ours. */
  readonly book: EndpointBook | undefined;
  /**
   * Whether the client has interceptors of others below ours; undefined until a first plain call has shown it. Batches would
   * pass by them, so then there are none.
   */
  foreignBelow?: boolean | undefined;
  /** Most bytes of a message that this client takes. Default 4 MiB, grpc-js's own. */
  readonly maxReplyBytes?: number;
  /** Bytes of messages that retry keeps now, over all calls of the client. */
  keptBytes?: number;
  /** Has `fn` called when the client closes the channel. Gives what ends that. */
  readonly onClose?: (fn: () => void) => () => void;
  /** Rules of this client alone, where it brought a service config; they stand below the mesh's policy. */
  readonly imported?: ServiceConfigPolicy | undefined;
  /** The same client's way to a cluster of policy; one object for each. Absent: it has none, for it came without `mesh.options()`. */
  readonly way?: ((cluster: ClusterTarget) => ClusterDoor) | undefined;
  /** A way to a cluster, behind interceptors: where calls that have passed them are turned to. */
  readonly redirect?: ChannelInterface;
}

/** A door to another target. */
export type ClusterDoor = Door & { readonly channel: ByteChannel };

/** What one attempt wants from the picker, and what the picker tells back. Reaches it through `Metadata.getOptions()`. */
export interface AttemptContext {
  /** Only this endpoint will do; when it is not ready the attempt is dropped, never queued. */
  pin: string | undefined;
  /** Endpoints already tried, to be avoided while there is another. */
  avoid: ReadonlySet<string> | undefined;
  /** True when the load of this RPC is counted by whoever pinned it (a carrier counts items). */
  counted: boolean;
  /** The endpoint picked, as `host:port`; empty until then. */
  picked: string;
  /** True from the moment a stream was opened on a connection. False at the end: the server provably never saw it. */
  started: boolean;
  /**
   * True once nobody waits for it any more. A pick for it is dropped: grpc-js starts a call that was cancelled in the turn it
   * was made in (resolving-call.ts), and then nobody ever ends that.
   */
  over: boolean;
  /** Who has its deadline, where grpc-js was given none. The picker writes the time left. */
  timed?: Timed | undefined;
  /** True once its time was over before it was answered. The endpoint knows of it then; how the stream ends says nothing more. */
  timedOut?: boolean;
  /** Hears how it gets to its connection, where somebody wants to know. */
  watch?: AttemptWatch | undefined;
  /** A stream: how long it lasts says nothing about the endpoint. */
  readonly streaming: boolean;
  /** Behaviours that have already handled the call at another door of the same client; several names are joined by `+`. */
  behaviours: readonly string[];
  /** The channel that it is made on instead of its client's own. */
  redirect?: ChannelInterface;
}

/** Hears how an attempt gets to a connection. */
export interface AttemptWatch {
  /** A connection is asked for; again and again, while none is ready. */
  picking(): void;
  /** A stream was opened; again, when grpc-js has to open another one. */
  started(): void;
}

/** Has a deadline. */
export interface Timed {
  /** Time left in ms; not above 0: it is over. */
  leftMs(): number;
}

/** What is known about a call when it starts. One object per call; `attempt` has one per attempt. */
export interface CallInfo {
  /** `/pkg.Service/Method`. */
  readonly method: string;
  /** Undefined at the channel door as long as nobody has told. */
  readonly kind: MethodKind | undefined;
  /** On `Clock.nowMs`; `Infinity`: none. */
  readonly deadlineMs: number;
  readonly host: string | undefined;
  readonly credentials: CallCredentials | undefined;
  readonly parent: ParentCall | undefined;
  readonly propagateFlags: number | undefined;
  readonly options: InmeshCallOptions | undefined;
  /** Present where messages are objects. */
  readonly definition: MethodDefinition | undefined;
  readonly door: Door;
  /** Set by retry: in the call's own info for the first attempt, in a copy for each later one. */
  attempt: AttemptContext | undefined;
  /** The metadata that the call is started with was made for it alone, so nobody below need clone it to change it. */
  ownsMetadata?: boolean;
  /** Place in the stack of the nearest behaviour of ours above; -1: none. Places must increase (pipeline.ts). */
  readonly stage: number;
  /** Makes the call below the whole stack. */
  readonly bottom: NextClientCall;
  /** The context in which the app made the call; what is done for it later (a retry, a turn in a queue) runs in it. */
  readonly scope: AsyncResource;
  /** The spans above, for layers below; absent when the call is not traced. */
  record?: CallRecord | undefined;
  /** What the layers write down of the call; set by the top stage of a mesh. Undefined: nobody keeps it. */
  story?: CallStory | undefined;
  /** What its attempts come to, where metrics of retries are asked for. */
  tally?: AttemptTally | undefined;
}

/** Makes the call below. Call it only for a call that will be started, and then start it at once. */
export type NextClientCall = (info: CallInfo) => ClientCall;

/** A client behaviour. State lives in the closure that made it. */
export type ClientInterceptor = (info: CallInfo, next: NextClientCall) => ClientCall;

/** No literal (see call-facts.ts). */
class AttemptState implements AttemptContext {
  pin: string | undefined;
  avoid: ReadonlySet<string> | undefined;
  counted: boolean;
  readonly streaming: boolean;
  picked = '';
  started = false;
  over = false;
  timed: Timed | undefined = undefined;
  timedOut = false;
  watch: AttemptWatch | undefined = undefined;
  behaviours: readonly string[] = NO_BEHAVIOURS;

  constructor({ pin, avoid, counted = false, streaming = false }: AttemptWishes) {
    this.pin = pin;
    this.avoid = avoid;
    this.counted = counted;
    this.streaming = streaming;
  }
}

/** A fresh context for one attempt. */
export function attemptContext(wishes: AttemptWishes = NO_WISHES): AttemptContext {
  return new AttemptState(wishes);
}

/** What an attempt may want from the start. */
type AttemptWishes = Partial<Pick<AttemptContext, 'pin' | 'avoid' | 'counted' | 'streaming'>>;

const NO_WISHES: AttemptWishes = Object.freeze({});
const NO_BEHAVIOURS: readonly string[] = Object.freeze([]);

/** A layer that passes everything on; behaviours override what they care about. It is its lower call's listener itself. */
export class ForwardingCall implements ClientCall, CallListener {
  protected readonly lower: ClientCall;
  protected upper!: CallListener;

  constructor(lower: ClientCall) {
    this.lower = lower;
  }
  start(metadata: Metadata, listener: CallListener): void {
    this.upper = listener;
    this.lower.start(metadata, this);
  }
  sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.lower.sendMessageWithContext(context, message);
  }
  startRead(): void {
    this.lower.startRead();
  }
  halfClose(): void {
    this.lower.halfClose();
  }
  cancelWithStatus(code: number, details: string): void {
    this.lower.cancelWithStatus(code, details);
  }
  getPeer(): string {
    return this.lower.getPeer();
  }
  getAuthContext(): AuthContext | null {
    return this.lower.getAuthContext();
  }
  // One declared parameter each: grpc-js tells a finished listener by `onReceiveMetadata.length === 1`.
  onReceiveMetadata(metadata: Metadata): void {
    this.upper.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    this.upper.onReceiveMessage(message);
  }
  onReceiveStatus(status: StatusObject): void {
    this.upper.onReceiveStatus(status);
  }
}
