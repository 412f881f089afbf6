/** Makes `import 'inmesh'` mean the sources in a process of its own, so that programs run without a build: `node --import FROM_SOURCE`. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const INDEX = pathToFileURL(join(import.meta.dirname, '../../src/index.ts')).href;

export const FROM_SOURCE: string = `data:text/javascript,${encodeURIComponent(
  `import { registerHooks } from 'node:module';
   const source = ${JSON.stringify(INDEX)};
   registerHooks({ resolve: (name, context, next) => next(name === 'inmesh' ? source : name, context) });`,
)}`;
