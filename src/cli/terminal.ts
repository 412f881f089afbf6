/**
 * The terminal of the process, taken whole for a while and given back as it was.
 *
 * @packageDocumentation
 */
import { StringDecoder } from 'node:string_decoder';
import type { Screen } from './io.ts';

/** Other screen, no cursor, no line breaks of the terminal's own. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';

const NAMED: Readonly<Record<string, string>> = {
  '\x1b[A': 'up',
  '\x1b[B': 'down',
  '\x1bOA': 'up',
  '\x1bOB': 'down',
  '\x1b[5~': 'pageup',
  '\x1b[6~': 'pagedown',
  '\x1b[H': 'home',
  '\x1b[F': 'end',
  '\x1b': 'escape',
  '\x03': 'ctrl-c',
  '\t': 'tab',
  '\r': 'enter',
  ' ': 'space',
};

/** Keys in what a terminal sent: letters as they are, others by name; sequences that nobody here knows are nothing. */
export function keysOf(sent: string): string[] {
  const keys: string[] = [];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what keys send
  for (const [part] of sent.matchAll(/\x1b[[O][0-9;?]*[~A-Za-z]|[\s\S]/gu)) {
    const name = Object.hasOwn(NAMED, part) ? NAMED[part] : undefined;
    if (name !== undefined) keys.push(name);
    else if (part >= ' ' && part !== '\x7f') keys.push(part);
  }
  return keys;
}

/** The terminal of stdin and stdout, both of which are one. */
export function processScreen(): Screen {
  const { stdin, stdout } = process;
  return {
    get columns() {
      return stdout.columns || 80;
    },
    get rows() {
      return stdout.rows || 24;
    },
    open(onKey, onResize) {
      const decoder = new StringDecoder('utf8');
      const onData = (bytes: Buffer): void => {
        for (const key of keysOf(decoder.write(bytes))) onKey(key);
      };
      let isOpen = true;
      const close = (): void => {
        if (!isOpen) return;
        isOpen = false;
        process.off('exit', close);
        stdin.off('data', onData);
        stdout.off('resize', onResize);
        stdin.setRawMode(false);
        stdin.pause();
        stdout.write(LEAVE);
      };
      // Whatever ends the process, the terminal is given back.
      process.on('exit', close);
      stdin.setRawMode(true);
      stdin.on('data', onData);
      stdin.resume();
      stdout.on('resize', onResize);
      stdout.write(ENTER);
      return close;
    },
  };
}
