/**
 * Door 2: a whole grpc-js channel with our stack in front.
 *
 * It reaches every client built on grpc-js (per-call interceptors can't replace it, google-gax and nice-grpc have it too),
 * and messages are bytes. `createCall` is told neither the method's kind nor the caller's `inmesh` options; both come
 * through {@link describeCalls}.
 *
 * @packageDocumentation
 */
import {
  type CallCredentials,
  type CallInvocationTransformer,
  type CallOptions,
  Channel,
  type ChannelCredentials,
  type ChannelInterface,
  type ChannelOptions,
  connectivityState,
  type Deadline,
  type Metadata,
} from '@grpc/grpc-js';
import { Code, type InmeshCallOptions, type MethodKind } from '../call.ts';
import type { Clock } from '../clock.ts';
import { refusal, UsageError } from '../errors.ts';
import { CallFacts } from './call-facts.ts';
import type { CallerStacks } from './caller-stacks.ts';
import type {
  AuthContext,
  ByteChannel,
  CallInfo,
  CallListener,
  ClientCall,
  ClientInterceptor,
  Door,
  MessageContext,
  NextClientCall,
  ParentCall,
} from './client-call.ts';
import { fromGrpcDeadline, kindOf, toGrpcDeadline } from './door.ts';
import { attemptOf } from './lb-policy.ts';
import { localStatus, RefusedCall } from './refuse.ts';
import { ScopedListener } from './scope.ts';

type CallStream = ReturnType<ChannelInterface['createCall']>;
type CreateCall = Parameters<ChannelInterface['createCall']>;

/** What a channel runs in front of itself. */
export interface ChannelStack {
  /** Names of the behaviours, to find them at a second door. */
  readonly behaviours: readonly string[];
  readonly intercept: ClientInterceptor;
  readonly clock: Clock;
  /** Asked for every call: what to do instead once the mesh is closed. */
  readonly closed: () => ClientInterceptor | undefined;
}

/** Opens grpc-js's own calls: the bottom of every stack. */
export class RawChannel implements ByteChannel {
  readonly #channel: ChannelInterface;
  readonly #clock: Clock;

  constructor(channel: ChannelInterface, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
  }
  open(info: CallInfo): ClientCall {
    const deadline = toGrpcDeadline(info.deadlineMs, this.#clock);
    if (this.#channel.getConnectivityState(false) === connectivityState.SHUTDOWN) {
      // Closed while the call waited (for a retry, for its batch): it must end, and not by a throw in somebody else's turn.
      return new RefusedCall(localStatus(refusal(Code.UNAVAILABLE, 'client.channel/closed', 'the channel was closed')));
    }
    const call = this.#channel.createCall(info.method, deadline, info.host, info.parent ?? null, info.propagateFlags);
    if (info.credentials !== undefined) call.setCredentials(info.credentials);
    return call as ClientCall;
  }
}

/** A `Channel` with our stack in front. */
export class MeshChannel implements ChannelInterface {
  readonly #channel: ChannelInterface;
  readonly #stack: ChannelStack;
  readonly door: Door;
  /** @internal */
  readonly bottom: NextClientCall;
  readonly #described = new Map<string, DescribedChannel>();
  #closed = false;

  constructor(channel: ChannelInterface, stack: ChannelStack, door: Door & { readonly channel: ByteChannel }) {
    this.#channel = channel;
    this.#stack = stack;
    this.door = door;
    this.bottom = (info) => door.channel.open(info);
  }

  close(): void {
    this.#closed = true;
    this.#channel.close();
  }
  getTarget(): string {
    return this.#channel.getTarget();
  }
  getConnectivityState(tryToConnect: boolean): connectivityState {
    return this.#channel.getConnectivityState(tryToConnect);
  }
  watchConnectivityState(currentState: connectivityState, deadline: Deadline, callback: (error?: Error) => void): void {
    this.#channel.watchConnectivityState(currentState, deadline, callback);
  }
  getChannelzRef(): ReturnType<ChannelInterface['getChannelzRef']> {
    return this.#channel.getChannelzRef();
  }
  createCall(...call: CreateCall): CallStream {
    return this.createDescribed(undefined, undefined, call);
  }

