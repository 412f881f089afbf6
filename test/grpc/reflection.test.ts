import { execFileSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { type ClientDuplexStream, credentials, Metadata, Server, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, type Mock, test, vi } from 'vitest';
import { filesOfSet } from '../../src/batch/native/descriptor-files.ts';
import { type ReflectDescriptorsOptions, reflectDescriptors } from '../../src/grpc/reflection.ts';
import { ReflectionStream } from '../../src/grpc/reflection-stream.ts';
import { createMesh } from '../../src/mesh.ts';
import { lengthDelimited } from '../../src/reflect/messages.ts';
import { bind } from '../support/loopback.ts';
import { answering, answers, honest, serveReflection, type Version } from '../support/reflection-server.ts';

const ROOT = join(import.meta.dirname, '../..');
const insecure = credentials.createInsecure();
const versions: readonly Version[] = ['v1', 'v1alpha'];

/** What buf makes of a service with options of ours on its methods, itself and its file. */
let image: Uint8Array;
beforeAll(() => {
  const work = mkdtempSync(join(tmpdir(), 'inmesh-reflection-'));
  try {
    cpSync(join(ROOT, 'protos'), join(work, 'ours'), { recursive: true });
    cpSync(join(ROOT, 'test/src/policy/declared'), join(work, 'theirs'), { recursive: true });
    writeFileSync(join(work, 'buf.yaml'), JSON.stringify({ version: 'v2', modules: [{ path: 'ours' }, { path: 'theirs' }] }));
    const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');
    image = execFileSync(process.execPath, [buf, 'build', '-o', '-#format=binpb'], { cwd: work, maxBuffer: 1 << 24 });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}, 60_000);

/** Everything but time is the default, and nothing may be said. */
function reflect(target: string, options: ReflectDescriptorsOptions = {}): Promise<Uint8Array> {
  const warn = (line: string): void => {
    throw new Error(line);
  };
  return reflectDescriptors(target, insecure, { timeoutMs: 30_000, warn, ...options });
}

describe.each(versions)('reflectDescriptors, server with %s', (version) => {
  test('options of ours are as they would be from the descriptor set itself', async () => {
    await using server = await serveReflection(answering(honest(image)), version);
    const descriptors = await reflect(server.target);
    const wanted = filesOfSet(image).map((bytes) => bytes.toString('base64'));
    const got = filesOfSet(descriptors).map((bytes) => bytes.toString('base64'));
    expect(got.every((file) => wanted.includes(file))).toBe(true);

    const [direct, reflected] = [image, descriptors].map((set) => createMesh({}, { descriptors: set }));
    for (const method of ['GetItem', 'PutItem', 'DropItem', 'ListItems']) {
      const explained = reflected?.explain(`shop.v1.Shop/${method}`);
      expect(explained).toEqual(direct?.explain(`shop.v1.Shop/${method}`));
      expect(explained?.values).toContainEqual(expect.objectContaining({ field: 'bulkhead.slots', value: 100, origin: 'declared' }));
    }
    await Promise.all([direct?.close(), reflected?.close()]);
  });
});

describe('reflectDescriptors', () => {
  test('sends the metadata it is given', async () => {
    const seen: unknown[] = [];
    await using server = await serveReflection((stream) => {
      seen.push(...stream.metadata.get('x-key'));
      answering(honest(image))(stream);
    });
    const metadata = new Metadata();
    metadata.set('x-key', 'open');
    await reflect(server.target, { metadata });
    expect(seen).toEqual(['open']);
  });

  test('leaves out what the server does not know itself, and says so once', async () => {
    const inner = honest(image);
    const lines: string[] = [];
    await using server = await serveReflection(
      answering((question) => (question.kind === 'file' ? answers.error(status.NOT_FOUND) : inner(question))),
    );
    const descriptors = await reflect(server.target, { warn: (line) => lines.push(line) });
    expect(lines).toEqual([`${server.target}: the server does not know "inmesh/v1/options.proto", which it names itself: left out`]);
    const mesh = createMesh({}, { descriptors });
    expect(mesh.explain('shop.v1.Shop/PutItem').values).toContainEqual(expect.objectContaining({ field: 'timeout', value: '5s' }));
    await mesh.close();
  });

  test('leaves no connection open', async () => {
    const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    await using server = await serveReflection(answering(honest(image)));
    await expect.poll(sockets, { timeout: 10_000 }).toBe(0); // of the tests before
    await reflect(server.target);
    await expect.poll(sockets, { timeout: 10_000 }).toBe(0);
  });

  test('rejects a bad option, and what is no Metadata', async () => {
    await expect(reflect('127.0.0.1:1', { maxFiles: 0 })).rejects.toThrow('options.maxFiles: expected a whole number');
    const metadata = Object.assign({}, { 'x-key': 'open' }) as unknown as Metadata;
    await expect(reflect('127.0.0.1:1', { metadata })).rejects.toThrow('options.metadata: expected a Metadata, got an object');
  });
});

describe('reflectDescriptors rejects, naming the target,', () => {
  const file = (name: string, extra: number): Buffer =>
    Buffer.concat([
      toBinary(FileDescriptorProtoSchema, create(FileDescriptorProtoSchema, { name, package: 'p', service: [{ name: 'A' }] })),
      lengthDelimited(15, Buffer.alloc(extra)),
    ]);
  const shop = answers.services('p.A');

  test.each<[string, (stream: ServerDuplexStream<Buffer, Buffer>) => void, RegExp]>([
    [
      'a server that answers without end',
      (stream) => {
        stream.on('error', () => {});
        stream.on('data', () => {
          for (let i = 0; i < 1_000; i++) stream.write(shop);
        });
      },
      /asked for symbol "p\.A", the server answered something else|answers what nobody asked/,
    ],
    [
      'one that speaks before it is asked',
      (stream) => {
        stream.on('error', () => {});
        stream.write(shop);
        stream.write(shop);
      },
      /answers what nobody asked|something else/,
    ],
    ['one that ends the stream', (stream) => stream.end(), /: the server ended the stream without an answer$/],
    [
      'one that refuses',
      (stream) => stream.emit('error', { code: status.PERMISSION_DENIED, details: 'who are you' }),
      /: PERMISSION_DENIED: "who are you"$/,
    ],
    [
      'a text that would clear the screen',
      (stream) => stream.emit('error', { code: status.INTERNAL, details: `\u001b[2J${'x'.repeat(500)}` }),
      /: INTERNAL: "\\u001b\[2Jx{40,80}…"$/,
    ],
    [
      'noise',
      (stream) => void stream.write(Buffer.from([0x22, 0xff, 0xff, 0xff])),
      /: an answer can't be read: message ends inside a number$/,
    ],
    [
      'a file that is larger than allowed',
      answering(({ kind }) => (kind === 'services' ? shop : answers.files(file('a.proto', 2_000)))),
      /: RESOURCE_EXHAUSTED: "Received message larger than max|: the server's files have more than/,
    ],
    [
      'a file that imports a larger row',
      answering((question) => {
        if (question.kind === 'services') return shop;
        const at = question.kind === 'symbol' ? 0 : Number.parseInt(question.name, 10);
        const bytes = create(FileDescriptorProtoSchema, {
          name: `${at}.proto`,
          package: 'p',
          service: [{ name: 'A' }],
          dependency: [`${at + 1}.proto`],
        });
        return answers.files(toBinary(FileDescriptorProtoSchema, bytes));
      }),
      /: the server's (files have more than 1000 bytes|services stand on more than 20 files)$/,
    ],
  ])('%s', async (_, onStream, message) => {
    await using server = await serveReflection(onStream);
    const failed = await reflect(server.target, { maxBytes: 1_000, maxFiles: 20 }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ name: 'ReflectionError', code: 'INMESH_REFLECTION', message: expect.stringMatching(message) });
    expect(failed).toMatchObject({ message: expect.stringContaining(`${server.target}: `) });
  });

  test('no answer within the time', async () => {
    await using server = await serveReflection((stream) => stream.on('error', () => {}));
    await expect(reflect(server.target, { timeoutMs: 50 })).rejects.toThrow(`${server.target}: DEADLINE_EXCEEDED: `);
  });

  test('nobody there', async () => {
    const server = await serveReflection(() => {});
    await server[Symbol.asyncDispose]();
    await expect(reflect(server.target)).rejects.toThrow(`${server.target}: UNAVAILABLE: `);
  });

  test('a server without reflection', async () => {
    const server = new Server();
    const target = `127.0.0.1:${await bind(server)}`;
    await expect(reflect(target)).rejects.toThrow(
      `${target}: the server has no reflection; give descriptors of another kind (buf build -o image.binpb)`,
    );
    server.forceShutdown();
  });
});

describe('ReflectionStream', () => {
  function stream(): { call: EventEmitter & { write: Mock; cancel: Mock }; reflection: ReflectionStream } {
    const call = Object.assign(new EventEmitter(), { write: vi.fn(), cancel: vi.fn() });
    return { call, reflection: new ReflectionStream(call as unknown as ClientDuplexStream<Buffer, Buffer>, 10) };
  }

  test('an answer that nobody asked for ends it', async () => {
    const { call, reflection } = stream();
    call.emit('data', answers.services('p.A'));
    expect(call.cancel).toHaveBeenCalledOnce();
    await expect(reflection.ask({ kind: 'services' })).rejects.toThrow('the server answers what nobody asked');
    expect(call.write).not.toHaveBeenCalled();
  });

  test('every question that is out ends with the stream, the later ones too', async () => {
    const { call, reflection } = stream();
    const asked = [reflection.ask({ kind: 'services' }), reflection.ask({ kind: 'file', name: 'a' })];
    call.emit('status', { code: status.UNAVAILABLE, details: 'gone' });
    for (const question of [...asked, reflection.ask({ kind: 'services' })]) await expect(question).rejects.toThrow('UNAVAILABLE: "gone"');
  });

  test('answers go to questions in their order', async () => {
    const { call, reflection } = stream();
    const asked = [reflection.ask({ kind: 'services' }), reflection.ask({ kind: 'file', name: 'a' })];
    call.emit('data', answers.services('p.A'));
    call.emit('data', answers.error(status.NOT_FOUND));
    expect(await Promise.all(asked)).toEqual([
      { kind: 'services', names: ['p.A'] },
      { kind: 'error', code: status.NOT_FOUND },
    ]);
  });
});
