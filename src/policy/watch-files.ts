/**
 * The file system, as the watch of a policy file sees it; and how often it looks.
 *
 * @packageDocumentation
 */
import { watch } from 'node:fs';
import { readlink, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import { readPolicyText } from './load.ts';
import type { WatchedFiles, WatchedPlace } from './watch.ts';

/** How a policy file is watched. */
export interface WatchOptions {
  /** Time without events in its directory before the file is read, in ms. 1 to 10,000. @defaultValue 100 */
  readonly debounceMs?: number;
  /** Where the file system tells nothing, the file is read so often, in ms. 100 to 3,600,000. @defaultValue 10_000 */
  readonly pollMs?: number;
}

/** Checks options and fills in what is missing. Undefined: it is not watched. @throws ConfigError naming path, value and rule. */
export function resolveWatchOptions(input: unknown, path: string): Required<WatchOptions> | undefined {
  if (input === undefined || input === false) return undefined;
  if (input !== true && (typeof input !== 'object' || input === null))
    throw new ConfigError(path, `expected true, false or options, got ${show(input)}`);
  const { debounceMs, pollMs } = checkedObject(input === true ? {} : input, ['debounceMs', 'pollMs'], path);
  return {
    debounceMs: checkedNumber(debounceMs, 100, { min: 1, max: 10_000, ms: true }, `${path}.debounceMs`),
    pollMs: checkedNumber(pollMs, 10_000, { min: 100, max: 3_600_000, ms: true }, `${path}.pollMs`),
  };
}

/** Links from link to link, at most; the kernel has such a limit, too. */
const MAX_LINKS = 40;

/** The file system of this machine. Watching keeps no process alive. */
export const watchedFiles: WatchedFiles = {
  read: readPolicyText,
  places: async (path) => {
    const places: WatchedPlace[] = [];
    let at: string | undefined = resolve(path);
    // A swap may happen at any link of the chain: Kubernetes has policy.yaml -> ..data/policy.yaml, and replaces ..data.
    for (let links = 0; at !== undefined && links < MAX_LINKS; links++) {
      const directory = dirname(at);
      places.push({ directory, id: await idOf(directory) });
      at = await target(at);
    }
    return places;
  },
  watch: (directory, onEvent) => {
    const watcher = watch(directory, { persistent: false }, onEvent);
    // A directory that has gone is an event like any other; that it is watched no more is found out at the next look.
    watcher.on('error', onEvent);
    return () => watcher.close();
  },
};

async function idOf(directory: string): Promise<string> {
  try {
    const { dev, ino } = await stat(directory);
    return `${dev}:${ino}`;
  } catch {
    return 'none';
  }
}

/** Where a link leads; undefined: it is none. */
async function target(path: string): Promise<string | undefined> {
  try {
    return resolve(dirname(path), await readlink(path));
  } catch {
    return undefined;
  }
}
