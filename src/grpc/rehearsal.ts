/**
 * Calls through grpc-js's own client that end at once, before the first one that is to share a carrier.
 *
 * V8 learns from the first hundred or so objects of a literal whether they outlive a collection. A program that begins with a burst has
 * all of them in flight then, so V8 makes all further ones among its old objects (call-facts.ts): a client's CPU per call doubles, and its
 * collections take 20 ms instead of 1. What has died young once is never taken for old again (V8's `MakePretenureDecision`), so grpc-js's
 * literals are shown to die young. It takes some 5 ms, once. Plain calls do without: what HTTP/2 keeps of them outlives collections anyway.
 *
 * @packageDocumentation
 */
import {
  type ChannelInterface,
  Client,
  connectivityState,
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { CallListener, ClientCall, MessageContext } from './client-call.ts';

/** Calls of each form. V8 makes up its mind by a hundred objects or more. */
const CALLS = 112;
const BYTES: Buffer = Buffer.alloc(0);

let rehearsed = false;

/** Once in a process. Not where somebody else has wrapped grpc-js's client, who would take these for calls. */
export function rehearseClients(): void {
  if (rehearsed) return;
  rehearsed = true;
  const { makeUnaryRequest } = Client.prototype;
  if (!Function.prototype.toString.call(makeUnaryRequest).startsWith('makeUnaryRequest(')) return;
  const options = { channelOverride: new RehearsedChannel() };
  const client = new Client('rehearsal', credentials.createInsecure(), options);
  const listed = new Client('rehearsal', credentials.createInsecure(), { ...options, interceptors: [passing] });
  // Each form of arguments has a literal of its own.
  for (let i = 0; i < CALLS; i++) {
    client.makeUnaryRequest('/rehearsal', same, same, BYTES, noop);
    client.makeUnaryRequest('/rehearsal', same, same, BYTES, {}, noop);
    client.makeUnaryRequest('/rehearsal', same, same, BYTES, new Metadata(), noop);
    client.makeUnaryRequest('/rehearsal', same, same, BYTES, new Metadata(), {}, noop);
    listed.makeUnaryRequest('/rehearsal', same, same, BYTES, noop);
  }
}

const passing: Interceptor = (options, next) => new InterceptingCall(next(options));
const same = (bytes: Buffer): Buffer => bytes;
const noop = (): void => {};

/** Answers with what it is asked. */
class RehearsedChannel implements ChannelInterface {
  createCall(): ReturnType<ChannelInterface['createCall']> {
    return new RehearsedCall();
  }
  close(): void {}
  getTarget(): string {
    return 'rehearsal';
  }
  getConnectivityState(): connectivityState {
    return connectivityState.READY;
  }
  watchConnectivityState(): void {}
  getChannelzRef(): never {
    throw new Error('a rehearsal is no part of channelz');
  }
}

class RehearsedCall implements ClientCall {
  #listener: CallListener | undefined;
  #message: unknown;

  start(_metadata: Metadata, listener: CallListener): void {
    this.#listener = listener;
  }
  sendMessageWithContext(_context: MessageContext, message: unknown): void {
    this.#message = message;
  }
  startRead(): void {}
  halfClose(): void {
    const status: StatusObject = { code: Code.OK, details: 'OK', metadata: new Metadata() };
    this.#listener?.onReceiveMetadata(new Metadata());
    this.#listener?.onReceiveMessage(this.#message);
    this.#listener?.onReceiveStatus(status);
  }
  cancelWithStatus(): void {}
  getPeer(): string {
    return 'rehearsal';
  }
  getAuthContext(): null {
    return null;
  }
  getCallNumber(): number {
    return 0;
  }
  setCredentials(): void {}
}
