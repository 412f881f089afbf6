/**
 * JSON as a policy needs it: a key that is given twice is a fault, not the last one's victory.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { quote } from '../input/show.ts';

/** The value of a JSON text. @throws ConfigError at `path` if it is none, or says a key of one object twice. */
export function parseStrictJson(text: string, path: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(path, `expected JSON: ${error instanceof Error ? quote(error.message) : 'unreadable'}`);
  }
  const twice = repeatedKey(text);
  // With two lists of deny rules one of them would be silently gone.
  if (twice !== undefined) throw new ConfigError(path, `key ${quote(twice)} is given twice in one object`);
  return value;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;

/** The first key that one object of a valid JSON text has twice. */
function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  let last = '""';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ':') last = token;
    else {
      const key: unknown = JSON.parse(last); // an escape may hide that two keys are one
      const keys = open.at(-1);
      if (typeof key !== 'string' || keys === undefined) continue;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}
