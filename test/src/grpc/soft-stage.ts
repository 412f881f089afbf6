/**
 * A soft channel on a fake clock, with the calls below it played by the test.
 */
import { type ChannelInterface, connectivityState, Metadata, type StatusObject } from '@grpc/grpc-js';
import type { EndpointBook } from '../../../src/balance/book.ts';
import { Code } from '../../../src/call.ts';
import { type AttemptContext, attemptContext, type CallListener, type ClientCall } from '../../../src/grpc/client-call.ts';
import { attemptOf, withAttempt } from '../../../src/grpc/lb-policy.ts';
import { soften } from '../../../src/grpc/soft-call.ts';
import { ResetBudget, type ResetBudgetOptions } from '../../../src/resets/reset-budget.ts';
import { Ear } from '../../doors/rig.ts';
import { FakeClock } from '../../support/fake-clock.ts';

type ChannelCall = ReturnType<ChannelInterface['createCall']>;

/** grpc-js's call: ends once, a turn of the microtask queue after it was cancelled. */
export class RawCall implements ClientCall {
  readonly deadline: number;
  readonly log: string[] = [];
  metadata = new Metadata();
  listener: CallListener | undefined;
  ended = false;

  constructor(deadline: number) {
    this.deadline = deadline;
  }
  get context(): AttemptContext {
    const context = attemptOf(this.metadata);
    if (context === undefined) throw new Error('no context');
    return context;
  }
  start(metadata: Metadata, listener: CallListener): void {
    this.metadata = metadata;
    this.listener = listener;
  }
  /** The picker has chosen, and the stream is open. */
  goOut(address = 'a:1'): void {
    this.context.picked = address;
    this.context.started = true;
  }
  sendMessageWithContext(): void {
    this.log.push('message');
  }
  startRead(): void {
    this.log.push('read');
  }
  halfClose(): void {
    this.log.push('half');
  }
  cancelWithStatus(code: number, details: string): void {
    this.log.push(`cancel ${code}`);
    this.end(code, details);
  }
  end(code: number, details = ''): void {
    if (this.ended) return;
    this.ended = true;
    const status: StatusObject = { code, details, metadata: new Metadata() };
    process.nextTick(() => this.listener?.onReceiveStatus(status));
  }
  answer(): void {
    this.listener?.onReceiveMetadata(new Metadata());
    this.listener?.onReceiveMessage(Buffer.from('x'));
    this.end(Code.OK);
  }
  getPeer(): string {
    return 'a:1';
  }
  getAuthContext(): null {
    return null;
  }
  setCredentials(): void {}
  getCallNumber(): number {
    return 0;
  }
}

export class SoftStage {
  readonly clock = new FakeClock();
  readonly resets: ResetBudget;
  readonly raws: RawCall[] = [];
  readonly timedOut: string[] = [];
  readonly channel: ChannelInterface;
  readonly close: () => void;
  attached = true;
  #lost: (address: string) => void = () => {};

  constructor(options?: ResetBudgetOptions) {
    const { clock, raws, timedOut } = this;
    this.resets = new ResetBudget(options, clock);
    const isAttached = (): boolean => this.attached;
    const book: EndpointBook = {
      endpoints: [],
      get attached() {
        return isAttached();
      },
      onLost: (fn) => {
        this.#lost = fn;
        return () => {};
      },
      pick: () => undefined,
      timedOut: (address) => void timedOut.push(address),
    };
    this.channel = {
      close: () => {},
      getTarget: () => 'fake',
      getConnectivityState: () => connectivityState.READY,
      watchConnectivityState: () => {},
      getChannelzRef: () => {
        throw new Error('not here');
      },
      createCall: (_method, deadline) => {
        const raw = new RawCall(deadline as number);
        raws.push(raw);
        return raw as ChannelCall;
      },
    };
    this.close = soften(this.channel, book, this.resets, clock);
  }

  /** A call, started. */
  call(
    timeoutMs = Number.POSITIVE_INFINITY,
    wishes?: Parameters<typeof attemptContext>[0],
  ): { readonly call: ChannelCall; readonly ear: Ear; readonly raw: RawCall } {
    const call = this.channel.createCall('/a.B/C', this.clock.wallMs() + timeoutMs, null, null, null);
    const ear = new Ear();
    const metadata = new Metadata();
    if (wishes !== undefined) withAttempt(metadata, attemptContext(wishes));
    call.start(metadata, ear);
    return { call, ear, raw: this.raws.at(-1) as RawCall };
  }
  lose(address: string): void {
    this.#lost(address);
  }
}
