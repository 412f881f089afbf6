/**
 * The process as a command's world: its streams, its terminal, its signals.
 *
 * @packageDocumentation
 */
import { constants } from 'node:os';
import { MessageChannel } from 'node:worker_threads';
import { systemClock } from '../clock.ts';
import { Exit } from './exit.ts';
import type { Io } from './io.ts';
import { run } from './run.ts';
import { styleFor } from './style.ts';
import { processScreen } from './terminal.ts';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** A second signal, or a command that does not end by then, ends the process. */
const PATIENCE_MS = 3000;

/** Runs `inmesh` as this process; sets its exit code. */
export async function runProcess(argv: readonly string[]): Promise<void> {
  const ended = new AbortController();
  for (const name of SIGNALS) {
    process.on(name, () => {
      const code = Exit.signalled + constants.signals[name];
      if (ended.signal.aborted) process.exit(code);
      process.exitCode = code;
      systemClock.setTimer(() => process.exit(code), PATIENCE_MS);
      ended.abort(code);
    });
  }
  // A reader that has seen enough (`inmesh tap | head`) is no fault.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? Exit.ok : Exit.problems));
  }
  const letGo = holdProcess();
  try {
    const code = await run(argv, processIo(ended.signal));
    process.exitCode = ended.signal.aborted ? Number(ended.signal.reason) : code;
  } finally {
    letGo();
  }
}

function processIo(signal: AbortSignal): Io {
  const { stdout, stderr, env } = process;
  const isTerminal = stdout.isTTY === true;
  const asked = Number(env['COLUMNS']);
  const own = isTerminal ? stdout.columns : Number.POSITIVE_INFINITY;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    screen: isTerminal && process.stdin.isTTY === true && env['TERM'] !== 'dumb' ? processScreen() : undefined,
    width: Number.isInteger(asked) && asked >= 20 ? asked : own || 80,
    style: styleFor(env, isTerminal),
    env,
    cwd: process.cwd(),
    clock: systemClock,
    signal,
  };
}

/** Timers of the clock let the process end; while a command waits it must not. */
function holdProcess(): () => void {
  const { port1 } = new MessageChannel();
  port1.ref();
  return () => port1.close();
}
