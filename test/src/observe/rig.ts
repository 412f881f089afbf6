/** A whole OpenTelemetry SDK in memory, and both ends of a call without a socket. */

import { AsyncResource } from 'node:async_hooks';
import { type Deadline, Metadata, type StatusObject } from '@grpc/grpc-js';
import { context, diag, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, type ReadableSpan, type Sampler, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { attemptContext, type CallInfo, type CallListener, type ClientCall } from '../../../src/grpc/client-call.ts';
import { plainStatus } from '../../../src/grpc/refuse.ts';
import type { ServerCall, ServerInfo, ServerListener, ServerStatus } from '../../../src/grpc/server-call.ts';

export interface Traces {
  readonly provider: TracerProvider;
  spans(): ReadableSpan[];
  named(name: string): ReadableSpan;
}

/** Registers an SDK; `stopTelemetry` takes it away again. */
export function startTraces(sampler?: Sampler): Traces {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })], ...(sampler && { sampler }) });
  diag.setLogger({ error: complain, warn: complain, info: quiet, debug: quiet, verbose: quiet });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const spans = (): ReadableSpan[] => exporter.getFinishedSpans();
  const named = (name: string): ReadableSpan => {
    const found = spans().filter((span) => span.name === name);
    if (found.length !== 1 || found[0] === undefined)
      throw new Error(`${found.length} spans named ${name}, of ${spans().map((s) => s.name)}`);
    return found[0];
  };
  return { provider, spans, named };
}

/** What the API and the SDK complain of: a span that ends twice, an attribute after the end. */
const complaints: string[] = [];
const complain = (...words: unknown[]): void => {
  complaints.push(words.join(' '));
};
const quiet = (): void => {};

/** Takes the SDK away. @throws when it had to complain. */
export function stopTelemetry(): void {
  diag.disable();
  trace.disable();
  context.disable();
  propagation.disable();
  metrics.disable();
  if (complaints.length > 0) throw new Error(complaints.splice(0).join('\n'));
}

/** The lower half of a client call, driven by the test. */
export class FakeClientCall implements ClientCall {
  metadata = new Metadata();
  listener: CallListener | undefined;
  peer = '10.0.0.7:50051';

  start(metadata: Metadata, listener: CallListener): void {
    this.metadata = metadata;
    this.listener = listener;
  }
  sendMessageWithContext(): void {}
  startRead(): void {}
  halfClose(): void {}
  cancelWithStatus(code: number, details: string): void {
    this.end(code, details);
  }
  getPeer(): string {
    return this.peer;
  }
  getAuthContext(): null {
    return null;
  }
  end(code = 0, details = ''): void {
    this.endWith(plainStatus(code, details));
  }
  endWith(status: StatusObject): void {
    this.listener?.onReceiveStatus(status);
  }
}

export class Heard implements CallListener {
  readonly statuses: StatusObject[] = [];
  readonly metadata: Metadata[] = [];
  readonly messages: unknown[] = [];
  onReceiveMetadata(metadata: Metadata): void {
    this.metadata.push(metadata);
  }
  onReceiveMessage(message: unknown): void {
    this.messages.push(message);
  }
  onReceiveStatus(status: StatusObject): void {
    this.statuses.push(status);
  }
}

export function callInfo(method = '/shop.Cart/Add', target = 'dns:///cart.example:8443'): CallInfo {
  return {
    method,
    kind: 'unary',
    deadlineMs: Number.POSITIVE_INFINITY,
    host: undefined,
    credentials: undefined,
    parent: undefined,
    propagateFlags: undefined,
    options: undefined,
    definition: undefined,
    door: { kind: 'interceptors', target, channel: undefined, book: undefined },
    attempt: undefined,
    stage: -1,
    bottom: () => new FakeClientCall(),
    scope: new AsyncResource('test'),
  };
}

export function attemptInfo(info: CallInfo, picked: string): CallInfo {
  return { ...info, attempt: { ...attemptContext(), picked } };
}

/** The wire's side of a served call, driven by the test. */
export class FakeServerCall implements ServerCall {
  listener: ServerListener | undefined;
  readonly statuses: ServerStatus[] = [];
  deadline: Deadline = Number.POSITIVE_INFINITY;
  peer = '192.0.2.4:39000';

  start(listener: ServerListener): void {
    this.listener = listener;
  }
  sendMetadata(): void {}
  sendMessage(_message: unknown, callback: () => void): void {
    callback();
  }
  sendStatus(status: ServerStatus): void {
    this.statuses.push(status);
  }
  startRead(): void {}
  getPeer(): string {
    return this.peer;
  }
  getDeadline(): Deadline {
    return this.deadline;
  }
  getHost(): string {
    return 'cart.example';
  }
  getAuthContext(): ReturnType<ServerCall['getAuthContext']> {
    return {};
  }
  getConnectionInfo(): ReturnType<ServerCall['getConnectionInfo']> {
    return {};
  }
  getMetricsRecorder(): ReturnType<ServerCall['getMetricsRecorder']> {
    throw new Error('not used');
  }
}

export function serverInfo(method = '/shop.Cart/Add', item?: ServerInfo['item']): ServerInfo {
  return { method, kind: 'unary', item };
}

/** A handler's side: does `on` at each inbound hook. */
export function handlerListener(on: (hook: string) => void): ServerListener {
  return {
    onReceiveMetadata: () => on('metadata'),
    onReceiveMessage: () => on('message'),
    onReceiveHalfClose: () => on('halfClose'),
    onCancel: () => on('cancel'),
  };
}
