/**
 * The wire of the carriers: what is written is read, protobuf reads and writes the same bytes, and no bytes do harm.
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { create, createFileRegistry, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entries } from '../../src/batch/entries.ts';
import { LastText } from '../../src/batch/last-text.ts';
import { decodeReply, encodeReply, resultSize, type WireResult } from '../../src/batch/reply-codec.ts';
import { decodeRequest, encodeFrame, encodeRequest, type WireItem } from '../../src/batch/request-codec.ts';
import { varintSize, WireError, writeVarint } from '../../src/batch/wire.ts';

const MAX = 2 ** 53;
const MANY = 1_000_000;

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'grapheme-ascii', maxLength: 200 }));
const size = fc.oneof(
  fc.nat(200),
  fc.nat(),
  fc.constantFrom(127, 128, 16_383, 16_384, 2 ** 28, 2 ** 31, 2 ** 32, 2 ** 35, MAX - 1),
  fc.maxSafeNat(),
);
const entry = fc.oneof(fc.tuple(text, text), fc.tuple(fc.constant('a-bin'), bytes));
const entries: fc.Arbitrary<Entries | undefined> = fc.option(
  fc.array(entry, { minLength: 1, maxLength: 4 }).map((pairs) => pairs.flat()),
  { nil: undefined },
);
const item: fc.Arbitrary<WireItem> = fc.record({ request: bytes, timeoutUs: size, metadata: entries });
const items = fc.array(item, { maxLength: 20 });
const result: fc.Arbitrary<WireResult> = fc.record({
  id: fc.nat(),
  code: fc.nat(16),
  details: text,
  response: fc.option(bytes, { nil: undefined }),
  headers: entries,
  trailers: entries,
});
const results = fc.array(result, { maxLength: 20 });

/** The messages' descriptions, from the .proto file itself. */
const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');
const image = execFileSync(process.execPath, [buf, 'build', '--path', 'protos/inmesh/v1/batch.proto', '-o', '-#format=binpb']);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));

function described(name: string): DescMessage {
  const message = registry.getMessage(`inmesh.v1.${name}`);
  if (message === undefined) throw new Error(`no ${name} in batch.proto`);
  return message;
}
const BatchRequest = described('BatchRequest');
const BatchReply = described('BatchReply');

/** Entries as protobuf has them. */
function messages(flat: Entries | undefined): Record<string, unknown>[] {
  const out: Record<string, unknown>[] = [];
  for (let i = 0; i < (flat?.length ?? 0); i += 2) {
    const value = flat?.[i + 1];
    out.push({ key: flat?.[i], value: typeof value === 'string' ? { case: 'text', value } : { case: 'binary', value } });
  }
  return out;
}

/** What any decoder may do with bytes: give a message, or say WireError. */
function onlyWireError(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    expect(error).toBeInstanceOf(WireError);
  }
}

describe('varint', () => {
  test('varintSize is what writeVarint writes, up to 2^53', () => {
    fc.assert(
      fc.property(size, (value) => {
        expect(writeVarint(Buffer.alloc(10), 0, value)).toBe(varintSize(value));
      }),
    );
  });
});

