/**
 * The top of a served call in a mesh, nearest the wire: it keeps the call's story, and knows its end.
 *
 * @packageDocumentation
 */
import type { Metadata } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { countEnd, type ServerCounts } from '../call-counts.ts';
import type { MethodLedger } from '../observe/ledger.ts';
import type { Recorder } from '../observe/recorder.ts';
import { cancelledCode } from '../observe/span-end.ts';
import { CallStory } from '../observe/story.ts';
import { isRefused, reasonOf } from './refuse.ts';
import { ForwardingServerCall, type ServerCall, type ServerInfo, type ServerStatus } from './server-call.ts';

/** What all served calls of a mesh share. */
export interface ServerStoryHome {
  readonly counts: ServerCounts;
  readonly recorder: Recorder;
}

export class StoryServerCall extends ForwardingServerCall {
  readonly #home: ServerStoryHome;
  readonly #story: CallStory;
  readonly #entry: MethodLedger;
  #ended = false;

  constructor(home: ServerStoryHome, info: ServerInfo, lower: ServerCall) {
    super(lower);
    const { counts, recorder } = home;
    this.#home = home;
    const story = new CallStory('server', info.method, '');
    story.startedMs = recorder.clock.nowMs();
    story.ride = info.item === undefined ? 'plain' : (info.item.form ?? 'envelope');
    this.#story = info.story = story;
    this.#entry = recorder.ledger.server(info.method);
    this.#entry.began();
    counts.calls++;
    counts.active++;
  }
  override onReceiveMetadata(metadata: Metadata): void {
    const { recorder } = this.#home;
    const story = this.#story;
    const weight = recorder.peers.weight(story.startedMs);
    if (weight > 0 || recorder.watched) {
      const peer = this.lower.getPeer();
      story.peer = peer;
      if (weight > 0) recorder.peers.count(peer, weight, story.startedMs);
      if (recorder.watched) recorder.noteMetadata(story, metadata);
    }
    this.upper.onReceiveMetadata(metadata);
  }
  override sendStatus(status: ServerStatus): void {
    if (!this.#ended) {
      const { code } = status;
      if (code !== Code.OK) {
        this.#story.refused = isRefused(status);
        this.#story.reason = reasonOf(status);
      }
      this.#end(code);
    }
    this.lower.sendStatus(status);
  }
  override onCancel(): void {
    // Comes after every call; it is the end only where no status was sent.
    if (!this.#ended) this.#end(cancelledCode(Number(this.lower.getDeadline()), this.#home.recorder.clock));
    this.upper.onCancel();
  }
  #end(code: number): void {
    const { counts, recorder } = this.#home;
    const story = this.#story;
    this.#ended = true;
    counts.active--;
    story.code = code;
    if (!story.refused) story.attempts = 1;
    countEnd(counts, code, story.refused ? story.reason : undefined);
    recorder.ended(story, this.#entry);
  }
}
