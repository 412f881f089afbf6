/**
 * A file system that does what it is told, for the watch of a policy file.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { ConfigError } from '../../../src/errors.ts';
import { FileWatch, type WatchedFiles, type WatchedPlace } from '../../../src/policy/watch.ts';
import { FakeClock } from '../../support/fake-clock.ts';

export const DEBOUNCE_MS = 100;
export const POLL_MS = 10_000;

export class FakeFiles implements WatchedFiles {
  /** Undefined: there is no such file. */
  text: string | undefined;
  reads = 0;
  /** By directory and id. */
  places_: WatchedPlace[] = [{ directory: '/etc/mesh', id: '1' }];
  unwatchable = false;
  readonly watched = new Map<string, () => void>();
  ends = 0;
  /** Readings wait for it. */
  gate: Promise<void> | undefined;

  constructor(text: string) {
    this.text = text;
  }
  async read(path: string): Promise<string> {
    this.reads++;
    await this.gate;
    if (this.text === undefined) throw new ConfigError(path, 'cannot be read (no such file)');
    return this.text;
  }
  async places(): Promise<readonly WatchedPlace[]> {
    return this.places_;
  }
  watch(directory: string, onEvent: () => void): () => void {
    if (this.unwatchable) throw Object.assign(new Error('no more watches'), { code: 'ENOSPC' });
    this.watched.set(directory, onEvent);
    return () => {
      this.ends++;
      if (this.watched.get(directory) === onEvent) this.watched.delete(directory);
    };
  }
  /** Something happens in all directories. */
  event(): void {
    for (const listener of [...this.watched.values()]) listener();
  }
  write(text: string | undefined): void {
    this.text = text;
    this.event();
  }
}

/** A document is a text that begins with "good"; "refused" is one that nobody wants. */
export class WatchRig {
  readonly clock = new FakeClock();
  readonly files: FakeFiles;
  readonly watch: FileWatch<string>;
  readonly applied: string[] = [];
  readonly problems: string[] = [];
  good = 0;
  unwatched = 0;

  constructor(text = 'good 1', files = new FakeFiles(text)) {
    this.files = files;
    this.watch = new FileWatch<string>({
      path: '/etc/mesh/policy.yaml',
      text,
      debounceMs: DEBOUNCE_MS,
      pollMs: POLL_MS,
      clock: this.clock,
      files,
      parse: (read) => {
        if (!read.startsWith('good') && !read.startsWith('refused')) throw new Error(`no document: ${read}`);
        return read;
      },
      apply: (document) => {
        if (document.startsWith('refused')) throw new Error(document);
        this.applied.push(document);
      },
      onProblem: (error, refused) => {
        this.problems.push(`${refused ? 'refused' : 'unreadable'}: ${error instanceof Error ? error.message : ''}`);
      },
      onGood: () => {
        this.good++;
      },
      onUnwatched: () => {
        this.unwatched++;
      },
    });
  }
  /** Moves time on in steps, so that a reading that a timer starts is done before the next one. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= DEBOUNCE_MS / 2) {
      await turn();
      this.clock.advance(Math.min(left, DEBOUNCE_MS / 2));
      await turn();
    }
    await turn();
  }
}
