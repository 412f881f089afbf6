/**
 * The reader of descriptors sees the same in what buf writes and in what proto-loader keeps.
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { filesOfSet } from '../../../../src/batch/native/descriptor-files.ts';
import { Catalog, type Field } from '../../../../src/batch/native/descriptors.ts';
import { readDescriptors } from '../../../../src/batch/native/sources.ts';
import { WireError } from '../../../../src/batch/wire.ts';
import { library } from '../../../support/native.ts';

const PROTOS = `${import.meta.dirname}/../../../support/native`;
const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');
const image = execFileSync(process.execPath, [buf, 'build', PROTOS, '-o', '-#format=binpb'], { maxBuffer: 1 << 24 });

const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
/** protobufjs keeps other names of fields, and of the entries of maps. */
const plain = (field: Field): object => ({
  ...field,
  name: camel(field.name),
  typeName: camel(field.typeName).replace(/(\.\w+\.\w+)\.(\w+)Entry$/, '$1.$2'),
});
const messages = [
  'GetBookRequest',
  'Book',
  'BatchGetBooksRequest',
  'GetUserRequest',
  'BatchGetEntitiesResponse',
  'CheckResult',
  'BatchCountRequest',
  'PriceItem',
];

describe('descriptors', () => {
  const written = readDescriptors(image);
  const loaded = readDescriptors(library);

  test.each(messages)('of %s are the same from buf and from proto-loader', (name) => {
    const fields = (catalog: Catalog): object[] | undefined =>
      catalog.message(`library.v1.${name}`)?.fields.map((field) => ({ ...plain(field), isMap: catalog.message(field.typeName)?.mapEntry }));
    expect(fields(written)?.length).toBeGreaterThan(0);
    expect(fields(loaded)).toEqual(fields(written));
  });

  test('of methods are the same, with idempotency_level', () => {
    const all = [...written.methods].filter(({ path }) => path.startsWith('/library.v1'));
    expect(all).toHaveLength(18);
    // proto-loader names files after packages.
    for (const method of all) expect(loaded.method(method.path)).toEqual({ ...method, file: 'library_v1.proto' });
    expect(all.map(({ idempotency }) => idempotency)).toContain('idempotent');
    expect(loaded.method('/library.v1.Library/StreamPrices')).toMatchObject({ clientStreaming: false, serverStreaming: true });
  });

  test('resolve names as .proto files write them: the innermost scope wins', () => {
    // package p; message A { B b; message B {} }  message B {}   with the relative name "B" in A
    const text = (number: number, value: string): Buffer =>
      Buffer.concat([Buffer.from([number * 8 + 2, value.length]), Buffer.from(value)]);
    const message = (number: number, ...parts: Buffer[]): Buffer => text(number, Buffer.concat(parts).toString('latin1'));
    const field = message(2, text(1, 'b'), Buffer.from([0x18, 1, 0x28, 11]), text(6, 'B'));
    const file = Buffer.concat([text(2, 'p'), message(4, text(1, 'A'), field, message(3, text(1, 'B'))), message(4, text(1, 'B'))]);
    expect(new Catalog([file]).message('p.A')?.fields[0]?.typeName).toBe('p.A.B');
  });

  test('of proto2 are not packed and have presence', () => {
    const field = Buffer.from([0x12, 9, 0x0a, 1, 0x61, 0x18, 1, 0x20, 3, 0x28, 5]);
    const file = Buffer.concat([Buffer.from([0x22, 3 + field.length, 0x0a, 1, 0x4d]), field]);
    expect(new Catalog([file]).message('M')?.fields[0]).toMatchObject({ type: 'int32', repeated: true, packed: false });
  });

  test('that are cut off are an error, not a read outside', () => {
    for (let length = 1; length < 200; length++) {
      try {
        new Catalog(filesOfSet(image.subarray(0, length)));
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }
  });
});
