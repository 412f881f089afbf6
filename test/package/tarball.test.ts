/**
 * What npm would publish: the right files, no install scripts, and a stranger's empty project in which it works.
 */
import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type handleUnaryCall, loadPackageDefinition, Server, ServerCredentials, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pack } from '../../scripts/pack.ts';
import { describeConsumers, LIBRARIES, RETRIERS, TOOLS } from './consumers.ts';
import { asHere, type Finished, finish, HERE, nodes, ROOT, runIn } from './stranger.ts';

/** Everything in the package that is not built from a source file. */
const GOLDEN: readonly string[] = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json', 'schema/policy.schema.json'];

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
/** What brought an install script with it, before anything but the package and its peers was installed. */
let scripted: readonly string[] = [];
/** The stranger's project. */
const project = mkdtempSync(join(tmpdir(), 'inmesh-stranger-'));
const tarballs = mkdtempSync(join(tmpdir(), 'inmesh-tarball-'));

async function install(...wanted: readonly string[]): Promise<void> {
  const installed = await runIn(project, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', ...wanted);
  expect(installed.code, installed.out).toBe(0);
}

beforeAll(async () => {
  tarball = pack(tarballs);
  const listed = await runIn(tarballs, 'tar', '-tzf', tarball);
  packed = listed.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^package\//, ''))
    .sort();
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'stranger', private: true }));
  await install(tarball, ...['@grpc/grpc-js', '@grpc/proto-loader'].map(asHere));
  const lock: { packages: Record<string, { hasInstallScript?: boolean }> } = JSON.parse(
    readFileSync(join(project, 'node_modules/.package-lock.json'), 'utf8'),
  );
  scripted = Object.keys(lock.packages).filter((name) => lock.packages[name]?.hasInstallScript);
  await install(...LIBRARIES, ...TOOLS, ...RETRIERS);
  cpSync(join(HERE, 'greeter.proto'), join(project, 'greeter.proto'));
}, 300_000);

afterAll(() => {
  for (const folder of [project, tarballs]) rmSync(folder, { recursive: true, force: true });
});

describe('packed package', () => {
  test('holds these files, for each source file its types, and programs with their maps', () => {
    const sources = ['src', 'interceptors'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        // The page's own code is part of page.gen.ts.
        .filter((name) => name.endsWith('.ts') && !name.startsWith(`${join('admin', 'page')}/`))
        .map((name) => join(folder, name)),
    );
    const types = sources.map((name) => `dist/${name.replace(/\.ts$/, '.d.ts')}`);
    const programs = packed.filter((name) => name.endsWith('.js'));
    expect(programs).toEqual(
      expect.arrayContaining(['index', 'inmesh', 'protoc-gen-inmesh', 'worker-entry'].map((name) => `dist/src/${name}.js`)),
    );
    // What only re-exports has nothing to map.
    const maps = programs.map((name) => `${name}.map`).filter((name) => packed.includes(name));
    expect(maps.length).toBeGreaterThan(programs.length / 2);
    const built = [...types, ...programs, ...maps];
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
      '@connectrpc/connect': '^2.1.0',
      '@opentelemetry/api': '>=1.9 <2',
      cockatiel: '^4.0.0',
    });
    for (const name of Object.keys(optional)) expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
  });

  test('opens no file but its entry', async () => {
    const inner = "import('inmesh/dist/src/index.js').then(() => console.log('open'), (error) => console.log(error.code))";
    expect((await runIn(project, process.execPath, '-e', inner)).out.trim()).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  test("a user's program compiles, with TypeScript 5.9 and every check on", { timeout: 300_000 }, async () => {
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

describeConsumers(project);

describe('the command of the package', () => {
  const bin = join(project, 'node_modules/.bin/inmesh');
  const program = join(project, 'node_modules/inmesh/dist/src/inmesh.js');

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
