/**
 * Both client doors on a fake clock, with a lower half that the test plays: no socket, no server, every schedule possible.
 */
import {
  type CallOptions,
  type ChannelInterface,
  connectivityState,
  type InterceptorOptions,
  Metadata,
  type NextCall,
  type StatusObject,
} from '@grpc/grpc-js';
import type { EndpointBook } from '../../src/balance/book.ts';
import { Code, type InmeshCallOptions, type MethodKind } from '../../src/call.ts';
import { noCounts } from '../../src/call-counts.ts';
import { MeshChannel } from '../../src/grpc/channel-door.ts';
import type { CallInfo, CallListener, ClientCall, MessageContext } from '../../src/grpc/client-call.ts';
import { emptyCounts } from '../../src/grpc/coalescer.ts';
import { fromGrpcDeadline } from '../../src/grpc/door.ts';
import { asInterceptor, type PlacedBehaviour } from '../../src/grpc/interceptor-door.ts';
import { buildClientStack, type ClientCounts } from '../../src/mesh-stack.ts';
import { Recorder } from '../../src/observe/recorder.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { PolicyTable } from '../../src/policy/resolve.ts';
import { seededRandom } from '../../src/random.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type Door, method as defineMethod } from '../support/loopback.ts';

/** A call at the bottom of the stack: writes down what it is told, and says what the test lets it say. */
export class LowerCall implements ClientCall {
  readonly deadlineMs: number;
  readonly log: string[] = [];
  readonly messages: unknown[] = [];
  readonly contexts: MessageContext[] = [];
  metadata: Metadata | undefined;
  listener: CallListener | undefined;
  onStart: (() => void) | undefined;
  onCancel: ((code: number, details: string) => void) | undefined;

  constructor(deadlineMs: number) {
    this.deadlineMs = deadlineMs;
  }
  start(metadata: Metadata, listener: Partial<CallListener>): void {
    this.log.push('start');
    this.metadata = metadata;
    this.listener = listener as CallListener;
    this.onStart?.();
  }
  sendMessage(message: unknown): void {
    this.sendMessageWithContext({}, message);
  }
  sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.log.push('message');
    this.messages.push(message);
    this.contexts.push(context);
  }
  startRead(): void {
    this.log.push('read');
  }
  halfClose(): void {
    this.log.push('half');
  }
  cancelWithStatus(code: number, details: string): void {
    this.log.push(`cancel ${code}`);
    this.onCancel?.(code, details);
  }
  getPeer(): string {
    return '127.0.0.1:1';
  }
  getAuthContext(): null {
    return null;
  }
  /** Ends it. */
  end(code: number, details = '', trailers: Readonly<Record<string, string>> = {}): void {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(trailers)) metadata.set(key, value);
    this.listener?.onReceiveStatus({ code, details, metadata });
  }
}

/** What a caller hears, in order. */
export class Ear implements CallListener {
  readonly log: string[] = [];
  status: StatusObject | undefined;
  onReceiveMetadata(_metadata: Metadata): void {
    this.log.push('metadata');
  }
  onReceiveMessage(message: unknown): void {
    this.log.push(message === null ? 'null' : 'message');
  }
  onReceiveStatus(status: StatusObject): void {
    this.log.push('status');
    this.status = status;
  }
}

/** What grpc-js's clients hold of a call. */
export type UpperCall = Omit<ClientCall, 'start'> & { start(metadata: Metadata, listener: CallListener): void };

export interface RigOptions {
  readonly policy?: Policy;
  readonly seed?: number;
  /** A stack of the test's own instead of a mesh's. */
  readonly behaviour?: (clock: FakeClock) => PlacedBehaviour;
  readonly book?: EndpointBook;
}

