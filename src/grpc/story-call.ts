/**
 * The top of a client call in a mesh: it is the call's story, and knows its end.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Bag, Bagged } from '../bag.ts';
import { Code } from '../call.ts';
import { type CallCounts, countEnd } from '../call-counts.ts';
import type { MethodLedger } from '../observe/ledger.ts';
import type { Recorder } from '../observe/recorder.ts';
import { CallStory } from '../observe/story.ts';
import type { AuthContext, CallListener, ClientCall, MessageContext } from './client-call.ts';
import { reasonOf, refusalOf } from './refuse.ts';

/** A call that has begun and not ended. */
export interface OpenCall extends Bagged {
  /** Ends it now: the app hears `status`, what is below is cancelled. */
  end(status: StatusObject): void;
}

/** What all calls of a mesh share. */
export interface StoryHome {
  readonly counts: CallCounts;
  readonly recorder: Recorder;
  /** Told whenever the last active call has ended. */
  readonly onIdle: () => void;
  readonly open: Bag<OpenCall>;
}

/** One object for both, for every call has one. */
export class StoryCall extends CallStory implements ClientCall, CallListener, OpenCall {
  readonly #home: StoryHome;
  #lower!: ClientCall;
  #upper!: CallListener;
  #entry!: MethodLedger;
  place = -1;

  constructor(home: StoryHome, path: string, target: string) {
    super('client', path, target);
    this.#home = home;
  }
  /** What is below was made with this story, so it comes after it. */
  above(lower: ClientCall): this {
    this.#lower = lower;
    return this;
  }

  start(metadata: Metadata, listener: CallListener): void {
    const { counts, recorder, open } = this.#home;
    this.#upper = listener;
    this.startedMs = recorder.clock.nowMs();
    this.#entry = recorder.ledger.client(this.path);
    this.#entry.began();
    counts.active++;
    open.add(this);
    if (recorder.watched) recorder.noteMetadata(this, metadata);
    try {
      this.#lower.start(metadata, this);
    } catch (error) {
      // No status will come: grpc-js throws at the call site (a closed channel, a foreign interceptor's fault).
      if (open.delete(this)) {
        counts.active--;
        this.#entry.unbegun();
      }
      throw error;
    }
    counts.calls++;
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
    this.#lower.cancelWithStatus(code, details);
  }
  getPeer(): string {
    return this.#lower.getPeer();
  }
  getAuthContext(): AuthContext | null {
    return this.#lower.getAuthContext();
  }

  end(status: StatusObject): void {
    this.#lower.cancelWithStatus(Code.CANCELLED, status.details);
    this.onReceiveStatus(status);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#upper.onReceiveMetadata(metadata);
  }
  onReceiveMessage(message: unknown): void {
    this.#upper.onReceiveMessage(message);
  }
  onReceiveStatus(status: StatusObject): void {
    const { counts, recorder, open, onIdle } = this.#home;
    if (!open.delete(this)) return; // has ended
    counts.active--;
    const { code } = status;
    this.code = code;
    if (code !== Code.OK) {
      const refusal = refusalOf(status);
      this.refused = refusal !== undefined;
      this.reason = refusal?.reason ?? reasonOf(status);
    }
    countEnd(counts, code, this.refused ? this.reason : undefined);
    recorder.ended(this, this.#entry);
    this.#upper.onReceiveStatus(status);
    if (counts.active === 0) onIdle();
  }
}
