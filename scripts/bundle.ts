/**
 * The JavaScript of the package: what `import 'inmesh'` needs in one file or two, and what commands need beside it. Some 360 modules
 * of their own cost 360 ms of CPU at every start of a process; so many files cost a quarter of it (`node bench/import.ts`). Types are tsc's.
 */
import { join, resolve } from 'node:path';
import { type InputOption, type OutputOptions, type Plugin, rolldown } from 'rolldown';
import { ROOT } from './process.ts';

/** Where it goes: `dist`, or the folder that is given. */
const DIST = resolve(process.argv[2] ?? join(ROOT, 'dist'));
const INDEX = join(ROOT, 'src/index.ts');
const CLI = join(ROOT, 'src/cli/main.ts');
/** What the command loads once it knows that Node is new enough. */
const COMMAND = join(ROOT, 'src/cli/process-io.ts');
const CODEGEN = join(ROOT, 'src/codegen/main.ts');
/** A thread of its own, that needs little and shares nothing: it has a file of its own. */
const WORKER = join(ROOT, 'src/grpc/worker-entry.ts');

/** What a program loads when it imports `entry`; filled while the sources are read. */
interface Closure {
  readonly entry: string;
  readonly modules: Set<string>;
}
const core: Closure = { entry: INDEX, modules: new Set() };
const commands: readonly Closure[] = [COMMAND, CODEGEN].map((entry) => ({ entry, modules: new Set() }));

const findClosures: Plugin = {
  name: 'find-closures',
  buildEnd() {
    for (const { entry, modules } of [core, ...commands]) {
      const waiting = [entry];
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
        if (modules.has(id)) continue;
        modules.add(id);
        waiting.push(...(this.getModuleInfo(id)?.importedIds ?? []));
      }
    }
  },
};

/** A command that needs little of the library must not load the rest. */
const isShared = (id: string): boolean => core.modules.has(id) && commands.some(({ modules }) => modules.has(id));

async function write(input: InputOption, output: OutputOptions, plugins: readonly Plugin[] = []): Promise<void> {
  const bundle = await rolldown({ cwd: ROOT, input, external: (id) => !/^[./]/.test(id), platform: 'node', plugins: [...plugins] });
  const dir = join(DIST, 'src');
  await bundle.write({ dir, format: 'es', sourcemap: true, comments: false, entryFileNames: '[name].js', ...output });
  await bundle.close();
}

await write(
  { index: INDEX, connect: join(ROOT, 'src/connect/index.ts'), inmesh: CLI, 'protoc-gen-inmesh': CODEGEN },
  {
    chunkFileNames: 'lib-[name].js',
    codeSplitting: {
      groups: [
        { name: 'base', test: isShared, priority: 1 },
        { name: 'core', test: (id) => core.modules.has(id) },
      ],
    },
  },
  [findClosures],
);
await write({ 'worker-entry': WORKER }, { codeSplitting: false });
