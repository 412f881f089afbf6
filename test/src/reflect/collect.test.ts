import { create, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';
import { filesOfSet } from '../../../src/batch/native/descriptor-files.ts';
import { Code } from '../../../src/call.ts';
import { type Ask, collect } from '../../../src/reflect/collect.ts';
import { Declarations, readHeader } from '../../../src/reflect/file-header.ts';
import { type Answer, lengthDelimited, type Question, readAnswer } from '../../../src/reflect/messages.ts';
import { type ReflectOptions, resolveReflectOptions } from '../../../src/reflect/options.ts';
import { answers, honest } from '../../support/reflection-server.ts';

/** A file of package `p` with what it imports and the services in it. */
function file(name: string, imports: readonly string[] = [], services: readonly string[] = []): Buffer {
  const message = create(FileDescriptorProtoSchema, {
    name,
    package: 'p',
    dependency: [...imports],
    service: services.map((service) => ({ name: service })),
  });
  return Buffer.from(toBinary(FileDescriptorProtoSchema, message));
}

const setOf = (...files: readonly Buffer[]): Buffer => Buffer.concat(files.map((bytes) => lengthDelimited(1, bytes)));

const SHOP = file('shop.proto', ['item.proto', 'money.proto'], ['Shop', 'Admin']);
const ITEM = file('item.proto', ['money.proto']);
const MONEY = file('money.proto');

interface Asked {
  readonly ask: Ask;
  readonly questions: Question[];
}

/** A server out of a function. */
function asking(answer: (question: Question) => Answer | Buffer, maxEntries = 1_000): Asked {
  const questions: Question[] = [];
  const ask: Ask = async (question) => {
    questions.push(question);
    const given = answer(question);
    return Buffer.isBuffer(given) ? readAnswer(given, maxEntries) : given;
  };
  return { ask, questions };
}

const rules = (options: ReflectOptions = {}) => resolveReflectOptions(options);
const namesIn = (set: Uint8Array): string[] => filesOfSet(set).map((bytes) => readHeader(bytes, 100, new Declarations()).name);
const notFound: Answer = { kind: 'error', code: Code.NOT_FOUND };

describe('collect', () => {
  test('gathers all services and what they import, each file once, imports first, byte for byte', async () => {
    const { ask, questions } = asking(honest(setOf(SHOP, ITEM, MONEY)));
    const { set, missing } = await collect(ask, rules());
    expect(namesIn(set)).toEqual(['money.proto', 'item.proto', 'shop.proto']);
    expect(filesOfSet(set)).toEqual([MONEY, ITEM, SHOP]);
    expect(missing).toEqual([]);
    expect(questions).toEqual([
      { kind: 'services' },
      { kind: 'symbol', name: 'p.Admin' },
      { kind: 'symbol', name: 'p.Shop' },
      { kind: 'file', name: 'item.proto' },
      { kind: 'file', name: 'money.proto' },
    ]);
  });

  test('asks for no file that came with another', async () => {
    const { ask, questions } = asking(({ kind }) => (kind === 'services' ? answers.services('p.Shop') : answers.files(SHOP, ITEM, MONEY)));
    expect(namesIn((await collect(ask, rules())).set)).toEqual(['money.proto', 'item.proto', 'shop.proto']);
    expect(questions.length).toBe(2);
  });

  test('of the services that are named, only their files; nobody is asked for a list', async () => {
    const { ask, questions } = asking(honest(setOf(SHOP, ITEM, MONEY, file('other.proto', [], ['Other']))));
    expect(namesIn((await collect(ask, rules({ services: ['p.Other'] }))).set)).toEqual(['other.proto']);
    expect(questions).toEqual([{ kind: 'symbol', name: 'p.Other' }]);
  });

  test('reflection itself is left out', async () => {
    const { ask, questions } = asking(({ kind }) =>
      kind === 'services'
        ? answers.services('grpc.reflection.v1.ServerReflection', 'p.Shop', 'grpc.reflection.v1alpha.ServerReflection', 'p.Shop')
        : answers.files(SHOP, ITEM, MONEY),
    );
    await collect(ask, rules());
    expect(questions.slice(1)).toEqual([{ kind: 'symbol', name: 'p.Shop' }]);
  });

  test('what the server itself does not know is left out and told: an import, a service of its list', async () => {
    const inner = honest(setOf(SHOP, ITEM));
    const { ask } = asking((question) => (question.kind === 'services' ? answers.services('p.Shop', 'p.Lost') : inner(question)));
    const { set, missing } = await collect(ask, rules());
    expect(namesIn(set)).toEqual(['item.proto', 'shop.proto']);
    expect(missing).toEqual(['money.proto', 'p.Lost']);
  });

  test('files that import each other, and themselves, come once', async () => {
    const a = file('a.proto', ['b.proto', 'a.proto'], ['A']);
    const b = file('b.proto', ['a.proto', 'b.proto']);
    const { ask, questions } = asking(honest(setOf(a, b)));
    expect(namesIn((await collect(ask, rules())).set).sort()).toEqual(['a.proto', 'b.proto']);
    expect(questions.length).toBe(3);
  });

  test('a long chain of imports needs no deep stack', async () => {
    const at = (i: number): string => `${i}.proto`;
    const chain = Array.from({ length: 1_500 }, (_, i) => file(at(i), i === 1_499 ? [] : [at(i + 1)], i === 0 ? ['A'] : []));
    const { ask } = asking((question) =>
      question.kind === 'services'
        ? answers.services('p.A')
        : answers.files(chain[question.kind === 'symbol' ? 0 : Number.parseInt(question.name, 10)] ?? MONEY),
    );
    const names = namesIn((await collect(ask, rules())).set);
    expect([names[0], names.at(-1), names.length]).toEqual(['1499.proto', '0.proto', 1_500]);
  });
});

describe('collect refuses', () => {
  const shop = (question: Question): Buffer =>
    question.kind === 'services' ? answers.services('p.Shop') : answers.files(SHOP, ITEM, MONEY);
  /** An endless row of files, each importing the next. */
  const endless = (question: Question): Buffer => {
    if (question.kind === 'services') return answers.services('p.A');
    const at = question.kind === 'symbol' ? 0 : Number.parseInt(question.name, 10);
    return answers.files(file(`${at}.proto`, [`${at + 1}.proto`], at === 0 ? ['A'] : []));
  };

  test.each<[string, (question: Question) => Answer | Buffer, ReflectOptions, RegExp]>([
    ['a server without services', () => answers.services(), {}, /^the server names no services$/],
    ['one that has only reflection', () => answers.services('grpc.reflection.v1.ServerReflection'), {}, /^the server names no services$/],
    [
      'one that knows none of its files',
      (q) => (q.kind === 'services' ? answers.services('p.A', 'p.B') : notFound),
      {},
      /knows the files of none/,
    ],
    [
      'a service that is not there, with the nearest',
      (q) => (q.kind === 'services' ? answers.services('p.Shop') : notFound),
      { services: ['p.Shpo'] },
      /^the server knows no service "p\.Shpo"; did you mean "p\.Shop"\?$/,
    ],
    [
      'an error instead of the list',
      () => answers.error(Code.PERMISSION_DENIED),
      {},
      /^asked for its services, the server answered PERMISSION_DENIED$/,
    ],
    [
      'an error instead of a file',
      (q) => (q.kind === 'services' ? shop(q) : answers.error(Code.INTERNAL)),
      {},
      /^asked for symbol "p\.Shop", the server answered INTERNAL$/,
    ],
    ['files instead of the list', () => answers.files(SHOP), {}, /^asked for its services, the server answered something else$/],
    ['nothing at all', () => Buffer.alloc(0), {}, /answered something else$/],
    ['a service of no name', () => answers.services(''), {}, /^a service's name: expected a service/],
    ['a service whose name is a path', () => answers.services('../../etc/passwd'), {}, /^a service's name: expected a service/],
    [
      'a service that its files do not declare',
      (q) => (q.kind === 'services' ? answers.services('p.Other') : shop(q)),
      {},
      /^none of the server's files declares "p\.Other", though it says so$/,
    ],
    [
      'other files than the one asked for',
      (q) => (q.kind === 'file' ? answers.files(MONEY) : q.kind === 'services' ? shop(q) : answers.files(SHOP)),
      {},
      /^asked for file "item\.proto", the server answered with others$/,
    ],
    ['a file without a name', (q) => (q.kind === 'services' ? shop(q) : answers.files(file(''))), {}, /^no name of a file: ""$/],
    [
      'a name that turns the direction of text',
      (q) => (q.kind === 'services' ? shop(q) : answers.files(file('a\u202e.proto'))),
      {},
      /^no name of a file: "a\\u202e\.proto"$/,
    ],
    [
      'a name with control characters',
      (q) => (q.kind === 'services' ? shop(q) : answers.files(file('a\n\u001b[2J.proto'))),
      {},
      /^no name of a file: "a\\n\\u001b/,
    ],
    [
      'an import whose name is too long',
      (q) => (q.kind === 'services' ? shop(q) : answers.files(file('a.proto', ['x'.repeat(2_000)]))),
      {},
      /^no name of a file: "xxx/,
    ],
    [
      'two files of one name',
      (q) => (q.kind === 'services' ? shop(q) : answers.files(SHOP, file('shop.proto'))),
      {},
      /^the server has two files "shop\.proto"$/,
    ],
    [
      'bytes that are no file',
      (q) => (q.kind === 'services' ? shop(q) : answers.files(Buffer.from([0x0a, 0x7f]))),
      {},
      /^one of the server's files can't be read: field reaches over the end$/,
    ],
    ['more bytes than allowed', shop, { maxBytes: SHOP.length + ITEM.length }, /^the server's files have more than \d+ bytes$/],
    ['more files than allowed', shop, { maxFiles: 2 }, /^the server's services stand on more than 2 files$/],
    ['imports without end', endless, { maxFiles: 50 }, /^the server's services stand on more than 50 files$/],
    [
      'more imports than files are allowed',
      (q) => (q.kind === 'services' ? shop(q) : answers.files(file('a.proto', ['b', 'c', 'd']))),
      { maxFiles: 2 },
      /^one of the server's files can't be read: too many entries$/,
    ],
  ])('%s', async (_, answer, options, message) => {
    const { ask, questions } = asking(answer);
    await expect(collect(ask, rules(options))).rejects.toThrow(message);
    await expect(collect(ask, rules(options))).rejects.toMatchObject({ name: 'ReflectionError', code: 'INMESH_REFLECTION' });
    expect(questions.length).toBeLessThan(200);
  });

  test('an answer with more entries than allowed, before they take memory', () => {
    const many = answers.files(...Array.from({ length: 11 }, () => Buffer.alloc(0)));
    expect(() => readAnswer(many, 10)).toThrow('too many entries');
    expect(readAnswer(many, 11)).toMatchObject({ kind: 'files' });
    expect(() => readAnswer(answers.services('a', 'b', 'c'), 2)).toThrow('too many entries');
  });

  describe('a file that would be too much for those who read it', () => {
    const collected = (bytes: Buffer): Promise<unknown> =>
      collect(asking((q) => (q.kind === 'services' ? answers.services('p.A') : answers.files(bytes))).ask, rules());
    const named = (name: string): Buffer => lengthDelimited(1, Buffer.from(name));
    const top = Buffer.concat([named('a.proto'), lengthDelimited(2, Buffer.from('p')), lengthDelimited(6, named('A'))]);

    test.each([40, 5_000])('messages in messages, %i deep', async (most) => {
      let message = named('M');
      for (let depth = 0; depth < most; depth++) message = Buffer.concat([named('M'), lengthDelimited(3, message)]);
      await expect(collected(Buffer.concat([top, lengthDelimited(4, message)]))).rejects.toThrow('a name too long, or messages too deep');
    });

    test('a long name with much in it', async () => {
      const message = Buffer.concat([named('M'.repeat(600)), lengthDelimited(3, named('a'))]);
      await expect(collected(Buffer.concat([top, lengthDelimited(4, message)]))).rejects.toThrow('a name too long, or messages too deep');
    });

    test.each([
      ['messages', 4, Buffer.alloc(0)],
      ['enums', 5, Buffer.alloc(0)],
      ['fields', 4, Buffer.concat(new Array<Buffer>(600_000).fill(lengthDelimited(2, Buffer.alloc(0))))],
    ] as const)('more %s than there are in any', async (_, number, one) => {
      const count = one.length === 0 ? 600_000 : 1;
      const bytes = Buffer.concat([top, Buffer.concat(new Array<Buffer>(count).fill(lengthDelimited(number, one)))]);
      await expect(collected(bytes)).rejects.toThrow('too many declarations');
    });

    test('a method whose name could pass for something else in a log', async () => {
      const service = Buffer.concat([named('A'), lengthDelimited(2, named('Get\n2026 all is well'))]);
      await expect(collected(Buffer.concat([named('a.proto'), lengthDelimited(6, service)]))).rejects.toThrow(
        'a method whose name is none',
      );
    });
  });

  test('nothing of the text of a server is in an error', async () => {
    const { ask } = asking(() => answers.error(Code.INTERNAL));
    await expect(collect(ask, rules())).rejects.not.toThrow(/secret/);
  });
});

describe('options', () => {
  test.each<[unknown, string]>([
    [{ timeoutMs: '5s' }, 'options.timeoutMs: expected milliseconds as a number >= 1 and <= 600000, got "5s"; did you mean 5000?'],
    [{ maxBytes: 0 }, 'options.maxBytes: expected a whole number >= 1 and <= 1073741824, got 0'],
    [{ maxFiles: 1.5 }, 'options.maxFiles: expected a whole number >= 1 and <= 100000, got 1.5'],
    [{ timeout: 1 }, 'options.timeout: unknown option; did you mean timeoutMs?'],
    [{ services: 'a.B' }, 'options.services: expected a list of services such as "pkg.Service", got "a.B"'],
    [{ services: [] }, 'options.services: expected a list of services such as "pkg.Service", got an empty list'],
    [{ services: ['/a.B/C'] }, 'options.services[0]: expected a service such as "pkg.Service", got "/a.B/C"'],
  ])('%j is refused', (options, message) => {
    expect(() => resolveReflectOptions(options)).toThrow(message);
  });

  test('there are defaults for all', () => {
    expect(resolveReflectOptions(undefined)).toEqual({ services: undefined, timeoutMs: 10_000, maxBytes: 16_777_216, maxFiles: 2_000 });
  });
});
