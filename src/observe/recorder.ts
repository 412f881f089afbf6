/**
 * Where the stories of calls go when they are over: ledger, event log, taps, access log.
 *
 * @packageDocumentation
 */
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { same } from '../input/same.ts';
import { AccessLog, type AccessLogRules } from './access-log.ts';
import { callView } from './call-view.ts';
import { EventLog } from './event-log.ts';
import { Ledger, type MethodLedger } from './ledger.ts';
import { rpcMethod } from './names.ts';
import { ServedPeers } from './served-peers.ts';
import type { CallStory } from './story.ts';
import type { StoryDurations } from './story-durations.ts';
import { Taps } from './taps.ts';
import type { CallView } from './views.ts';

/** What a mesh records of calls besides their counts. */
export interface RecorderOptions {
  readonly clock: Clock;
  /** Whose turns end in nobody's asynchronous context. Default: `clock`. */
  readonly detachedClock?: Clock;
  readonly accessLog?: AccessLogRules;
  /** Request metadata that tap and access log may show, lower case. Default: none. */
  readonly shownMetadata?: readonly string[];
  /** Takes the lines of the access log. */
  readonly write?: (line: string) => void;
  /** Metrics of the calls. Default: none. */
  readonly durations?: StoryDurations | undefined;
}

const NO_LOG: AccessLogRules = { mode: 'off', perSecond: 0 };

/** One for a mesh. */
export class Recorder {
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly events: EventLog;
  readonly taps: Taps;
  readonly peers: ServedPeers;
  readonly #write: (line: string) => void;
  #log: AccessLog;
  #shown: readonly string[];
  readonly #durations: StoryDurations | undefined;

  constructor({ durations, clock, detachedClock = clock, accessLog = NO_LOG, shownMetadata = [], write = () => {} }: RecorderOptions) {
    this.clock = clock;
    this.ledger = new Ledger(clock);
    this.events = new EventLog(clock);
    this.taps = new Taps(detachedClock);
    this.peers = new ServedPeers(clock);
    this.#write = write;
    this.#log = new AccessLog(accessLog, clock, write);
    this.#shown = shownMetadata;
    this.#durations = durations;
  }

  /** Shows other calls, and more or less of them. */
  retune({ accessLog, shownMetadata }: Required<Pick<RecorderOptions, 'accessLog' | 'shownMetadata'>>): void {
    if (!same(accessLog, this.#log.rules)) this.#log = new AccessLog(accessLog, this.clock, this.#write);
    this.#shown = shownMetadata;
  }

  /** Whether somebody sees single calls. */
  get watched(): boolean {
    return this.taps.on || this.#log.mode !== 'off';
  }

  /** What of the request's metadata may be shown, if anybody looks. */
  noteMetadata(story: CallStory, metadata: { get(key: string): readonly unknown[] }): void {
    if (this.#shown.length === 0) return;
    const shown: Record<string, readonly string[]> = {};
    for (const key of this.#shown) {
      const values = metadata.get(key);
      if (values.length > 0) shown[key] = values.map((value) => (Buffer.isBuffer(value) ? value.toString('base64') : String(value)));
    }
    if (Object.keys(shown).length > 0) story.shown = shown;
  }

  /** A call is over; its story is whole. */
  ended(story: CallStory, entry: MethodLedger): void {
    const nowMs = story.endedMs === 0 ? this.clock.nowMs() : story.endedMs;
    const durationMs = Math.max(0, nowMs - story.startedMs);
    entry.ended(story, durationMs, nowMs);
    this.#durations?.ended(story, durationMs);
    if (story.refused) this.#refused(story);
    else if (story.answeredBy === 'fallback') this.#answeredByFallback(story);
    if (this.watched) this.#show(story, durationMs);
  }

  #answeredByFallback({ side, path }: CallStory): void {
    const subject = rpcMethod(path);
    this.events.add({ kind: 'call.fallback', subject, text: `${side}: ${subject} failed and was answered by its fallback` });
  }
  #refused({ side, path, reason }: CallStory): void {
    const subject = rpcMethod(path);
    this.events.add({ kind: 'call.refused', level: 'warn', subject, reason, text: `${side}: ${subject} was refused: ${reason}` });
  }
  #show(story: CallStory, durationMs: number): void {
    let made: CallView | undefined;
    const view = (): CallView => {
      made ??= callView(story, this.clock.wallMs() - durationMs, durationMs);
      return made;
    };
    if (this.taps.on) this.taps.offer(story, durationMs, view);
    if (this.#log.wants(story.code !== Code.OK)) this.#log.add(view);
  }
}
