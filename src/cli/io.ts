/**
 * What a command sees of the world: text out, keys in, time. Tests give their own.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { Style } from './style.ts';

/** The screen and the keyboard, where there are any. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  /** Takes the whole screen and every key, hides the cursor. The function that it gives undoes all of that, once. */
  open(onKey: (key: string) => void, onResize: () => void): () => void;
}

/** The world of one command. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** Undefined: output goes to a file or a pipe. */
  readonly screen: Screen | undefined;
  /** Columns that text may take; `Infinity` where nobody said. */
  readonly width: number;
  readonly style: Style;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clock: Clock;
  /** Fires at Ctrl-C and when the process is told to end, with the exit code as its reason. */
  readonly signal: AbortSignal;
}

/** Writes lines. */
export function print(io: Io, lines: readonly string[]): void {
  if (lines.length > 0) io.out(`${lines.join('\n')}\n`);
}

/** Resolves after `ms`, or at once when the command is told to end. */
export function sleep(io: Io, ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (io.signal.aborted) return resolve();
    const cancel = io.clock.setTimer(done, ms);
    function done(): void {
      cancel();
      io.signal.removeEventListener('abort', done);
      resolve();
    }
    io.signal.addEventListener('abort', done);
  });
}
