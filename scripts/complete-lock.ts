/**
 * Completes package-lock.json with the platform packages that npm left out.
 *
 *     node scripts/complete-lock.ts            add what is missing
 *     node scripts/complete-lock.ts --check    exit 1 if anything is missing
 *
 * `npm install` drops an optional dependency that it cannot see in the registry it talks to (a mirror that carries one
 * platform only), and `npm ci` then refuses the whole lock: "Missing: @scope/tool-darwin-arm64@ from lock file". An entry with
 * version, os and cpu is enough for `npm ci`; elsewhere npm installs it from its own registry.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './process.ts';

interface Entry {
  readonly version?: string;
  readonly optional?: boolean;
  readonly dev?: boolean;
  readonly cpu?: readonly string[];
  readonly os?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  packages: Record<string, Entry>;
}

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
/** Processors as packages name them, and as Node does. */
const PROCESSORS = new Map([
  ['arm', 'arm'],
  ['armv7', 'arm'],
  ['arm64', 'arm64'],
  ['ia32', 'ia32'],
  ['loong64', 'loong64'],
  ['ppc64', 'ppc64'],
  ['riscv64', 'riscv64'],
  ['s390x', 's390x'],
  ['x64', 'x64'],
]);

/** The entry for a package like `@scope/tool-linux-x64-musl`; undefined if its name does not say for which platform it is. */
function platformEntry(name: string, version: string, dev: boolean): Entry | undefined {
  const words = name.split(/[-/.]/);
  const os = words.find((word) => SYSTEMS.includes(word));
  const cpu = words.map((word) => PROCESSORS.get(word)).find((found) => found !== undefined);
  if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+$/.test(version)) return undefined;
  const libc = name.includes('musl') ? ['musl'] : name.endsWith('-gnu') || name.endsWith('-gnueabihf') ? ['glibc'] : undefined;
  return { version, cpu: [cpu], ...(dev ? { dev } : {}), ...(libc === undefined ? {} : { libc }), optional: true, os: [os] };
}

/** Where Node would find `name` from the package at `path`; undefined if the lock has no such entry. */
function resolve(lock: Lock, path: string, name: string): string | undefined {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const candidate = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (candidate in lock.packages) return candidate;
    if (folder === '') return undefined;
  }
}

const file = join(ROOT, 'package-lock.json');
const lock: Lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = new Map<string, Entry>();
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (resolve(lock, path, name) !== undefined) continue;
    const made = platformEntry(name, version, entry.dev ?? false);
    if (made === undefined) {
      console.error(`${name}@${version}, wanted by ${path}, is not in the lock, and its name does not say for which platform it is`);
      process.exitCode = 1;
      continue;
    }
    missing.set(`node_modules/${name}`, made);
  }
}

if (process.argv.includes('--check')) {
  if (missing.size > 0) {
    console.error(`package-lock.json lacks ${[...missing.keys()].join(', ')}; run: node scripts/complete-lock.ts`);
    process.exitCode = 1;
  }
} else if (missing.size > 0) {
  const all = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) });
  lock.packages = Object.fromEntries(all.sort(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`added ${missing.size} platform packages`);
}
