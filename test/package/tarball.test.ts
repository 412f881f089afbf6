/**
 * What npm would publish: the right files, no install scripts, and a stranger's empty project in which it works.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type handleUnaryCall, loadPackageDefinition, Server, ServerCredentials, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pack } from '../../scripts/pack.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));

/** TypeScript of users who do not follow its newest version. */
const OLD_TYPESCRIPT = '5.9.3';

/** Everything in the package that is not built from a source file. */
const GOLDEN: readonly string[] = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json', 'schema/policy.schema.json'];

interface Finished {
  readonly code: number | null;
  readonly out: string;
}

function finish(child: ChildProcess): Promise<Finished> {
  return new Promise((resolve) => {
    let out = '';
    child.stdout?.on('data', (text: Buffer) => {
      out += text;
    });
    child.stderr?.on('data', (text: Buffer) => {
      out += text;
    });
    child.on('close', (code) => resolve({ code, out }));
  });
}

function runIn(cwd: string, command: string, ...args: readonly string[]): Promise<Finished> {
  return finish(spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Versions that this machine has: that of the tests, and Node 22 where `npm run test:22` has fetched it. */
function nodes(): ReadonlyArray<{ readonly name: string; readonly binary: string }> {
  const found = [{ name: `Node ${process.versions.node}`, binary: process.execPath }];
  const cache = join(ROOT, '.cache');
  const fetched = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('node-')) : [];
  for (const name of fetched) {
    const binary = join(cache, name, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
    if (existsSync(binary)) found.push({ name: `Node ${name.slice('node-'.length)}`, binary });
  }
  return found;
}

/** The example as CommonJS: the same lines, with `require`. */
function asCommonJs(text: string): string {
  return text.replace(/^import (.+) from '(.+)';$/gm, "const $1 = require('$2');");
}

async function serveGreeter(): Promise<{ readonly port: number; readonly server: Server }> {
  const greeter = loadPackageDefinition(loadSync(join(HERE, 'greeter.proto')))['helloworld'] as unknown as {
    readonly Greeter: ServiceClientConstructor;
  };
  const server = new Server();
  const sayHello: handleUnaryCall<{ name: string }, { message: string }> = (call, callback) =>
    callback(null, { message: `Hello ${call.request.name}` });
  server.addService(greeter.Greeter.service, { sayHello });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return { port, server };
}

let tarball = '';
let packed: readonly string[] = [];
/** The stranger's project. */
const project = mkdtempSync(join(tmpdir(), 'inmesh-stranger-'));
const tarballs = mkdtempSync(join(tmpdir(), 'inmesh-tarball-'));

beforeAll(async () => {
  tarball = pack(tarballs);
  const listed = await runIn(tarballs, 'tar', '-tzf', tarball);
  packed = listed.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^package\//, ''))
    .sort();
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'stranger', private: true }));
  const version = (name: string): string => createRequire(import.meta.url)(`${name}/package.json`).version;
  const wanted = [tarball, ...['@grpc/grpc-js', '@grpc/proto-loader'].map((name) => `${name}@${version(name)}`)];
  const types = [`typescript@${OLD_TYPESCRIPT}`, `@types/node@${version('@types/node')}`];
  const installed = await runIn(project, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', ...wanted, ...types);
  expect(installed.code, installed.out).toBe(0);
  cpSync(join(HERE, 'greeter.proto'), join(project, 'greeter.proto'));
}, 300_000);

afterAll(() => {
  for (const folder of [project, tarballs]) rmSync(folder, { recursive: true, force: true });
});

