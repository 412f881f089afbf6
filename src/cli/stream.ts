/**
 * Follows a stream of an admin server until somebody has had enough.
 *
 * @packageDocumentation
 */
import { CliError, Exit } from './exit.ts';
import type { AdminClient } from './http.ts';
import type { Io } from './io.ts';
import { type ServerEvent, serverEvents } from './sse.ts';

/** The server sends at least a sign of life so often; silence for longer is its end. */
const SILENCE_MS = 60_000;

/**
 * Calls `take` for each event until it gives true, until `forMs` are over, or until the command is told to end.
 *
 * @throws CliError with exit code 3 when the stream ends by itself.
 */
export async function follow(
  admin: AdminClient,
  io: Io,
  path: string,
  forMs: number | undefined,
  take: (event: ServerEvent) => boolean,
): Promise<void> {
  const response = await admin.open(path);
  response.setTimeout(SILENCE_MS, () => response.destroy());
  let enough = false;
  const stop = (): void => {
    enough = true;
    response.destroy();
  };
  const cancel = forMs === undefined ? undefined : io.clock.setTimer(stop, forMs);
  io.signal.addEventListener('abort', stop);
  try {
    for await (const event of serverEvents(response)) {
      if (!take(event)) continue;
      stop();
      break;
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (!enough && !io.signal.aborted) throw gone(admin);
  } finally {
    cancel?.();
    io.signal.removeEventListener('abort', stop);
    response.destroy();
  }
  if (!enough && !io.signal.aborted) throw gone(admin);
}

const gone = (admin: AdminClient): CliError =>
  new CliError(Exit.unreachable, `${admin.url} has ended the stream`, 'Has the process ended?');

/** The data of an event, if it is what it should be. */
export function dataOf<T>({ data }: ServerEvent, is: (value: unknown) => value is T): T | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return is(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