/** A client stack at one door. */
export class Rig {
  readonly clock = new FakeClock();
  readonly lowers: LowerCall[] = [];
  readonly warnings: string[] = [];
  readonly counts: ClientCounts = { client: noCounts(), coalesce: emptyCounts(), retries: 0 };
  /** Keeps the stories of the calls. */
  readonly recorder: Recorder;
  readonly stack: PlacedBehaviour;
  /** Told of each call at the bottom before it starts. */
  onLower: ((lower: LowerCall, index: number) => void) | undefined;
  readonly #door: Door;
  readonly #channel: MeshChannel;

  constructor(door: Door, { policy = {}, seed = 1, behaviour, book }: RigOptions = {}) {
    const { clock } = this;
    this.recorder = new Recorder({ clock });
    const settings = {
      recorder: this.recorder,
      table: new PolicyTable(parsePolicy(policy)),
      clock,
      random: seededRandom(seed),
      warn: (line: string) => this.warnings.push(line),
      otel: undefined,
    };
    this.stack = behaviour?.(clock) ?? buildClientStack(settings, this.counts, () => {});
    this.#door = door;
    const stack = { behaviours: [], intercept: this.stack.intercept, clock, closed: () => undefined };
    const channel = { open: (info: CallInfo) => this.#lower(info.deadlineMs) };
    this.#channel = new MeshChannel(idleChannel, stack, { kind: 'channel', target: 'fake', channel, book });
  }

  get last(): LowerCall {
    const lower = this.lowers.at(-1);
    if (lower === undefined) throw new Error('nothing has reached the bottom');
    return lower;
  }

  /** A call, not started. `deadlineMs` on the fake clock. */
  make(kind: MethodKind = 'unary', deadlineMs = Number.POSITIVE_INFINITY, inmesh?: InmeshCallOptions): UpperCall {
    const { clock } = this;
    const deadline = deadlineMs === Number.POSITIVE_INFINITY ? deadlineMs : deadlineMs - clock.nowMs() + clock.wallMs();
    if (this.#door === 'channel')
      return this.#channel.describe('/loop.Echo/Say', kind, inmesh).createCall('/loop.Echo/Say', deadline, null, null, null);
    const definition = defineMethod('Say', kind === 'clientStream' || kind === 'bidi', kind === 'serverStream' || kind === 'bidi');
    const options = {
      deadline,
      method_definition: definition,
      ...(inmesh === undefined ? {} : { inmesh }),
    } as unknown as InterceptorOptions;
    const nextCall: NextCall = (lower: CallOptions) => this.#lower(fromGrpcDeadline(lower.deadline, clock));
    return asInterceptor(this.stack, clock)(options, nextCall);
  }

  /** A unary call as grpc-js's client makes it: started, asked for its answer, sent and closed. */
  unary(deadlineMs?: number, inmesh?: InmeshCallOptions): { readonly call: UpperCall; readonly ear: Ear } {
    const call = this.make('unary', deadlineMs, inmesh);
    const ear = new Ear();
    call.start(new Metadata(), ear);
    if (this.#door === 'channel') call.startRead();
    call.sendMessageWithContext({}, this.#door === 'channel' ? Buffer.from('hello') : { text: 'hello' });
    call.halfClose();
    return { call, ear };
  }

  #lower(deadlineMs: number): LowerCall {
    const lower = new LowerCall(deadlineMs);
    this.lowers.push(lower);
    this.onLower?.(lower, this.lowers.length - 1);
    return lower;
  }
}

/** Answers a unary call with success. */
export function succeed(lower: LowerCall): void {
  lower.listener?.onReceiveMetadata(new Metadata());
  lower.listener?.onReceiveMessage(Buffer.from('hello'));
  lower.end(Code.OK);
}

const idleChannel: ChannelInterface = {
  close: () => {},
  getTarget: () => 'fake',
  getConnectivityState: () => connectivityState.READY,
  watchConnectivityState: () => {},
  getChannelzRef: () => {
    throw new Error('not here');
  },
  createCall: () => {
    throw new Error('not here');
  },
};