describe('batch request', () => {
  test('what is encoded is decoded (K1, K22)', () => {
    fc.assert(
      fc.property(items, fc.nat(), (batch, maxReplyBytes) => {
        const parsed = decodeRequest(encodeRequest(batch, maxReplyBytes), MANY);
        expect(parsed).toEqual({ version: 1, ids: batch.map((_, id) => id), items: batch, methods: [], cancels: [], maxReplyBytes });
      }),
    );
  });

  test('protobuf reads what we write', () => {
    fc.assert(
      fc.property(items, fc.nat(), (batch, maxReplyBytes) => {
        const read = fromBinary(BatchRequest, encodeRequest(batch, maxReplyBytes));
        const meant = batch.map(({ request, timeoutUs, metadata }, id) => ({
          id,
          request,
          timeoutUs: BigInt(timeoutUs),
          metadata: messages(metadata),
        }));
        expect(Buffer.from(toBinary(BatchRequest, read))).toEqual(
          Buffer.from(toBinary(BatchRequest, create(BatchRequest, { version: 1, items: meant, maxReplyBytes }))),
        );
      }),
    );
  });

  test('we read what protobuf writes, also fields that we do not know', () => {
    fc.assert(
      fc.property(items, fc.nat(), (batch, maxReplyBytes) => {
        const meant = batch.map(({ request, timeoutUs, metadata }, id) => ({
          id,
          request,
          timeoutUs: BigInt(timeoutUs),
          metadata: messages(metadata),
          method: '/not/for-envelopes',
        }));
        const written = toBinary(BatchRequest, create(BatchRequest, { version: 1, items: meant, maxReplyBytes }));
        expect(decodeRequest(Buffer.from(written), MANY)).toEqual({
          version: 1,
          ids: batch.map((_, id) => id),
          items: batch,
          methods: batch.map(() => '/not/for-envelopes'),
          cancels: [],
          maxReplyBytes,
        });
      }),
    );
  });

  test('fields of every wire type that nobody knows are passed over', () => {
    // Field 15: varint, fixed64, bytes, fixed32.
    const unknown = Buffer.from([0x78, 0xff, 0x01, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7a, 2, 9, 9, 0x7d, 1, 2, 3, 4]);
    const known: WireItem = { request: Buffer.from('r'), timeoutUs: 7, metadata: undefined };
    const parsed = decodeRequest(Buffer.concat([unknown, encodeRequest([known], 5), unknown]), 10);
    expect(parsed).toEqual({ version: 1, ids: [0], items: [known], methods: [], cancels: [], maxReplyBytes: 5 });
  });

  test('a limit on items holds while parsing', () => {
    const batch = Array.from({ length: 5 }, () => ({ request: Buffer.alloc(0), timeoutUs: 0, metadata: undefined }));
    expect(decodeRequest(encodeRequest(batch, 0), 5).items).toHaveLength(5);
    expect(() => decodeRequest(encodeRequest(batch, 0), 4)).toThrow('more than 4 items');
  });

  test('a bomb of 2 M items is refused in under 50 ms and little memory (Q2)', () => {
    const bomb = Buffer.alloc(4 << 20);
    for (let i = 0; i < bomb.length; i += 2) bomb[i] = 0x12;
    expectCheapRefusal(() => decodeRequest(bomb, 1024), 'more than 1024 items');
  });

  test('a bomb of 2 M metadata entries in one item is refused in under 50 ms and little memory (Q2)', () => {
    const length = 4 << 20;
    const bomb = Buffer.alloc(1 + varintSize(length) + length);
    bomb[0] = 0x12;
    for (let i = writeVarint(bomb, 1, length); i < bomb.length; i += 2) bomb[i] = 0x22;
    expectCheapRefusal(() => decodeRequest(bomb, 1024), 'metadata');
  });
});

function expectCheapRefusal(decode: () => unknown, words: string): void {
  const before = process.memoryUsage().heapUsed;
  const start = process.hrtime.bigint();
  expect(decode).toThrow(words);
  expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(50);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(50 << 20);
}

describe('tunnel frame', () => {
  const frameItem = fc.record({
    request: bytes,
    timeoutUs: size,
    metadata: entries,
    id: fc.nat(2 ** 32 - 1),
    path: fc.constantFrom('/a.B/C', '/a.B/D', '/a.Other/Größe', `/a.Long/${'n'.repeat(300)}`),
  });
  const frame = fc.array(frameItem, { maxLength: 40 });
  const ids = fc.array(fc.nat(2 ** 32 - 1), { maxLength: 20 });

  test('what is encoded is decoded: ids, methods, cancellations (K1, K22)', () => {
    fc.assert(
      fc.property(frame, ids, (batch, cancels) => {
        expect(decodeRequest(encodeFrame(batch, cancels), MANY)).toEqual({
          version: 1,
          ids: batch.map(({ id }) => id),
          items: batch.map(({ request, timeoutUs, metadata }) => ({ request, timeoutUs, metadata })),
          methods: batch.map(({ path }) => path),
          cancels,
          maxReplyBytes: 0,
        });
      }),
    );
  });

  test('a tunnel that remembers the last method reads what one that does not reads', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (sent) => {
        const [C, D] = Buffer.from('CD');
        const last = new LastText();
        for (const batch of sent) {
          const message = encodeFrame(batch, []);
          const read = decodeRequest(message, MANY, last);
          for (let i = 0; i < message.length; i++) if (message[i] === C) message[i] = D as number; // what is remembered does not lie in it
          expect(read.methods).toEqual(decodeRequest(encodeFrame(batch, []), MANY).methods);
        }
      }),
    );
  });

  test('protobuf reads what we write; a method stands where it changes', () => {
    fc.assert(
      fc.property(frame, ids, (batch, cancels) => {
        const read = fromBinary(BatchRequest, encodeFrame(batch, cancels)) as unknown as {
          items: { id: number; method: string }[];
          cancels: number[];
        };
        expect(read.items.map(({ method }) => method)).toEqual(batch.map(({ path }, i) => (path === batch[i - 1]?.path ? '' : path)));
        expect(read.items.map(({ id }) => id)).toEqual(batch.map(({ id }) => id));
        expect(read.cancels).toEqual(cancels);
      }),
    );
  });

  test('too many cancellations are refused while parsing', () => {
    const many = encodeFrame([], new Array<number>(70_000).fill(1));
    expect(() => decodeRequest(many, MANY)).toThrow('more than 65536 cancellations');
  });

  test('a reply says that no more items are taken', () => {
    expect(decodeReply(encodeReply([], false, true), MANY)).toEqual({ results: [], last: false, drain: true });
    expect(fromBinary(BatchReply, encodeReply([], true, true))).toMatchObject({ last: true, drain: true });
  });
});

