/**
 * Reads a policy document from a file.
 *
 * @packageDocumentation
 */
import { open } from 'node:fs/promises';
import { ConfigError } from '../errors.ts';
import { quote } from '../input/show.ts';
import type { Policy } from './policy.gen.ts';

/** Far above any policy written by hand. */
const MAX_BYTES = 1024 * 1024;

/**
 * Reads and checks a policy file.
 *
 * @param path - Of a YAML or JSON file in UTF-8, at most 1 MiB.
 * @throws ConfigError (as a rejection) if it cannot be read, is no YAML, or is no policy; each fault begins with
 * `file:line:column`. An empty file is a fault too: half-written files are empty at first, and `{}` says "all defaults".
 */
export async function loadPolicy(path: string): Promise<Policy> {
  const [text, { parsePolicyText }] = await Promise.all([readPolicyText(path), import('./policy-text.ts')]);
  return parsePolicyText(text, path);
}

/** The text of a policy file. Rejects as {@link loadPolicy} does. */
export async function readPolicyText(path: string): Promise<string> {
  if (typeof path !== 'string' || path === '') throw new ConfigError('path', 'expected the path of a policy file');
  let bytes: Uint8Array;
  try {
    const handle = await open(path, 'r');
    try {
      if (!(await handle.stat()).isFile()) throw new ConfigError(path, 'expected a file, got something else');
      // Reads one byte more than allowed, so that a file that grows meanwhile is seen.
      const buffer = new Uint8Array(MAX_BYTES + 1);
      let length = 0;
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
        length += bytesRead;
        if (bytesRead === 0 || length === buffer.length) break;
      }
      bytes = buffer.subarray(0, length);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
    throw new ConfigError(path, `cannot be read (${code === 'ENOENT' ? 'no such file' : String(code)})`);
  }
  if (bytes.length > MAX_BYTES) throw new ConfigError(path, `expected at most ${MAX_BYTES} bytes, got more`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))
      throw new ConfigError(path, 'expected UTF-8, got UTF-16');
    throw new ConfigError(
      path,
      `expected UTF-8, got other bytes; the file begins with ${quote(String.fromCharCode(...bytes.subarray(0, 8)))}`,
    );
  }
}
