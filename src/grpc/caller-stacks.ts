/**
 * Unary calls of grpc-js's own client without the `Error` with a stack that it makes at each of them, to say in an error where the call was
 * made: the dearest part of its surface (`channel-quiet` in `npm run bench -- layers`).
 *
 * By default a method goes without once it is calm: its last thousand calls have all ended well. So a method that fails says where, but
 * for the first failure after a long time, and every method does while a program begins.
 *
 * `makeUnaryRequest` sets `call` on the emitter that a `CallInvocationTransformer` may give, makes the `Error`, and reads `metadata` of what
 * the transformer gave, with nothing of anybody's in between. So the emitter sets `Error.stackTraceLimit` to 0, and `metadata` puts it back.
 *
 * @packageDocumentation
 */
import { EventEmitter } from 'node:events';
import type { CallInvocationTransformer, ClientUnaryCall } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import type { AuthContext } from './client-call.ts';
import type { MeshClientOptions } from './client-door-types.ts';

type Invocation = Parameters<CallInvocationTransformer>[0];
type Lower = NonNullable<ClientUnaryCall['call']>;

/** Calls in a row that ended well: then it is calm. */
const CALM = 1000;
/** Methods that are known by themselves; of more, nothing is known. */
const MAX_METHODS = 10_000;

/** How the calls of one client are made. */
export class CallerStacks {
  readonly #mode: boolean | 'auto';
  readonly #methods = new Map<string, Method>();

  /** What this process can't do is left: with `--frozen-intrinsics` the limit of stacks can not be set. @throws ConfigError when an option is none. */
  constructor(options: MeshClientOptions) {
    const { callerStacks = 'auto' } = checkedObject(options, ['callerStacks'], 'options');
    if (callerStacks !== 'auto' && typeof callerStacks !== 'boolean')
      throw new ConfigError('options.callerStacks', `expected "auto", true or false, got ${show(callerStacks)}`);
    this.#mode = canBeQuiet() ? callerStacks : true;
  }

  /** The same call, made with a stack or without. */
  of(given: Invocation): Invocation {
    const { methodDefinition, callback } = given;
    if (this.#mode === true || callback === undefined || methodDefinition.requestStream || methodDefinition.responseStream) return given;
    if (this.#mode === false) return new QuietInvocation(given, callback);
    const method = this.#method(methodDefinition.path);
    if (method === undefined) return given;
    const told: typeof callback = (error, value) => {
      method.calm = error === null ? method.calm + 1 : 0;
      if (error === null) callback(null, value);
      else callback(error); // with as many arguments as grpc-js gives
    };
    return method.calm < CALM ? { ...given, callback: told } : new QuietInvocation(given, told);
  }

  #method(path: string): Method | undefined {
    let method = this.#methods.get(path);
    if (method === undefined && this.#methods.size < MAX_METHODS) {
      method = { calm: 0 };
      this.#methods.set(path, method);
    }
    return method;
  }
}

interface Method {
  /** Calls that have ended well since one failed. */
  calm: number;
}

function canBeQuiet(): boolean {
  const limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  return limit?.writable === true && typeof limit.value === 'number';
}

/** A call whose `Error` has no stack. */
class QuietInvocation implements Invocation {
  readonly argument: Invocation['argument'];
  readonly channel: Invocation['channel'];
  readonly methodDefinition: Invocation['methodDefinition'];
  readonly callOptions: Invocation['callOptions'];
  readonly callback: NonNullable<Invocation['callback']>;
  readonly call: QuietUnaryCall = new QuietUnaryCall();
  readonly #metadata: Invocation['metadata'];

  constructor(given: Invocation, callback: NonNullable<Invocation['callback']>) {
    this.argument = given.argument;
    this.channel = given.channel;
    this.methodDefinition = given.methodDefinition;
    this.callOptions = given.callOptions;
    this.callback = callback;
    this.#metadata = given.metadata;
  }
  /** Read when the `Error` is made. */
  get metadata(): Invocation['metadata'] {
    this.call.loud();
    return this.#metadata;
  }
}

/** As grpc-js's own, which it does not export. */
class QuietUnaryCall extends EventEmitter implements ClientUnaryCall {
  #call: Lower | undefined;
  #limit = 0;
  #made = false;

  /** Not there until the call is made. */
  get call(): Lower {
    return this.#call as Lower;
  }
  set call(call: Lower) {
    this.#call = call;
    if (this.#made) return; // a grpc-js that reads the metadata sooner: nothing would put the limit back
    this.#limit = Error.stackTraceLimit;
    if (this.#limit > 0) Error.stackTraceLimit = 0;
  }
  /** From here on stacks are what they were. */
  loud(): void {
    this.#made = true;
    if (this.#limit > 0) Error.stackTraceLimit = this.#limit;
    this.#limit = 0;
  }
  cancel(): void {
    this.#call?.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
  }
  getPeer(): string {
    return this.#call?.getPeer() ?? 'unknown';
  }
  getAuthContext(): AuthContext | null {
    return this.#call?.getAuthContext() ?? null;
  }
}
