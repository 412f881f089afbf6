/**
 * Door 1: our behaviours as grpc-js client interceptors.
 *
 * Neighbours of ours fuse at call time: one that meets another of ours below it takes that one's behaviour instead of its
 * call object. Fusing never reorders; a wrong order throws on the first call.
 *
 * @packageDocumentation
 */
import { InterceptingCall, type Interceptor, type InterceptorOptions, Metadata, type NextCall, type StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import { refusal, UsageError } from '../errors.ts';
import { CallFacts } from './call-facts.ts';
import {
  type AttemptContext,
  type AuthContext,
  attemptContext,
  type CallInfo,
  type CallListener,
  type ClientCall,
  type ClientInterceptor,
  type Door,
  type MessageContext,
  type NextClientCall,
  NO_CONTEXT,
} from './client-call.ts';
import { fromGrpcDeadline, kindOf, toGrpcDeadline, UNKNOWN_DOOR } from './door.ts';
import { attemptOf, withAttempt } from './lb-policy.ts';
import { localStatus, RefusedCall } from './refuse.ts';
import { ScopedListener } from './scope.ts';

/** A behaviour with its place in the stack. */
export interface PlacedBehaviour {
  readonly name: string;
  /** Place of its first and of its last stage in the stack (pipeline.ts); the same for a single one. */
  readonly from: number;
  readonly to: number;
  readonly intercept: ClientInterceptor;
}

/** Carries our info from a behaviour of ours to the next, through foreign interceptors that pass options on. */
const INFO: unique symbol = Symbol('inmesh.info');
/** Carries the facts of the client's door, put there by `mesh.options()`. */
export const DOOR: unique symbol = Symbol('inmesh.door');
/** Names of our behaviours above, joined by `+`. */
const ABOVE: unique symbol = Symbol('inmesh.above');

const TWO_COPIES =
  'this client is not of the @grpc/grpc-js that inmesh uses: two copies of it are installed (see `npm ls @grpc/grpc-js`); one must go';

interface OurOptions extends InterceptorOptions {
  [INFO]?: CallInfo;
  [DOOR]?: Door;
  [ABOVE]?: string;
}

type Lower = ReturnType<NextCall>;

/** The interceptor of one behaviour. @throws UsageError on the first call that meets behaviours in a wrong order. */
export function asInterceptor(behaviour: PlacedBehaviour, clock: Clock = systemClock): Interceptor {
  return (options: OurOptions, nextCall) => new OurInterceptingCall(behaviour, options, nextCall, clock);
}

/** The same of a behaviour that changes: each call keeps the one that it began with. */
export function asCurrentInterceptor(current: () => PlacedBehaviour, clock: Clock): Interceptor {
  return (options: OurOptions, nextCall) => new OurInterceptingCall(current(), options, nextCall, clock);
}

class OurInterceptingCall extends InterceptingCall {
  readonly #behaviour: PlacedBehaviour;
  readonly #options: OurOptions;
  readonly #nextCall: NextCall;
  readonly #clock: Clock;
  /** This behaviour and all of ours above. */
  readonly #names: string;
  #call: ClientCall | undefined;
  #starting = false;
  /** The one of ours that fused with this one: its start is ours. */
  #fusedInto: OurInterceptingCall | undefined;

  constructor(behaviour: PlacedBehaviour, options: OurOptions, nextCall: NextCall, clock: Clock) {
    super(NO_CALL);
    this.#behaviour = behaviour;
    this.#options = options;
    this.#nextCall = nextCall;
    this.#clock = clock;
    this.#names = options[ABOVE] === undefined ? behaviour.name : `${options[ABOVE]}+${behaviour.name}`;
    const above = options[INFO];
    if (above !== undefined && above.stage >= behaviour.from) throw wrongOrder(behaviour, above);
  }

  /** The behaviour itself, for a neighbour of ours above. */
  fuse(info: CallInfo, upper: OurInterceptingCall): ClientCall {
    this.#fusedInto = upper;
    return this.#behaviour.intercept({ ...info, stage: this.#behaviour.to, bottom: this.#bottom }, this.#bottom);
  }

  readonly #bottom: NextClientCall = (info) => {
    const options: OurOptions = { ...this.#options, ...lowerOptions(info, this.#clock), [INFO]: info, [ABOVE]: this.#names };
    const lower = this.#lower(options);
    if (lower instanceof OurInterceptingCall) return lower.fuse(info, this);
    if (info.door !== UNKNOWN_DOOR) info.door.foreignBelow ??= lower instanceof InterceptingCall;
    if (lower instanceof RefusedCall) return lower;
    return new ForeignCall(lower, info, this.#names);
  };

  #isStarting(): boolean {
    return this.#fusedInto === undefined ? this.#starting : this.#fusedInto.#isStarting();
  }

  #lower(options: OurOptions): Lower | RefusedCall {
    if (this.#isStarting()) return this.#nextCall(options); // what it throws is thrown at the call site, as grpc-js has it
    try {
      return this.#nextCall(options);
    } catch (error) {
      // The call waited (for a slot, for a retry) and the channel was closed meanwhile: it must end, and not by a throw in a timer.
      const details = error instanceof Error ? error.message : String(error);
      return new RefusedCall(localStatus(refusal(Code.UNAVAILABLE, 'client.channel/closed', details)));
    }
  }

  #info(scope: ScopedListener): CallInfo {
    const options = this.#options;
    const definition = options.method_definition;
    return new CallFacts({
      method: definition.path,
      kind: kindOf(definition.requestStream, definition.responseStream),
      deadlineMs: fromGrpcDeadline(options.deadline, this.#clock),
      host: options.host,
      credentials: options.credentials,
      parent: options.parent,
      propagateFlags: options.propagate_flags,
      options: options.inmesh,
      definition,
      door: options[DOOR] ?? options[INFO]?.door ?? UNKNOWN_DOOR,
      attempt: options[INFO]?.attempt,
      story: options[INFO]?.story,
      record: undefined,
      ownsMetadata: false,
      stage: this.#behaviour.to,
      bottom: this.#bottom,
      scope,
    });
  }

  override start(metadata: Metadata, listener: Partial<CallListener> = {}): void {
    if (!(metadata instanceof Metadata)) throw new UsageError(TWO_COPIES);
    const scope = new ScopedListener(fullListener(listener), !this.#options.method_definition.responseStream);
    this.#starting = true;
    try {
      this.#call = this.#behaviour.intercept(this.#info(scope), this.#bottom);
      this.#call.start(metadata, scope);
    } finally {
      this.#starting = false;
    }
  }
  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#call?.sendMessageWithContext(context, message);
  }
  override sendMessage(message: unknown): void {
    this.#call?.sendMessageWithContext(NO_CONTEXT, message);
  }
  override startRead(): void {
    this.#call?.startRead();
  }
  override halfClose(): void {
    this.#call?.halfClose();
  }
  override cancelWithStatus(code: number, details: string): void {
    this.#call?.cancelWithStatus(code, details);
  }
  override getPeer(): string {
    return this.#call?.getPeer() ?? 'unknown';
  }
  override getAuthContext(): AuthContext | null {
    return this.#call?.getAuthContext() ?? null;
  }
}

function lowerOptions(info: CallInfo, clock: Clock): Partial<InterceptorOptions> {
  return {
    deadline: toGrpcDeadline(info.deadlineMs, clock),
    host: info.host,
    parent: info.parent,
    propagate_flags: info.propagateFlags,
    credentials: info.credentials,
  } as Partial<InterceptorOptions>;
}

/** What is below all of ours, made fit: no `null` message, and the context of the attempt where the picker finds it. */
class ForeignCall implements ClientCall {
  readonly #lower: Lower;
  readonly #info: CallInfo;
  readonly #names: string;
  #attempt: AttemptContext | undefined;

  constructor(lower: Lower, info: CallInfo, names: string) {
    this.#lower = lower;
    this.#info = info;
    this.#names = names;
  }
  start(metadata: Metadata, listener: CallListener): void {
    let marked = metadata;
    let attempt = attemptOf(metadata);
    if (attempt === undefined) {
      attempt = this.#info.attempt ?? attemptContext();
      marked = metadata.clone();
      withAttempt(marked, attempt);
    }
    attempt.behaviours = [this.#names];
    const { redirect } = this.#info.door;
    if (redirect !== undefined) attempt.redirect = redirect;
    this.#attempt = attempt;
    this.#lower.start(marked, this.#info.kind === 'unary' || this.#info.kind === 'clientStream' ? new NoNullListener(listener) : listener);
  }
  sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.#lower.sendMessageWithContext(context, message);
  }
  startRead(): void {
    this.#lower.startRead();
  }
  halfClose(): void {
    this.#lower.halfClose();
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.#attempt !== undefined) this.#attempt.over = true;
    this.#lower.cancelWithStatus(code, details);
  }
  getPeer(): string {
    return this.#lower.getPeer();
  }
  getAuthContext(): AuthContext | null {
    return this.#lower.getAuthContext();
  }
}

class NoNullListener implements CallListener {
  readonly #upper: CallListener;

  constructor(upper: CallListener) {
    this.#upper = upper;
  }
  onReceiveMetadata(metadata: Metadata): void {
    this.#upper.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    if (message !== null) this.#upper.onReceiveMessage(message);
  }
  onReceiveStatus(status: StatusObject): void {
    this.#upper.onReceiveStatus(status);
  }
}

function fullListener(listener: Partial<CallListener>): CallListener {
  if (listener.onReceiveMetadata && listener.onReceiveMessage && listener.onReceiveStatus) return listener as CallListener;
  return {
    onReceiveMetadata: (metadata) => listener.onReceiveMetadata?.(metadata),
    onReceiveMessage: (message) => listener.onReceiveMessage?.(message),
    onReceiveStatus: (status) => listener.onReceiveStatus?.(status),
  };
}

function wrongOrder(behaviour: PlacedBehaviour, above: CallInfo): UsageError {
  return new UsageError(
    `${behaviour.name} stands below a behaviour that belongs under it or is the same one (stage ${above.stage} above ${behaviour.from}); the order is in interceptors/pipeline.ts, and mesh.interceptors() has it right`,
  );
}

/** Stands where grpc-js's base class wants a call; never reached, for every method is overridden. */
const NO_CALL: Lower = {
  start: () => {},
  sendMessageWithContext: () => {},
  sendMessage: () => {},
  startRead: () => {},
  halfClose: () => {},
  cancelWithStatus: () => {},
  getPeer: () => 'unknown',
  getAuthContext: () => null,
};