  /** A channel for calls of one method whose kind is known. One object for each method; calls with wishes of their own get a new one. */
  describe(method: string, kind: MethodKind, options: InmeshCallOptions | undefined): ChannelInterface {
    if (options !== undefined) return new DescribedChannel(this, kind, options);
    let described = this.#described.get(method);
    if (described === undefined) {
      described = new DescribedChannel(this, kind, undefined);
      if (this.#described.size < 10_000) this.#described.set(method, described);
    }
    return described;
  }

  /** The clock of calls that enter directly. @internal */
  get clock(): Clock {
    return this.#stack.clock;
  }

  /** A call, not started, that enters the stack past grpc-js's client. @throws as `createCall` does. @internal */
  enter(info: CallInfo): ClientCall {
    this.#refuseClosed();
    return (this.#stack.closed() ?? this.#stack.intercept)(info, info.bottom);
  }

  /** A closed mesh says so in a status; a channel that its own client closed throws, as grpc-js's does. */
  #refuseClosed(): void {
    if (this.#stack.closed() === undefined && (this.#closed || this.#channel.getConnectivityState(false) === connectivityState.SHUTDOWN)) {
      throw new Error('Channel has been shut down'); // grpc-js's own words
    }
  }

  /** @internal */
  createDescribed(kind: MethodKind | undefined, options: InmeshCallOptions | undefined, call: CreateCall): CallStream {
    this.#refuseClosed();
    const [method, deadline, host, parent, flags] = call;
    return new MeshChannelCall(this.#stack, this.door, this.bottom, kind, options, method, deadline, host, parent, flags);
  }
}

/** The same channel, saying what kind of call it makes. */
class DescribedChannel implements ChannelInterface {
  readonly #channel: MeshChannel;
  readonly #kind: MethodKind;
  readonly #options: InmeshCallOptions | undefined;

  constructor(channel: MeshChannel, kind: MethodKind, options: InmeshCallOptions | undefined) {
    this.#channel = channel;
    this.#kind = kind;
    this.#options = options;
  }
  createCall(...call: CreateCall): CallStream {
    return this.#channel.createDescribed(this.#kind, this.#options, call);
  }
  close(): void {
    this.#channel.close();
  }
  getTarget(): string {
    return this.#channel.getTarget();
  }
  getConnectivityState(tryToConnect: boolean): connectivityState {
    return this.#channel.getConnectivityState(tryToConnect);
  }
  watchConnectivityState(currentState: connectivityState, deadline: Deadline, callback: (error?: Error) => void): void {
    this.#channel.watchConnectivityState(currentState, deadline, callback);
  }
  getChannelzRef(): ReturnType<ChannelInterface['getChannelzRef']> {
    return this.#channel.getChannelzRef();
  }
}

/**
 * Tells a channel of ours what it is calling. Goes into a client as `callInvocationTransformer`, after the user's own.
 *
 * @param stacks - How its calls are made. Default: as grpc-js does. Not heeded beside a transformer of the user's, who may hold on to the call.
 */
export function describeCalls(own?: CallInvocationTransformer, stacks?: CallerStacks): CallInvocationTransformer {
  return (given) => {
    const call = own === undefined ? given : own(given);
    if (!(call.channel instanceof MeshChannel)) return call;
    const { path, requestStream, responseStream } = call.methodDefinition;
    const options: CallOptions = call.callOptions;
    const described = { ...call, channel: call.channel.describe(path, kindOf(requestStream, responseStream), options.inmesh) };
    return own === undefined && stacks !== undefined ? stacks.of(described) : described;
  };
}

let callNumber = 0;

class MeshChannelCall implements ClientCall {
  readonly #stack: ChannelStack;
  readonly #number: number = callNumber++;
  readonly #door: Door;
  readonly #bottom: NextClientCall;
  readonly #kind: MethodKind | undefined;
  readonly #options: InmeshCallOptions | undefined;
  readonly #method: string;
  readonly #deadline: Deadline;
  readonly #host: string | undefined;
  readonly #parent: ParentCall | undefined;
  readonly #flags: number | undefined;
  #credentials: CallCredentials | undefined;
  #call: ClientCall | undefined;
  /** Of a unary call that has ended. */
  #peer: string | undefined;
  #auth: AuthContext | null = null;

  constructor(
    stack: ChannelStack,
    door: Door,
    bottom: NextClientCall,
    kind: MethodKind | undefined,
    options: InmeshCallOptions | undefined,
    ...[method, deadline, host, parent, flags]: CreateCall
  ) {
    this.#stack = stack;
    this.#door = door;
    this.#bottom = bottom;
    this.#kind = kind;
    this.#options = options;
    this.#method = method;
    this.#deadline = deadline;
    this.#host = host ?? undefined;
    this.#parent = (parent ?? undefined) as ParentCall | undefined;
    this.#flags = flags ?? undefined;
  }

  start(metadata: Metadata, listener: CallListener): void {
    const { behaviours, intercept, clock, closed } = this.#stack;
    const above = attemptOf(metadata)?.behaviours;
    if (above !== undefined) refuseTwice(above, behaviours);
    const scope = new ScopedListener(listener, false, this.#kind === 'unary' ? this : undefined);
    const info = new CallFacts({
      method: this.#method,
      kind: this.#kind,
      deadlineMs: fromGrpcDeadline(this.#deadline, clock),
      host: this.#host,
      credentials: this.#credentials,
      parent: this.#parent,
      propagateFlags: this.#flags,
      options: this.#options,
      definition: undefined,
      door: this.#door,
      attempt: undefined,
      story: undefined,
      record: undefined,
      ownsMetadata: false,
      stage: -1,
      bottom: this.#bottom,
      scope,
    });
    this.#call = (closed() ?? intercept)(info, this.#bottom);
    this.#call.start(metadata, scope);
  }
  /** Objects of grpc-js that know this one outlive their call (call-facts.ts). What has carried it must not. */
  ended(): void {
    const call = this.#call;
    if (call === undefined) return;
    this.#peer = call.getPeer();
    this.#auth = call.getAuthContext();
    this.#call = undefined;
  }
  setCredentials(credentials: CallCredentials): void {
    this.#credentials = credentials;
  }
  sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#call?.sendMessageWithContext(context, message);
  }
  startRead(): void {
    this.#call?.startRead();
  }
  halfClose(): void {
    this.#call?.halfClose();
  }
  cancelWithStatus(code: number, details: string): void {
    this.#call?.cancelWithStatus(code, details);
  }
  getPeer(): string {
    return this.#call?.getPeer() ?? this.#peer ?? this.#door.target;
  }
  getCallNumber(): number {
    return this.#number;
  }
  getAuthContext(): AuthContext | null {
    return this.#call?.getAuthContext() ?? this.#auth;
  }
}

/** @throws UsageError: a behaviour at two doors of one client would be squared. */
function refuseTwice(above: readonly string[], here: readonly string[]): void {
  const twice = above.flatMap((names) => names.split('+')).filter((name) => here.includes(name));
  if (twice.length === 0) return;
  throw new UsageError(
    `${twice.join(', ')}: on this client both as interceptor and in its channel; use mesh.client() or mesh.interceptors() with mesh.options(), not both`,
  );
}

/** grpc-js's own channel. */
export function createRawChannel(target: string, credentials: ChannelCredentials, options: ChannelOptions): ChannelInterface {
  return new Channel(target, credentials, options);
}
