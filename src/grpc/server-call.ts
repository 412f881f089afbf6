/**
 * The interface that every server behaviour is written against: grpc-js's own `ServerInterceptingCallInterface`.
 *
 * An item of a batch meets the same layers as a call of its own; `ServerInfo.item` is there for records only.
 *
 * @packageDocumentation
 */
import type { Deadline, Metadata, ServerInterceptingCallInterface } from '@grpc/grpc-js';
import type { MethodKind } from '../call.ts';
import type { WaitLog } from '../observe/queue-span.ts';
import type { CallStory } from '../observe/story.ts';

export type ServerListener = Parameters<ServerInterceptingCallInterface['start']>[0];
export type ServerStatus = Parameters<ServerInterceptingCallInterface['sendStatus']>[0];
export type ServerCall = ServerInterceptingCallInterface;

/** What is known about an incoming call when it starts. */
export interface ServerInfo {
  /** `/pkg.Service/Method`. */
  readonly method: string;
  readonly kind: MethodKind;
  /** Set when the call came inside a batch. */
  readonly item: { readonly index: number; readonly size: number; readonly form?: 'envelope' | 'tunnel' } | undefined;
  /** What the layers write down of the call; set by the top stage of a mesh. Undefined: nobody keeps it. */
  story?: CallStory | undefined;
  /** Hears how long the call waits in queues; set where it is traced. */
  waits?: WaitLog | undefined;
}

/** A server behaviour: wraps the call nearer the wire. */
export type ServerLayer = (info: ServerInfo, call: ServerCall) => ServerCall;

/** A layer that passes everything on. It is its lower call's listener itself. */
export class ForwardingServerCall implements ServerInterceptingCallInterface {
  protected readonly lower: ServerCall;
  protected upper!: ServerListener;

  constructor(lower: ServerCall) {
    this.lower = lower;
  }
  start(listener: ServerListener): void {
    this.upper = listener;
    this.lower.start(this);
  }
  onReceiveMetadata(metadata: Metadata): void {
    this.upper.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    this.upper.onReceiveMessage(message);
  }
  onReceiveHalfClose(): void {
    this.upper.onReceiveHalfClose();
  }
  onCancel(): void {
    this.upper.onCancel();
  }
  sendMetadata(metadata: Metadata): void {
    this.lower.sendMetadata(metadata);
  }
  sendMessage(message: unknown, callback: () => void): void {
    this.lower.sendMessage(message, callback);
  }
  sendStatus(status: ServerStatus): void {
    this.lower.sendStatus(status);
  }
  startRead(): void {
    this.lower.startRead();
  }
  getPeer(): string {
    return this.lower.getPeer();
  }
  getDeadline(): Deadline {
    return this.lower.getDeadline();
  }
  getHost(): string {
    return this.lower.getHost();
  }
  getAuthContext(): ReturnType<ServerCall['getAuthContext']> {
    return this.lower.getAuthContext();
  }
  getConnectionInfo(): ReturnType<ServerCall['getConnectionInfo']> {
    return this.lower.getConnectionInfo();
  }
  getMetricsRecorder(): ReturnType<ServerCall['getMetricsRecorder']> {
    return this.lower.getMetricsRecorder();
  }
}