describe('packed package', () => {
  test('holds these files, and for each source file its code, its types and its map', () => {
    const sources = ['src', 'interceptors'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        // The page's own code is part of page.gen.ts.
        .filter((name) => name.endsWith('.ts') && !name.startsWith(`${join('admin', 'page')}/`))
        .map((name) => join(folder, name)),
    );
    const built = sources.flatMap((name) => ['.js', '.d.ts', '.js.map'].map((ending) => `dist/${name.replace(/\.ts$/, ending)}`));
    const protos = readdirSync(join(ROOT, 'protos'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.proto'))
      .map((name) => join('protos', name));
    expect(packed).toEqual([...GOLDEN, ...built, ...protos].sort());
  });

  test('runs nothing when it is installed', () => {
    const manifest = JSON.parse(readFileSync(join(project, 'node_modules/inmesh/package.json'), 'utf8'));
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare'];
    expect(Object.keys(manifest.scripts ?? {}).filter((name) => hooks.includes(name))).toEqual([]);
  });

  test('brings no dependency with an install script; grpc-js brings protobufjs', () => {
    const lock: { packages: Record<string, { hasInstallScript?: boolean }> } = JSON.parse(
      readFileSync(join(project, 'node_modules/.package-lock.json'), 'utf8'),
    );
    const scripted = Object.entries(lock.packages)
      .filter(([, entry]) => entry.hasInstallScript)
      .map(([name]) => name);
    expect(scripted.filter((name) => name !== 'node_modules/protobufjs')).toEqual([]);
  });

  test('depends on nothing but what the design allows', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const allowed = ['valibot', 'yaml'];
    expect(Object.keys(manifest.dependencies).filter((name) => !allowed.includes(name))).toEqual([]);
    const { '@grpc/grpc-js': grpc, ...optional } = manifest.peerDependencies;
    expect(grpc).toBe('^1.14.7');
    expect(optional).toEqual({
      '@bufbuild/protobuf': '^2.12.0',
      '@bufbuild/protoplugin': '^2.12.0',
      '@opentelemetry/api': '>=1.9 <2',
      cockatiel: '^4.0.0',
    });
    for (const name of Object.keys(optional)) expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
  });

  test('opens no file but its entry', async () => {
    const inner = "import('inmesh/dist/src/index.js').then(() => console.log('open'), (error) => console.log(error.code))";
    expect((await runIn(project, process.execPath, '-e', inner)).out.trim()).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  test("a user's program compiles, with TypeScript 5.9 and every check on", async () => {
    writeFileSync(join(project, 'consumer.ts'), readFileSync(join(HERE, 'consumer.ts.txt')));
    const flags = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--skipLibCheck', 'false'];
    const target = ['--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
    const compiled = await runIn(project, process.execPath, 'node_modules/typescript/bin/tsc', ...flags, ...target, 'consumer.ts');
    expect(compiled.out).toBe('');
  });
});

describe('README example in an empty project', () => {
  const example = readFileSync(join(HERE, 'quickstart.mjs'), 'utf8');

  test('is the one in the README', () => {
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(example.trim());
  });

  describe.each(nodes())('$name', ({ binary }) => {
    test.each([
      { form: 'ES module', file: 'quickstart.mjs', text: example },
      { form: 'CommonJS', file: 'quickstart.cjs', text: asCommonJs(example) },
    ])('runs as $form, says hello and leaves', async ({ file, text }) => {
      const { port, server } = await serveGreeter();
      try {
        writeFileSync(join(project, file), text.replace('50051', String(port)));
        const ran = await new Promise<Finished>((resolve) => {
          execFile(binary, [file], { cwd: project, timeout: 30_000 }, (error, stdout, stderr) =>
            resolve({ code: error === null ? 0 : 1, out: `${stdout}${stderr}` }),
          );
        });
        expect(ran).toEqual({ code: 0, out: 'Hello world\n' });
      } finally {
        server.forceShutdown();
      }
    });
  });
});

describe('the command of the package', () => {
  const bin = join(project, 'node_modules/.bin/inmesh');
  const program = join(project, 'node_modules/inmesh/dist/src/cli/main.js');

  test('is there as inmesh, and npx finds it', async () => {
    const { version }: { version: string } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(await runIn(project, bin, '--version')).toEqual({ code: 0, out: `${version}\n` });
    const npx = await runIn(project, 'npx', '--no', '--', 'inmesh', '--version');
    // npm may have warnings of its own.
    expect({ code: npx.code, last: npx.out.trimEnd().split('\n').at(-1) }).toEqual({ code: 0, last: version });
  });

  test('takes at most 150 ms more than Node itself for its help', async () => {
    const fastest = async (...args: readonly string[]): Promise<number> => {
      let ms = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 7; i++) {
        const startedMs = performance.now();
        expect((await runIn(project, process.execPath, ...args)).code).toBe(0);
        ms = Math.min(ms, performance.now() - startedMs);
      }
      return ms;
    };
    expect((await fastest(program, '--help')) - (await fastest('-e', '0'))).toBeLessThan(150);
  });

  describe.each(nodes())('$name', ({ binary }) => {
    const inmesh = (...args: readonly string[]): Promise<Finished> => runIn(project, binary, program, ...args);

    test('begins a project: init, lint, check, explain', async () => {
      rmSync(join(project, 'inmesh.yaml'), { force: true });
      expect((await inmesh('init')).code).toBe(0);
      expect(await inmesh('lint', '--proto', 'greeter.proto')).toEqual({ code: 0, out: 'nothing wrong\n' });
      const checked = await inmesh('check');
      expect(checked.code, checked.out).toBe(0);
      expect((await inmesh('explain', 'helloworld.Greeter/SayHello', '-c', 'inmesh.yaml')).out).toContain('policy.defaults.timeout');
    });

    test('says who does not answer, with its exit code', async () => {
      expect(await inmesh('stat', '--url', '127.0.0.1:9')).toMatchObject({ code: 3, out: expect.stringContaining('nobody answers') });
    });

    test('has its demo with it, and shows it', async () => {
      const demo = spawn(binary, [program, 'demo', '--port', '0', '--for', '60s', '--json'], {
        cwd: project,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = finish(demo);
      const line = await new Promise<string>((resolve, reject) => {
        demo.stdout?.once('data', (text: Buffer) => resolve(String(text)));
        demo.once('exit', (code) => reject(new Error(`the demo has ended with ${code}`)));
      });
      const { url }: { url: string } = JSON.parse(line);
      expect(await inmesh('tap', '-n', '1', '--url', url)).toMatchObject({ code: 0, out: expect.stringContaining('demo.v1.Shop/') });
      expect((await inmesh('stat', '--url', url)).out).toContain('demo.v1.Shop/GetItem');
      demo.kill('SIGINT');
      expect((await ended).code).toBe(130);
    });
  });
});
