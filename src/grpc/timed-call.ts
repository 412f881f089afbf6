/**
 * Calls whose time is taken.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import type { GrpcLabels } from '../observe/a66.ts';
import type { Durations, MethodLabels } from '../observe/durations.ts';
import { cancelledCode } from '../observe/span-end.ts';
import { type CallInfo, type CallListener, type ClientCall, ForwardingCall } from './client-call.ts';
import { ForwardingServerCall, type ServerCall, type ServerInfo, type ServerListener, type ServerStatus } from './server-call.ts';

/** A client call. */
export class TimedCall extends ForwardingCall {
  readonly #info: CallInfo;
  readonly #durations: Durations;
  readonly #labels: MethodLabels;
  readonly #grpc: GrpcLabels | undefined;
  readonly #clock: Clock;
  #startMs = 0;
  constructor(lower: ClientCall, info: CallInfo, durations: Durations, labels: MethodLabels, grpc: GrpcLabels | undefined, clock: Clock) {
    super(lower);
    this.#info = info;
    this.#durations = durations;
    this.#labels = labels;
    this.#grpc = grpc;
    this.#clock = clock;
  }
  override start(metadata: Metadata, listener: CallListener): void {
    const { record, story } = this.#info;
    this.#startMs = record?.call.startedMs ?? story?.startedMs ?? this.#clock.nowMs(); // the value is the span's duration
    this.upper = listener;
    this.lower.start(metadata, this);
  }
  override onReceiveStatus(status: StatusObject): void {
    const { record, story, tally } = this.#info;
    const endedMs = this.#clock.nowMs();
    if (story !== undefined) story.endedMs = endedMs;
    const elapsedMs = endedMs - this.#startMs;
    this.#durations.record(this.#labels, status.code, elapsedMs, story === undefined ? 0 : story.heldMs, record?.call.context);
    if (this.#grpc !== undefined) this.#durations.recordGrpc(this.#grpc, status.code, elapsedMs, tally, record?.call.context);
    this.upper.onReceiveStatus(status);
  }
}

/** A served call, or an item of a batch. */
export class TimedServerCall extends ForwardingServerCall {
  readonly #info: ServerInfo;
  readonly #durations: Durations;
  readonly #labels: MethodLabels;
  readonly #grpc: GrpcLabels | undefined;
  readonly #clock: Clock;
  #startMs = 0;
  #over = false;
  constructor(lower: ServerCall, info: ServerInfo, durations: Durations, labels: MethodLabels, grpc: GrpcLabels | undefined, clock: Clock) {
    super(lower);
    this.#info = info;
    this.#durations = durations;
    this.#labels = labels;
    this.#grpc = grpc;
    this.#clock = clock;
  }
  override start(listener: ServerListener): void {
    this.#startMs = this.#info.story?.startedMs ?? this.#clock.nowMs();
    if (this.#grpc !== undefined) this.#durations.began(this.#grpc);
    super.start(listener);
  }
  override sendStatus(status: ServerStatus): void {
    this.#end(status.code);
    this.lower.sendStatus(status);
  }
  override onCancel(): void {
    // Comes after every call; it is the end only where no status was sent.
    if (!this.#over) this.#end(cancelledCode(Number(this.lower.getDeadline()), this.#clock));
    this.upper.onCancel();
  }
  #end(code: number): void {
    if (this.#over) return;
    this.#over = true;
    const { story } = this.#info;
    const endedMs = this.#clock.nowMs();
    if (story !== undefined) story.endedMs = endedMs;
    const elapsedMs = endedMs - this.#startMs;
    this.#durations.record(this.#labels, code, elapsedMs, story?.heldMs ?? 0);
    if (this.#grpc !== undefined) this.#durations.recordGrpc(this.#grpc, code, elapsedMs, undefined);
  }
}
