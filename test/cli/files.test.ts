/**
 * `init`, `check`, `lint`, `explain`: what they read and write, and how they end. O6.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LINT_CODES } from '../../src/lint/codes.ts';
import { parsePolicyText } from '../../src/policy/policy-text.ts';
import { OVERVIEW } from './overview.ts';
import { expectGolden, fakeAdmin, inmesh, sendJson } from './rig.ts';

const FILES = fileURLToPath(new URL('files', import.meta.url));
let project = '';

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'inmesh-cli-'));
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

function put(file: string, content: unknown): void {
  const full = join(project, file);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content));
}

const here = (line: string, cwd: string = project): ReturnType<typeof inmesh> => inmesh(line.split(' '), { cwd });

describe('inmesh init', () => {
  test('writes a policy that is one, and prints the lines for it', async () => {
    put('package.json', { type: 'module', dependencies: { '@grpc/grpc-js': '^1' } });
    const { exit, out } = await here('init');
    expect(exit).toBe(0);
    await expectGolden('init.txt', out);
    const text = readFileSync(join(project, 'inmesh.yaml'), 'utf8');
    expect(parsePolicyText(text, 'inmesh.yaml')).toEqual({ defaults: { timeout: '10s' } });
    expect((await here('lint --strict')).exit).toBe(0);
  });

  test('what it has commented out is a policy too', async () => {
    const { out } = await here('init --print');
    const all = out
      .split('\n')
      .slice(4)
      .map((line) => line.replace(/^( *)# ?(?=[a-zA-Z]+:|[ ]*[a-z.A-Z0-9]+(?:\/\w+)?:)/, '$1'));
    const policy = parsePolicyText(all.join('\n'), 'inmesh.yaml');
    expect(Object.keys(policy).sort()).toEqual([
      'coalesce',
      'defaults',
      'methods',
      'outlierDetection',
      'retryBudget',
      'server',
      'services',
    ]);
    expect(policy.methods?.['shop.v1.Cart/GetItem']).toMatchObject({ idempotent: true, hedgingPolicy: { maxAttempts: 2 } });
  });

  test('names the schema that the package has, for editors', async () => {
    const [, path = ''] = /\$schema=\.\/node_modules\/inmesh\/(\S+)/.exec((await here('init --print')).out) ?? [];
    expect(JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'))).toHaveProperty('$schema');
  });

  test('never overwrites a file, unless it is told to', async () => {
    put('inmesh.yaml', '{}');
    expect(await here('init')).toMatchObject({ exit: 2, err: expect.stringContaining('--force overwrites it') });
    expect(readFileSync(join(project, 'inmesh.yaml'), 'utf8')).toBe('{}');
    expect((await here('init --force')).exit).toBe(0);
    expect(readFileSync(join(project, 'inmesh.yaml'), 'utf8')).not.toBe('{}');
  });

  test.each([
    ['nice-grpc', { 'nice-grpc': '2' }, 'mesh.channel(target, credentials)'],
    ['nestjs', { '@nestjs/microservices': '12', '@grpc/grpc-js': '1' }, 'channelOptions: { ...mesh.client() }'],
    ['google-gax', { 'google-gax': '6' }, '{ ...mesh.client() }'],
    ['ts-proto', { 'ts-proto': '2' }, 'mesh.client()'],
    ['grpc-js', {}, "require('inmesh')"],
  ])('finds %s in package.json', async (stack, devDependencies, said) => {
    put('package.json', { devDependencies });
    const { out } = await here('init --json');
    const { stacks, code }: { stacks: string[]; code: Record<string, string[]> } = JSON.parse(out);
    expect(stacks).toEqual([stack]);
    expect(code[stack]?.join('\n')).toContain(said);
  });

  test('takes a method of the .proto files for its comments', async () => {
    expect((await here('init --print --proto protos', FILES)).out).toContain('#   shop.v1.Cart/GetItem:');
  });
});

describe('inmesh lint', () => {
  test('prints findings with their places, and ends with 1', async () => {
    const { exit, out } = await here('lint bad.yaml --proto protos', FILES);
    expect(exit).toBe(1);
    await expectGolden('lint.txt', out);
  });

  test('gives them as JSON', async () => {
    const { out } = await here('lint bad.yaml --proto protos --json', FILES);
    const { findings, errors, warnings } = JSON.parse(out) as {
      findings: { code: string; line: number; file: string }[];
      errors: number;
      warnings: number;
    };
    expect([errors, warnings, findings.length]).toEqual([3, 10, 13]);
    expect(findings[0]).toMatchObject({ code: 'IM144', line: 2, file: 'bad.yaml' });
  });

  test('warnings alone end with 0, with --strict with 1', async () => {
    put('inmesh.yaml', 'retryBudget: { ratio: 4 }');
    expect((await here('lint')).exit).toBe(0);
    expect((await here('lint --strict')).exit).toBe(1);
  });

  test.each([
    ['lint', 'inmesh.yaml: no such file'],
    ['lint nothing.yaml', 'nothing.yaml: no such file'],
    ['lint protos', 'protos: is a folder'],
    ['lint /dev/zero', '/dev/zero: more than 67108864 bytes'],
    ['lint bad.yaml --proto nothing', '--proto nothing: no such file or folder'],
    ['lint bad.yaml --descriptors bad.yaml', 'expected a FileDescriptorSet'],
  ])('%s ends with 2: %s', async (line, said) => {
    expect(await here(line, FILES)).toMatchObject({ exit: 2, err: expect.stringContaining(said) });
  });

  test('a .proto file with a mistake is told as such', async () => {
    put('bad.proto', 'syntax = "proto3"; message {');
    put('inmesh.yaml', '{}');
    symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(project, 'node_modules'));
    expect(await here('lint --proto .')).toMatchObject({ exit: 2, err: expect.stringMatching(/--proto: .*bad\.proto/) });
  });

  test('lists every code', async () => {
    const { exit, out } = await here('lint --codes');
    expect(exit).toBe(0);
    expect(out.trim().split('\n')).toHaveLength(Object.keys(LINT_CODES).length + 1);
    const listed: { code: string }[] = JSON.parse((await here('lint --codes --json')).out);
    expect(listed.map(({ code }) => code)).toEqual(Object.keys(LINT_CODES));
  });
});

describe('inmesh explain', () => {
  test('tells what a file says of a method, and where', async () => {
    const { exit, out } = await inmesh(['explain', '/shop.v1.Cart/GetItem', '-c', 'bad.yaml', '--proto', 'protos'], {
      cwd: FILES,
      width: 120,
    });
    expect(exit).toBe(0);
    await expectGolden('explain-120.txt', out);
    const narrow = (await here('explain shop.v1.Cart/GetItem -c bad.yaml', FILES)).out;
    expect(Math.max(...narrow.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('asks a process', async () => {
    const values = [{ field: 'timeout', value: '1s', origin: 'call', where: 'here' }];
    const admin = await fakeAdmin({ '/config.json': sendJson({ method: 'a.B/C', values }) });
    const { out } = await inmesh(['explain', 'a.B/C', '--json', '-u', admin.url]);
    expect(JSON.parse(out)).toEqual({ method: 'a.B/C', values });
    expect(admin.asked).toEqual(['/config.json?method=a.B%2FC']);
    await admin.close();
  });

  test.each([
    ['explain', 'expected one METHOD, got 0'],
    ['explain a.B/C d.E/F -c bad.yaml', 'expected one METHOD, got 2'],
    ['explain Cart -c bad.yaml', 'expected a method such as'],
    ['explain a.B/C -c nothing.yaml', 'nothing.yaml: cannot be read (no such file)'],
    ['explain a.B/C --proto protos', 'go with --config'],
  ])('%s ends with 2: %s', async (line, said) => {
    expect(await here(line, FILES)).toMatchObject({ exit: 2, err: expect.stringContaining(said) });
  });
});

describe('inmesh check', () => {
  const install = (name: string, version: string, at = 'node_modules'): void => put(`${at}/${name}/package.json`, { name, version });
  interface Fact {
    readonly what: string;
    readonly verdict: string;
    readonly detail: string;
    readonly hint?: string;
  }
  const facts = async (line = 'check --json', env = {}): Promise<Record<string, Fact>> => {
    const { out } = await inmesh(line.split(' '), { cwd: project, env });
    const { checks }: { checks: Fact[] } = JSON.parse(out);
    return Object.fromEntries(checks.map((fact) => [fact.what, fact]));
  };

  test('a sound project is all right', async () => {
    install('@grpc/grpc-js', '1.14.7');
    install('inmesh', '0.1.0');
    put('inmesh.yaml', '{}');
    const { exit, out } = await here('check');
    expect(exit).toBe(0);
    expect(out).toContain('4 ok, 0 warnings, 0 failed, 1 not there');
  });

  test('finds a second copy of grpc-js, and of the OpenTelemetry API, wherever they are', async () => {
    install('@grpc/grpc-js', '1.14.7');
    install('@grpc/grpc-js', '1.14.8', 'node_modules/some-lib/node_modules');
    install('@opentelemetry/api', '1.9.0');
    install('@opentelemetry/api', '1.10.0', 'node_modules/.pnpm/x@1/node_modules');
    const found = await facts();
    expect(found['@grpc/grpc-js']).toMatchObject({
      verdict: 'fail',
      detail: expect.stringMatching(/2 copies: .*some-lib/),
      hint: expect.stringContaining('dedupe'),
    });
    expect(found['@opentelemetry/api']).toMatchObject({ verdict: 'warn' });
    expect((await here('check')).exit).toBe(1);
  });

  test('one copy through two links is one', async () => {
    install('@grpc/grpc-js', '1.15.0', 'store');
    mkdirSync(join(project, 'node_modules/@grpc'), { recursive: true });
    mkdirSync(join(project, 'node_modules/lib/node_modules/@grpc'), { recursive: true });
    for (const at of ['node_modules', 'node_modules/lib/node_modules'])
      symlinkSync(join(project, 'store/@grpc/grpc-js'), join(project, at, '@grpc/grpc-js'));
    expect((await facts())['@grpc/grpc-js']).toMatchObject({ verdict: 'ok', detail: '1.15.0' });
  });

  test.each([
    ['1.14.6', 'fail'],
    ['1.14.7', 'ok'],
    ['1.20.0', 'ok'],
    ['2.0.0', 'fail'],
  ])('grpc-js %s: %s', async (version, verdict) => {
    install('@grpc/grpc-js', version);
    expect((await facts())['@grpc/grpc-js']?.verdict).toBe(verdict);
  });

  test('warns of other instrumentation, unless it is switched off', async () => {
    install('@opentelemetry/instrumentation-grpc', '0.300.0');
    expect((await facts())['other instrumentation']?.verdict).toBe('warn');
    expect((await facts('check --json', { OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http,grpc' }))['other instrumentation']?.verdict).toBe(
      'ok',
    );
  });

  test('tells the first mistake of the policy', async () => {
    put('mesh.yaml', 'defaults:\n  timeot: 1s\n');
    expect((await facts('check --json --config mesh.yaml'))['mesh.yaml']).toMatchObject({
      verdict: 'fail',
      detail: expect.stringMatching(/^2:3 IM101 /),
    });
    expect((await facts('check --json --config none.yaml'))['none.yaml']?.verdict).toBe('fail');
  });

  const HEALTH = '/grpc.health.v1.Health/Check';
  const REFLECTION = '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo';
  const asIs = (bytes: Buffer): Buffer => bytes;
  const codec = { requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs };

  /** A server that says how it is, with bytes as those services write them. */
  async function serve(health: number | undefined, names: readonly string[]): Promise<{ target: string; server: Server }> {
    const server = new Server();
    if (health !== undefined)
      server.addService(
        { Check: { path: HEALTH, requestStream: false, responseStream: false, ...codec } },
        { Check: (_: unknown, callback: (error: null, bytes: Buffer) => void) => callback(null, Buffer.from([8, health])) },
      );
    const field = (number: number, bytes: Buffer): Buffer => Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes]);
    const list = Buffer.concat(names.map((name) => field(1, field(1, Buffer.from(name)))));
    if (names.length > 0)
      server.addService(
        { Info: { path: REFLECTION, requestStream: true, responseStream: true, ...codec } },
        {
          Info(call: { on(event: string, fn: () => void): void; write(bytes: Buffer): void; end(): void }) {
            call.on('data', () => call.write(field(6, list)));
            call.on('end', () => call.end());
          },
        },
      );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    return { target: `127.0.0.1:${port}`, server };
  }

  test.each([
    { health: 1, names: ['shop.v1.Cart'], said: ['ok', 'SERVING', 'ok', 'shop.v1.Cart'] },
    { health: 2, names: ['a', 'b', 'c', 'd', 'e'], said: ['fail', 'NOT_SERVING', 'ok', 'a, b, c, d and 1 more'] },
    { health: undefined, names: [], said: ['skip', 'no grpc.health.v1.Health there', 'skip', 'not there'] },
  ])('asks a server how it is: $said', async ({ health, names, said }) => {
    const { target, server } = await serve(health, names);
    const found = await facts(`check --json --target ${target}`);
    server.forceShutdown();
    expect(found['connection']?.verdict).toBe('ok');
    expect([found['health']?.verdict, found['health']?.detail, found['reflection']?.verdict, found['reflection']?.detail]).toEqual(said);
  });

  test('a server that is not there fails, within --timeout', async () => {
    expect((await facts('check --json --target 127.0.0.1:9 --timeout 300ms'))['connection']).toMatchObject({
      verdict: 'fail',
      detail: 'not within 0.3 s',
    });
  });

  test('asks a process: it fails when a target has nobody left', async () => {
    const admin = await fakeAdmin();
    expect((await facts(`check --json --url ${admin.url}`))['endpoints']).toMatchObject({
      verdict: 'fail',
      detail: 'none ready for dns:///stock:50051',
    });
    await admin.close();
    const well = await fakeAdmin({ '/overview.json': sendJson({ ...OVERVIEW, endpoints: OVERVIEW.endpoints.slice(0, 3) }) });
    expect((await facts(`check --json --url ${well.url}`))['endpoints']).toMatchObject({ verdict: 'ok', detail: '3 of 3 ready' });
    await well.close();
    expect((await facts('check --json --url 127.0.0.1:9'))['admin server']?.verdict).toBe('fail');
  });

  test('prints marks, headings and hints', async () => {
    install('@grpc/grpc-js', '1.14.7');
    put('inmesh.yaml', 'retryBudget: { ratio: 4 }');
    const { out } = await here('check');
    await expectGolden('check.txt', out.replace(process.versions.node, 'NODE'));
  });
});
