/**
 * Statuses of our own in the transport's form, and the call that ends with one at once.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { LOCAL, REASON_KEY, type Refusal, UNPROCESSED_KEY } from '../errors.ts';
import type { AuthContext, CallListener, ClientCall, MessageContext } from './client-call.ts';
import type { ServerStatus } from './server-call.ts';

/** A status raised on this side. The brand tells retry, breaker and limiter "we refused" from "they failed". */
export interface LocalStatus extends StatusObject {
  readonly [LOCAL]: Refusal;
}

/** The refusal as the status a client call ends with. The app sees who and why under `inmesh-reason`. */
export function localStatus(refusal: Refusal): LocalStatus {
  const metadata = new Metadata();
  metadata.set(REASON_KEY, refusal.reason);
  return { code: refusal.code, details: refusal.details, metadata, [LOCAL]: refusal };
}

/** The refusal behind a status, if it was raised on this side by any copy of inmesh. */
export function refusalOf(status: StatusObject): Refusal | undefined {
  return (status as Partial<LocalStatus>)[LOCAL];
}

/** Who refused a call and why, on this side or over there: the text of `inmesh-reason`, if there is one. */
export function reasonOf({ metadata }: { readonly metadata?: Metadata | null | undefined }): string | undefined {
  const reason = metadata?.get(REASON_KEY)[0];
  return typeof reason === 'string' ? reason : undefined;
}

/** The refusal as the status a server call ends with; a client of ours learns that the handler never ran. */
export function serverRefusal(refusal: Refusal): ServerStatus {
  const metadata = new Metadata();
  metadata.set(REASON_KEY, refusal.reason);
  if (refusal.unprocessed) metadata.set(UNPROCESSED_KEY, '1');
  return { code: refusal.code, details: refusal.details, metadata };
}

/** True when a server call ends with a refusal of ours: its handler never ran. */
export function isRefused({ metadata }: { readonly metadata?: Metadata | null | undefined }): boolean {
  return (metadata?.get(UNPROCESSED_KEY).length ?? 0) > 0;
}

/** True when the handler of this call provably never ran: we refused it, or a server of ours did. */
export function isUnprocessed(status: StatusObject): boolean {
  return refusalOf(status)?.unprocessed ?? status.metadata.get(UNPROCESSED_KEY).length > 0;
}

/** A status with nothing in its trailers. */
export function plainStatus(code: number, details: string): StatusObject {
  return { code, details, metadata: new Metadata() };
}

/**
 * Ends a call that has no lower half. Never inside the caller's own `start`: grpc-js's clients are not ready for an
 * answer before they have sent.
 */
export function endSoon(listener: CallListener, status: StatusObject): void {
  process.nextTick(() => listener.onReceiveStatus(status));
}

/** A call that is over before anything is sent. */
export class RefusedCall implements ClientCall {
  readonly #status: StatusObject;

  constructor(status: StatusObject) {
    this.#status = status;
  }
  start(_metadata: Metadata, listener: CallListener): void {
    endSoon(listener, this.#status);
  }
  sendMessageWithContext(context: MessageContext, _message: unknown): void {
    if (context.callback !== undefined) process.nextTick(context.callback);
  }
  startRead(): void {}
  halfClose(): void {}
  cancelWithStatus(_code: number, _details: string): void {}
  getPeer(): string {
    return 'inmesh';
  }
  getAuthContext(): AuthContext | null {
    return null;
  }
}
