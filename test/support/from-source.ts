/** Makes `import 'inmesh'` mean the sources in a process of its own, so that programs run without a build: `node --import FROM_SOURCE`. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const source = (file: string): string => pathToFileURL(join(import.meta.dirname, '../../src', file)).href;
/** The package's entries. */
const ENTRIES: Readonly<Record<string, string>> = { inmesh: source('index.ts'), 'inmesh/connect': source('connect/index.ts') };

export const FROM_SOURCE: string = `data:text/javascript,${encodeURIComponent(
  `import { registerHooks } from 'node:module';
   const entries = new Map(${JSON.stringify(Object.entries(ENTRIES))});
   registerHooks({ resolve: (name, context, next) => next(entries.get(name) ?? name, context) });`,
)}`;
