/**
 * How a command ends.
 *
 * @packageDocumentation
 */

/** Exit codes of every command. */
export const Exit = {
  /** Done, and nothing is wrong. */
  ok: 0,
  /** Done, and something is wrong: a check failed, lint has errors, calls failed. */
  problems: 1,
  /** The command line, or a file that it names, can't be followed. */
  usage: 2,
  /** Who was asked did not answer, or not as inmesh. */
  unreachable: 3,
  /** Added to the number of the signal that ended it: 130 for Ctrl-C. */
  signalled: 128,
} as const;

/** A command that can't go on. The message says what is wrong, the hint what to do. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exit: number;
  readonly hint: string | undefined;
  constructor(exit: number, message: string, hint?: string) {
    super(message);
    this.exit = exit;
    this.hint = hint;
  }
}

/** A command line that can't be followed. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError(Exit.usage, message, hint);
}
