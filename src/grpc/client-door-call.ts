/**
 * Calls that enter the stack past grpc-js's client: what its `makeUnaryRequest` does, without what it costs.
 *
 * One object is the call's listener and the context that its caller's callbacks run in; the object that the caller gets is
 * a second one, and for a promise there is none.
 *
 * @packageDocumentation
 */
import { AsyncResource } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import {
  type CallOptions,
  type ClientUnaryCall,
  Metadata,
  type NextCall,
  type requestCallback,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { CallFacts } from './call-facts.ts';
import type { MeshChannel } from './channel-door.ts';
import { type AuthContext, type CallListener, type ClientCall, type MethodDefinition, NO_CONTEXT } from './client-call.ts';
import { messageOf, SerializingCall } from './client-door-list.ts';
import { callerStack, serviceError } from './service-error.ts';
import { appMetadata } from './shared-metadata.ts';

type InterceptingCallInterface = ReturnType<NextCall>;

/** One unary method of a wrapped client. */
export interface WrappedMethod {
  readonly definition: MethodDefinition;
  readonly channel: MeshChannel;
  readonly callerStacks: boolean;
  /** The client's interceptors, down to the mesh; undefined: none. */
  readonly list: NextCall | undefined;
}

/** One call: from the serialised request to the status. */
abstract class DirectCall extends AsyncResource implements CallListener {
  readonly #method: WrappedMethod;
  readonly #caller: Error | undefined;
  /** Set by `begin`, before anybody sees this object. */
  #call!: ClientCall | InterceptingCallInterface;
  #response: unknown = null;
  #unreadable: StatusObject | undefined;
  #ended = false;

  constructor(method: WrappedMethod) {
    super('inmesh.call');
    this.#method = method;
    this.#caller = method.callerStacks ? new Error() : undefined;
  }

  /** The end, in the caller's context. Once. */
  protected abstract ended(error: ServiceError | null, response: unknown, status: StatusObject): void;

  /** What the caller can reach as `call.call`. */
  get call(): InterceptingCallInterface {
    const call = this.#call;
    return 'sendMessage' in call ? call : new SerializingCall(call, this.#method.definition);
  }

  /** Makes the call, in this turn. @throws what grpc-js's `makeUnaryRequest` throws: a closed channel. */
  begin(request: unknown, metadata: Metadata | undefined, options: CallOptions, deadlineMs: number): void {
    const { definition, list } = this.#method;
    if (list === undefined) {
      this.#enter(request, metadata, options, deadlineMs);
      return;
    }
    const top = list({ ...options, method_definition: definition });
    this.#call = top;
    top.start(metadata ?? new Metadata(), this);
    top.sendMessage(request);
    top.halfClose();
  }

  #enter(request: unknown, metadata: Metadata | undefined, options: CallOptions, deadlineMs: number): void {
    const { definition, channel } = this.#method;
    const { host, credentials, parent, propagate_flags, inmesh } = options;
    const info = new CallFacts({
      method: definition.path,
      kind: 'unary',
      deadlineMs,
      host: host ?? undefined,
      credentials: credentials ?? undefined,
      parent: parent ?? undefined,
      propagateFlags: propagate_flags ?? undefined,
      options: inmesh,
      definition: undefined, // bytes, as in the channel
      door: channel.door,
      attempt: undefined,
      story: undefined,
      record: undefined,
      ownsMetadata: metadata === undefined,
      stage: -1,
      bottom: channel.bottom,
      scope: this,
    });
    const call = channel.enter(info);
    this.#call = call;
    call.start(metadata ?? new Metadata(), this);
    call.startRead();
    let bytes: Buffer;
    try {
      bytes = definition.requestSerialize(request);
    } catch (error) {
      call.cancelWithStatus(Code.INTERNAL, `Request message serialization failure: ${messageOf(error)}`);
      return;
    }
    call.sendMessageWithContext(NO_CONTEXT, bytes);
    call.halfClose();
  }

  cancel(): void {
    this.#call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
  }
  getPeer(): string {
    return this.#call.getPeer();
  }
  getAuthContext(): AuthContext | null {
    return this.#call.getAuthContext();
  }

  onReceiveMetadata(_metadata: Metadata): void {}
  onReceiveMessage(message: unknown): void {
    if (this.#ended || this.#unreadable !== undefined) return;
    let response = message;
    if (this.#method.list === undefined) {
      try {
        response = this.#method.definition.responseDeserialize(message as Buffer);
      } catch (error) {
        const details = `Response message parsing error: ${messageOf(error)}`;
        this.#unreadable = { code: Code.INTERNAL, details, metadata: new Metadata() };
        this.#call.cancelWithStatus(Code.INTERNAL, details);
        return;
      }
    }
    if (this.#response !== null) this.#call.cancelWithStatus(Code.UNIMPLEMENTED, 'Too many responses received');
    this.#response = response;
  }
  onReceiveStatus(status: StatusObject): void {
    if (this.#ended) return; // exactly one, whatever happens below
    this.#ended = true;
    this.runInAsyncScope(this.#end, this, this.#unreadable ?? status);
  }
  protected get over(): boolean {
    return this.#ended;
  }

  #end(status: StatusObject): void {
    const response = this.#response;
    this.#response = null;
    if (status.code === Code.OK && response !== null) {
      this.ended(null, response, status);
      return;
    }
    const { metadata } = status;
    const failed = status.code === Code.OK ? { code: Code.UNIMPLEMENTED, details: 'No message received', metadata } : status;
    this.ended(serviceError(failed, this.#caller), undefined, status);
  }
}

/** A call whose caller gave a callback. */
class CallbackCall extends DirectCall {
  readonly #callback: requestCallback<unknown>;
  readonly #surface: UnaryCall;

  constructor(method: WrappedMethod, callback: requestCallback<unknown>) {
    super(method);
    this.#callback = callback;
    this.#surface = new UnaryCall(this);
  }
  get surface(): UnaryCall {
    return this.#surface;
  }
  override onReceiveMetadata(metadata: Metadata): void {
    // Told to nobody, it need not enter the caller's context either.
    if (!this.over && this.#surface.listenerCount('metadata') > 0)
      this.runInAsyncScope(this.#surface.emit, this.#surface, 'metadata', appMetadata(metadata));
  }
  protected override ended(error: ServiceError | null, response: unknown, status: StatusObject): void {
    const callback = this.#callback;
    if (error === null) callback(null, response);
    else callback(error);
    if (this.#surface.listenerCount('status') === 0) return;
    status.metadata = appMetadata(status.metadata);
    this.#surface.emit('status', status);
  }
}

/** What a caller with a callback gets: grpc-js's `ClientUnaryCall`. */
class UnaryCall extends EventEmitter implements ClientUnaryCall {
  readonly #call: DirectCall;

  constructor(call: DirectCall) {
    super();
    this.#call = call;
  }
  get call(): InterceptingCallInterface {
    return this.#call.call;
  }
  cancel(): void {
    this.#call.cancel();
  }
  getPeer(): string {
    return this.#call.getPeer();
  }
  getAuthContext(): AuthContext | null {
    return this.#call.getAuthContext();
  }
}

/** A call whose caller gets a promise. It is its signal's listener itself. */
class PromisedCall extends DirectCall {
  readonly #resolve: (response: unknown) => void;
  readonly #reject: (error: ServiceError) => void;
  readonly #signal: AbortSignal | undefined;

  constructor(
    method: WrappedMethod,
    resolve: (response: unknown) => void,
    reject: (error: ServiceError) => void,
    signal: AbortSignal | undefined,
  ) {
    super(method);
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
  }
  handleEvent(): void {
    this.cancel();
  }
  override begin(request: unknown, metadata: Metadata | undefined, options: CallOptions, deadlineMs: number): void {
    super.begin(request, metadata, options, deadlineMs);
    const signal = this.#signal;
    if (signal === undefined || this.over) return;
    if (signal.aborted) this.cancel();
    else signal.addEventListener('abort', this);
  }
  protected override ended(error: ServiceError | null, response: unknown): void {
    this.#signal?.removeEventListener('abort', this);
    if (error === null) this.#resolve(response);
    else this.#reject(withCause(error, this.#signal));
  }
}

/** The call of a caller with a callback; on its way. */
export function callWithCallback(
  method: WrappedMethod,
  request: unknown,
  metadata: Metadata | undefined,
  options: CallOptions,
  deadlineMs: number,
  callback: requestCallback<unknown>,
): ClientUnaryCall {
  const call = new CallbackCall(method, callback);
  call.begin(request, metadata, options, deadlineMs);
  return call.surface;
}

/** The call of a caller who wants a promise; on its way, unless its signal has spoken already. */
export function callWithPromise(
  method: WrappedMethod,
  request: unknown,
  metadata: Metadata | undefined,
  options: CallOptions,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      const status = { code: Code.CANCELLED, details: 'Cancelled on client', metadata: new Metadata() };
      reject(withCause(serviceError(status, method.callerStacks ? callerStack() : undefined), signal));
      return;
    }
    new PromisedCall(method, resolve, reject, signal).begin(request, metadata, options, deadlineMs);
  });
}

/** A call that its signal ended says why the signal spoke. */
function withCause(error: ServiceError, signal: AbortSignal | undefined): ServiceError {
  if (signal?.aborted === true && error.code === Code.CANCELLED) error.cause = signal.reason;
  return error;
}
