/**
 * What a mesh shows of itself: everything at once, events as they happen, single calls as they end. The admin server is its one user.
 *
 * @packageDocumentation
 */
import type { EventLog } from './event-log.ts';
import type { Recorder } from './recorder.ts';
import type { Taps } from './taps.ts';
import type { OverviewView } from './views.ts';

/** What the observer does not know by itself, read when somebody asks. */
export interface ObserverSources {
  process(): OverviewView['process'];
  endpoints(): OverviewView['endpoints'];
  breakers(): OverviewView['breakers'];
  limits(): OverviewView['limits'];
  budgets(): OverviewView['budgets'];
  batches(): OverviewView['batches'];
  policy(): OverviewView['policy'];
}

/** Events that an overview shows. */
const EVENTS_SHOWN = 100;

export class Observer {
  /** What has happened lately. */
  readonly events: EventLog;
  /** Single calls. */
  readonly taps: Taps;
  readonly #recorder: Recorder;
  readonly #sources: ObserverSources;

  constructor(recorder: Recorder, sources: ObserverSources) {
    this.events = recorder.events;
    this.taps = recorder.taps;
    this.#recorder = recorder;
    this.#sources = sources;
  }

  /** Everything at once, ready for JSON. */
  overview(): OverviewView {
    const { clock, ledger, peers, events } = this.#recorder;
    const sources = this.#sources;
    return {
      atMs: Math.round(clock.wallMs()),
      process: sources.process(),
      methods: ledger.views(),
      endpoints: sources.endpoints(),
      breakers: sources.breakers(),
      limits: sources.limits(),
      budgets: sources.budgets(),
      batches: sources.batches(),
      peers: peers.views(),
      policy: sources.policy(),
      events: events.last(EVENTS_SHOWN),
    };
  }
}
