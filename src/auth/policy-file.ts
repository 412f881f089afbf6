/**
 * A file that is read again and again: what it says is in force until it says something else that is right.
 *
 * @packageDocumentation
 */
import { readFileSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { CancelTimer, Clock } from '../clock.ts';
import { ConfigError } from '../errors.ts';

/** Far above any policy written by hand. */
const MAX_BYTES = 1024 * 1024;

/** How a file is read; tests replace it. */
export interface FileReader {
  readNow(path: string): Uint8Array;
  read(path: string): Promise<Uint8Array>;
}

/** The file system. A file that is too large, or none, is not read. */
export const fileSystem: FileReader = {
  readNow: (path) => {
    checkFile(statSync(path), path);
    return readFileSync(path);
  },
  read: async (path) => {
    checkFile(await stat(path), path);
    return await readFile(path);
  },
};

function checkFile(found: { isFile(): boolean; readonly size: number }, path: string): void {
  if (!found.isFile()) throw new ConfigError(path, 'expected a file, got something else');
  if (found.size > MAX_BYTES) throw new ConfigError(path, `expected at most ${MAX_BYTES} bytes, got ${found.size}`);
}

/** What a watched file is told. */
export interface WatchedFileOptions<T> {
  readonly path: string;
  /** Time from the end of one reading to the next, in ms, > 0. */
  readonly refreshMs: number;
  /** The value of a text. Throws when it is wrong. */
  readonly parse: (text: string) => T;
  readonly clock: Clock;
  /** Told of a reading that failed, once for each kind of failure in a row. */
  readonly warn: (line: string) => void;
  /** Told that another value is in force. */
  readonly onReloaded?: (() => void) | undefined;
  readonly reader?: FileReader;
}

/** A file and its last good value. Holds a timer until it is stopped, which does not keep the process alive. */
export class WatchedFile<T> {
  readonly #options: WatchedFileOptions<T>;
  readonly #reader: FileReader;
  #value: T;
  #text: string;
  #said = '';
  #stopped = false;
  #cancel: CancelTimer;
  /** New values taken, and readings that gave none, since the first. */
  reloads = 0;
  failedReloads = 0;

  /** @throws ConfigError when the file can't be read or is wrong. */
  constructor(options: WatchedFileOptions<T>) {
    this.#options = options;
    this.#reader = options.reader ?? fileSystem;
    const { path } = options;
    let bytes: Uint8Array;
    try {
      bytes = this.#reader.readNow(path);
    } catch (error) {
      throw unreadable(error, path);
    }
    this.#text = decode(bytes, path);
    this.#value = options.parse(this.#text);
    this.#cancel = this.#later();
  }

  get value(): T {
    return this.#value;
  }

  /** Reads no more. The value stays. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #later(): CancelTimer {
    return this.#options.clock.setTimer(() => void this.#again(), this.#options.refreshMs);
  }

  /** Never rejects. */
  async #again(): Promise<void> {
    const { path } = this.#options;
    let text: string | undefined;
    let failure: unknown;
    try {
      text = decode(await this.#reader.read(path), path);
    } catch (error) {
      failure = unreadable(error, path);
    }
    if (this.#stopped) return;
    if (text === undefined) this.#failed(failure);
    else this.#take(text);
    this.#cancel = this.#later();
  }

  #take(text: string): void {
    // A wrong text is judged once, and not at every reading.
    if (text === this.#text) return;
    this.#text = text;
    try {
      this.#value = this.#options.parse(text);
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.reloads++;
    this.#options.onReloaded?.();
    this.#said = '';
  }

  #failed(error: unknown): void {
    this.failedReloads++;
    const line = `the last good one stays in force: ${error instanceof Error ? error.message : String(error)}`;
    if (line !== this.#said) this.#options.warn(line);
    this.#said = line;
  }
}

function decode(bytes: Uint8Array, path: string): string {
  if (bytes.length > MAX_BYTES) throw new ConfigError(path, `expected at most ${MAX_BYTES} bytes, got ${bytes.length}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError(path, 'expected UTF-8, got other bytes');
  }
}

function unreadable(error: unknown, path: string): ConfigError {
  if (error instanceof ConfigError) return error;
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return new ConfigError(path, `cannot be read (${code === 'ENOENT' ? 'no such file' : String(code)})`);
}