describe('batch reply', () => {
  test('what is encoded is decoded, and resultSize says how long it is (K1)', () => {
    fc.assert(
      fc.property(results, fc.boolean(), (batch, last) => {
        const encoded = encodeReply(batch, last);
        expect(decodeReply(encoded, MANY)).toEqual({ results: batch, last, drain: false });
        expect(encoded.length).toBe(batch.reduce((sum, one) => sum + resultSize(one), last ? 2 : 0));
      }),
    );
  });

  test('protobuf reads what we write, and we read what protobuf writes', () => {
    fc.assert(
      fc.property(results, fc.boolean(), (batch, last) => {
        const meant = batch.map(({ id, code, details, response, headers, trailers }) => ({
          id,
          code,
          details,
          response: response ?? Buffer.alloc(0),
          headers: messages(headers),
          trailers: messages(trailers),
        }));
        const written = Buffer.from(toBinary(BatchReply, create(BatchReply, { results: meant, last })));
        expect(Buffer.from(toBinary(BatchReply, fromBinary(BatchReply, encodeReply(batch, last))))).toEqual(written);
        // Empty bytes and no bytes look alike in proto3.
        const read = decodeReply(written, MANY).results.map((one) => ({ ...one, response: one.response ?? Buffer.alloc(0) }));
        expect(read).toEqual(batch.map((one) => ({ ...one, response: one.response ?? Buffer.alloc(0) })));
      }),
    );
  });

  test('a message with an empty response is told from one without', () => {
    const empty: WireResult = { id: 0, code: 0, details: '', response: Buffer.alloc(0), headers: undefined, trailers: undefined };
    expect(decodeReply(encodeReply([empty, { ...empty, response: undefined }], true), 2).results).toEqual([
      empty,
      { ...empty, response: undefined },
    ]);
  });

  test('a limit on results holds while parsing', () => {
    const one: WireResult = { id: 0, code: 0, details: '', response: undefined, headers: undefined, trailers: undefined };
    expect(() => decodeReply(encodeReply([one, one], true), 1)).toThrow(WireError);
  });
});

describe('bytes that are no message', () => {
  const decoders = [(buffer: Buffer) => decodeRequest(buffer, 1024), (buffer: Buffer) => decodeReply(buffer, 1024)];

  test('random bytes end in a message or a WireError (Q22)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (array) => {
        for (const decode of decoders) onlyWireError(() => decode(Buffer.from(array)));
      }),
      { numRuns: 2_000 },
    );
  });

  test('a message cut short at any byte or with any byte changed ends in a message or a WireError (Q22)', () => {
    fc.assert(
      fc.property(items, results, fc.nat(), fc.nat(255), (request, reply, place, byte) => {
        for (const whole of [encodeRequest(request, 9), encodeReply(reply, true)]) {
          const at = place % whole.length;
          const changed = Buffer.from(whole);
          changed[at] = byte;
          for (const decode of decoders) {
            onlyWireError(() => decode(whole.subarray(0, at)));
            onlyWireError(() => decode(changed));
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test.for([
    ['an item that reaches over the end', [0x12, 5, 0x08, 1]],
    ['a request inside an item that reaches over the item', [0x12, 2, 0x12, 5, 1, 1, 1, 1, 1]],
    ['a length past 2^53', [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a number without end', [0x08, ...Array.from({ length: 11 }, () => 0xff)]],
    ['a fixed64 cut short', [0x79, 1, 2, 3]],
    ['a group', [0x7b]],
  ] as const)('%s is a WireError', ([, lie]) => {
    expect(() => decodeRequest(Buffer.from(lie), 10)).toThrow(WireError);
  });
});
