/**
 * Where the numbers come from: /overview.json each second, and events as they happen.
 *
 * Numbers are live only while answers come and go on. An answer that fails, that takes too long, or that says the time of the
 * one before is no answer, and the page says so at once.
 *
 * @packageDocumentation
 */
import type { EventView, OverviewView } from '../../observe/views.ts';

/** `waiting`: nothing has come yet. */
export type FeedState = 'waiting' | 'live' | 'paused' | 'lost';

/** Who is told what. */
export interface FeedListener {
  overview(view: OverviewView): void;
  events(events: readonly EventView[]): void;
  state(state: FeedState, why: string): void;
}

const EVERY_MS = 1000;
const TIMEOUT_MS = 2500;
/** An event changes numbers: they are asked for at once, but not more often than this. */
const SOONEST_MS = 250;
const AGAIN_MS = 5000;
/** Answers with the same time in a row until they are no news. */
const MOST_SAME = 3;

export class Feed {
  readonly #listener: FeedListener;
  #timer = 0;
  #round = 0;
  #askedAt = 0;
  #atMs = 0;
  #same = 0;
  #paused = false;
  #source: EventSource | undefined;
  #again = 0;

  constructor(listener: FeedListener) {
    this.#listener = listener;
    // In the background nobody looks: the app is left in peace. Back in front, what is shown is made new at once.
    document.addEventListener('visibilitychange', () => {
      if (this.#paused) return;
      if (document.hidden) this.#stop();
      else this.#start();
    });
    this.#start();
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    if (paused) {
      this.#stop();
      this.#listener.state('paused', '');
    } else this.#start();
  }

  #start(): void {
    this.#stop();
    this.#listen();
    void this.#ask();
  }

  #stop(): void {
    this.#round++;
    clearTimeout(this.#timer);
    clearTimeout(this.#again);
    this.#source?.close();
    this.#source = undefined;
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), Math.max(0, this.#askedAt + SOONEST_MS - performance.now()));
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    const round = ++this.#round;
    this.#askedAt = performance.now();
    let problem: string | undefined;
    try {
      const response = await fetch('overview.json', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!response.ok) throw new Error(`it answers with HTTP ${response.status}`);
      const view: OverviewView = await response.json();
      if (round !== this.#round) return;
      this.#same = view.atMs === this.#atMs ? this.#same + 1 : 0;
      this.#atMs = view.atMs;
      if (this.#same >= MOST_SAME) problem = 'its numbers stand still';
      this.#listener.overview(view);
    } catch (error) {
      problem = whatWentWrong(error);
    }
    if (round !== this.#round) return;
    this.#listener.state(problem === undefined ? 'live' : 'lost', problem ?? '');
    this.#timer = setTimeout(() => void this.#ask(), Math.max(0, this.#askedAt + EVERY_MS - performance.now()));
  }

  #listen(): void {
    const source = new EventSource('events');
    this.#source = source;
    source.addEventListener('event', ({ data }: MessageEvent<string>) => {
      this.#listener.events([JSON.parse(data) as EventView]);
      this.#soon();
    });
    // It tries again by itself, but not after a refusal. Without it events come with the numbers.
    source.addEventListener('error', () => {
      if (source.readyState !== EventSource.CLOSED) return;
      this.#again = setTimeout(() => this.#listen(), AGAIN_MS);
    });
  }
}

function whatWentWrong(error: unknown): string {
  if (!(error instanceof Error)) return 'something went wrong';
  if (error.name === 'TimeoutError') return `no answer for ${TIMEOUT_MS / 1000} s`;
  return error instanceof TypeError ? 'it can’t be reached' : error.message;
}
