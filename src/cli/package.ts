/**
 * What the package says of itself.
 *
 * @packageDocumentation
 */
import { readFileSync } from 'node:fs';

/** The manifest stands above `src` in the repository, and above `dist/src` when it is published. */
const PLACES: readonly string[] = ['../../package.json', '../../../package.json'];

/** The version of inmesh that this command belongs to. */
export function ownVersion(): string {
  for (const place of PLACES) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8'));
      if (typeof manifest === 'object' && manifest !== null && 'name' in manifest && manifest.name === 'inmesh' && 'version' in manifest)
        return String(manifest.version);
    } catch {
      // The other place, then.
    }
  }
  return 'unknown';
}
