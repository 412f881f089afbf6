/**
 * Checks of method paths in options that come from code.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { show } from './show.ts';

/** A list of paths such as `/pkg.Service/Method`. @throws ConfigError naming the place in the list. */
export function checkedPaths(paths: unknown, name: string): readonly string[] {
  if (!Array.isArray(paths)) throw new ConfigError(name, `expected a list of paths, got ${show(paths)}`);
  return paths.map((path: unknown, index) => {
    if (typeof path === 'string' && /^\/[^/]+\/[^/]+$/.test(path)) return path;
    const hint = typeof path === 'string' && /^[^/]+\/[^/]+$/.test(path) ? `; did you mean "/${path}"?` : '';
    throw new ConfigError(`${name}[${index}]`, `expected a path like "/pkg.Service/Method", got ${show(path)}${hint}`);
  });
}

/** The same as a set. */
export function pathSet(paths: unknown, name: string): ReadonlySet<string> {
  return new Set(checkedPaths(paths, name));
}
