/**
 * Follows a policy file: notices that it says something else, and hands that on, once and whole.
 *
 * - What counts is the text, not the event: directories are watched, and whatever happens in them has the file read again. So editors that
 *   write anew and rename, Kubernetes' swap of `..data` and a file that vanishes and returns are all the same here.
 * - It is read when nothing has happened for `debounceMs`, or at the latest `MAX_WAIT_MS` after the first event: a storm of
 *   events is a few readings.
 * - A text that is no policy may be half-written: it is judged only if it is the same at a second look.
 * - Where the file system tells nothing (NFS, no inotify left), the file is read every `pollMs`.
 *
 * @packageDocumentation
 */
import type { CancelTimer, Clock } from '../clock.ts';

/** A directory whose entries decide what the file says. */
export interface WatchedPlace {
  readonly directory: string;
  /** Another one when the directory has been replaced. */
  readonly id: string;
}

/** The file system, as far as it is needed; tests replace it. */
export interface WatchedFiles {
  /** The text of the file. Rejects with an error whose message says why not. */
  read(path: string): Promise<string>;
  /** Where something may happen to the file. */
  places(path: string): Promise<readonly WatchedPlace[]>;
  /** Has `onEvent` called when something happens in a directory. Gives what ends that. Throws when it can't be watched. */
  watch(directory: string, onEvent: () => void): () => void;
}

/** What a watch is told. `Document` is what a text parses to. */
export interface FileWatchOptions<Document> {
  readonly path: string;
  /** The text in force. */
  readonly text: string;
  /** Time without events before the file is read, in ms, > 0. */
  readonly debounceMs: number;
  /** Time between two readings without any event, in ms, > 0. */
  readonly pollMs: number;
  readonly clock: Clock;
  readonly files: WatchedFiles;
  /** Throws when a text is none. */
  readonly parse: (text: string, path: string) => Document;
  /** Puts a document in force. Throws when it is refused. */
  readonly apply: (document: Document, text: string) => void;
  /** What the file says is not in force. Once for each text. `refused`: by `apply`; else it is no document, or can't be read. */
  readonly onProblem: (error: unknown, refused: boolean) => void;
  /** What the file says is in force again. */
  readonly onGood: () => void;
  /** A directory can't be watched. Once. */
  readonly onUnwatched: (error: unknown) => void;
}

/** Events that go on and on put a reading off no longer than that, in ms. */
export const MAX_WAIT_MS = 1_000;

/** What a reading came to. */
type Reading = { readonly text: string; readonly error?: never } | { readonly text?: never; readonly error: unknown };

export class FileWatch<Document> {
  readonly #options: FileWatchOptions<Document>;
  /** By directory and its id. */
  readonly #watched = new Map<string, () => void>();
  #cancel: CancelTimer = () => {};
  /** When the first event came that no reading has followed yet. */
  #sinceMs: number | undefined;
  #reading = false;
  #stopped = false;
  #toldUnwatched = false;
  /** The text in force, what was judged last, and what may be half-written; of a reading that failed its message. */
  #good: string;
  #judged: string;
  #suspect: string | undefined;

  /** Begins at once: what has changed since `text` was read is noticed, too. */
  constructor(options: FileWatchOptions<Document>) {
    this.#options = options;
    this.#good = this.#judged = keyOf({ text: options.text });
    void this.#look();
  }

  /** Watches no more, and leaves no timer. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
    for (const unwatch of this.#watched.values()) unwatch();
    this.#watched.clear();
  }

  readonly #happened = (): void => {
    if (this.#stopped) return;
    const nowMs = this.#options.clock.nowMs();
    this.#sinceMs ??= nowMs;
    this.#arm(Math.min(this.#options.debounceMs, this.#sinceMs + MAX_WAIT_MS - nowMs));
  };

  #arm(delayMs: number): void {
    this.#cancel();
    this.#cancel = this.#options.clock.setTimer(() => void this.#look(), Math.max(0, delayMs));
  }

  /** Reads and judges. Never rejects. */
  async #look(): Promise<void> {
    if (this.#reading) {
      this.#happened(); // once more, after this one
      return;
    }
    this.#reading = true;
    this.#sinceMs = undefined;
    await this.#watchPlaces(); // before it is read: nothing is missed in between
    const reading = await this.#read();
    this.#reading = false;
    if (this.#stopped) return;
    const again = this.#judge(reading);
    if (this.#sinceMs === undefined) this.#arm(again ? this.#options.debounceMs : this.#options.pollMs);
  }

  async #read(): Promise<Reading> {
    try {
      return { text: await this.#options.files.read(this.#options.path) };
    } catch (error) {
      return { error };
    }
  }

  /** True: it may be half-written, look again soon. */
  #judge(reading: Reading): boolean {
    const key = keyOf(reading);
    if (key === this.#judged) {
      this.#suspect = undefined;
      return false;
    }
    let document: Document;
    try {
      if (reading.text === undefined) throw reading.error;
      document = this.#options.parse(reading.text, this.#options.path);
    } catch (error) {
      if (key !== this.#suspect) {
        this.#suspect = key;
        return true;
      }
      this.#judged = key;
      this.#options.onProblem(error, false);
      return false;
    }
    this.#suspect = undefined;
    this.#judged = key;
    if (key !== this.#good) {
      try {
        this.#options.apply(document, reading.text);
      } catch (error) {
        this.#options.onProblem(error, true);
        return false;
      }
      this.#good = key;
    }
    this.#options.onGood();
    return false;
  }

  /** Watches the directories that matter now, and no others. */
  async #watchPlaces(): Promise<void> {
    const { files, path, onUnwatched } = this.#options;
    let places: readonly WatchedPlace[];
    try {
      places = await files.places(path);
    } catch {
      return; // the way there is broken: what is watched goes on being watched
    }
    if (this.#stopped) return;
    const wanted = new Map(places.map(({ directory, id }) => [`${id} ${directory}`, directory]));
    for (const [key, unwatch] of this.#watched) {
      if (wanted.has(key)) continue;
      this.#watched.delete(key);
      unwatch();
    }
    for (const [key, directory] of wanted) {
      if (this.#watched.has(key)) continue;
      try {
        this.#watched.set(key, files.watch(directory, this.#happened));
      } catch (error) {
        if (!this.#toldUnwatched) onUnwatched(error);
        this.#toldUnwatched = true;
      }
    }
  }
}

/** Texts and failures apart. */
function keyOf({ text, error }: Reading): string {
  return text === undefined ? `!${error instanceof Error ? error.message : String(error)}` : `=${text}`;
}
