/**
 * Packs what would be published, from a fresh build, without touching `dist`: tests that run beside us read that.
 *
 *     node scripts/pack.ts [FOLDER]     writes the tarball into FOLDER (default: .cache/pack) and prints its path
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { mustRun, ROOT, TSC } from './process.ts';

interface Manifest {
  readonly files: readonly string[];
}

/** Builds and packs into `folder`. Gives the tarball's path. */
export function pack(folder: string): string {
  const stage = mkdtempSync(join(tmpdir(), 'inmesh-pack-'));
  try {
    const manifest: Manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    cpSync(join(ROOT, 'package.json'), join(stage, 'package.json'));
    for (const entry of manifest.files) {
      if (entry !== 'dist' && !entry.startsWith('!') && existsSync(join(ROOT, entry))) {
        cpSync(join(ROOT, entry), join(stage, entry), { recursive: true });
      }
    }
    mustRun('node', [TSC, '-p', join(ROOT, 'tsconfig.json'), '--emitDeclarationOnly', '--outDir', join(stage, 'dist')]);
    mustRun('node', [join(ROOT, 'scripts/bundle.ts'), join(stage, 'dist')]);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    mustRun('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], stage);
    const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
    if (tarball === undefined) {
      throw new Error(`npm pack left no tarball in ${folder}`);
    }
    return join(folder, tarball);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  console.log(pack(resolve(process.argv[2] ?? join(ROOT, '.cache/pack'))));
}
