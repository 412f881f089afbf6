/** What .proto files declare is linted too, with places in them. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placesInTexts } from '../../src/lint/proto-places.ts';
import { inmesh } from '../cli/rig.ts';

const ROOT = join(import.meta.dirname, '../..');
const SHOP = `syntax = "proto3";

package shop.v1;

import "inmesh/v1/options.proto";

// option (inmesh.v1.file_policy) = {timeout: {seconds: 9}};
service Cart {
  option (inmesh.v1.service_policy) = {bulkhead: {slots: 5, queue_timeout: {nanos: 500000000}}};

  rpc GetItem(Request) returns (Item) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (inmesh.v1.method_policy) = {
      timeout: {seconds: 1}
      retry_policy: {per_try_timeout: {seconds: 2}}
    };
  }
  rpc BatchGetItems(Requests) returns (Items);
  rpc PlaceOrder(Request) returns (Item) {
    option (inmesh.v1.method_policy).retry_policy = {retryable_status_codes: "ABORTED"}; // inmesh-lint: allow IM110
  }
  rpc PeekItem(Request) returns (Item) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (inmesh.v1.method_policy).batch = {
      via: "BatchGetItems"
      lift: {from: "id", to: "ids"}
      result: {items: "items", match: MATCH_KEY, key: "id"}
      on_batch_error: ON_BATCH_ERROR_FAIL_ALL
    };
  }
}

message Request {
  string id = 1;
}
message Requests {
  repeated string ids = 1;
}
message Item {
  string id = 1;
}
message Items {
  repeated Item items = 1;
}
`;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inmesh-declared-'));
  mkdirSync(join(folder, 'protos/shop/v1'), { recursive: true });
  cpSync(join(ROOT, 'protos'), join(folder, 'protos'), { recursive: true });
  writeFileSync(join(folder, 'protos/shop/v1/shop.proto'), SHOP);
  writeFileSync(join(folder, 'buf.yaml'), 'version: v2\nmodules: [{ path: protos }]\n');
  const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');
  for (const [name, ...flags] of [['image.binpb'], ['bare.binpb', '--exclude-source-info']])
    execFileSync(process.execPath, [buf, 'build', '-o', String(name), ...flags], { cwd: folder });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** `IM140 file:line:column`, without what is told of the document. */
async function found(line: string): Promise<string[]> {
  const { out, err } = await inmesh(['lint', ...line.split(' '), '--json'], { cwd: folder });
  expect(err).toBe('');
  const { findings } = JSON.parse(out) as { findings: { code: string; file: string; line: number; column: number }[] };
  return findings.map((finding) => `${finding.code} ${finding.file}:${finding.line}:${finding.column}`);
}

describe('inmesh lint of .proto files', () => {
  test('tells the place of an option by the notes in a descriptor set', async () => {
    expect(await found('--descriptors image.binpb')).toEqual([
      'IM170 shop/v1/shop.proto:9:10',
      'IM140 shop/v1/shop.proto:13:12',
      'IM120 shop/v1/shop.proto:20:12',
      'IM152 shop/v1/shop.proto:24:12',
    ]);
  });

  test('names the file where nothing more is noted', async () => {
    expect(await found('--descriptors bare.binpb')).toEqual(
      ['IM120', 'IM140', 'IM152', 'IM170'].map((code) => `${code} shop/v1/shop.proto:1:1`),
    );
  });

  test('tells it by the text of the files, of which proto-loader reads the options of methods', async () => {
    expect(await found('--proto protos')).toEqual([
      'IM140 protos/shop/v1/shop.proto:13:12',
      'IM120 protos/shop/v1/shop.proto:20:12',
      'IM152 protos/shop/v1/shop.proto:24:12',
    ]);
  });

  test('says what it is of, in words', async () => {
    const { out } = await inmesh(['lint', '--proto', 'protos'], { cwd: folder });
    expect(out).toContain('IM140 option (inmesh.v1.method_policy) of shop.v1.Cart/GetItem: retryPolicy.perTryTimeout');
  });

  test('what is told of a method is what holds with the document', async () => {
    writeFileSync(
      join(folder, 'own.yaml'),
      'methods: { shop.v1.Cart/GetItem: { timeout: 5s }, shop.v1.Cart/PlaceOrder: { idempotent: true } }',
    );
    expect(await found('own.yaml --descriptors image.binpb')).toEqual(['IM170 shop/v1/shop.proto:9:10', 'IM152 shop/v1/shop.proto:24:12']);
  });

  test('tells an option that is wrong at its place', async () => {
    const wrong = join(folder, 'wrong');
    cpSync(join(ROOT, 'protos'), wrong, { recursive: true });
    writeFileSync(join(wrong, 'shop.proto'), SHOP.replace('per_try_timeout: {seconds: 2}', 'initial_backoff: {seconds: 0}'));
    const { out, exit } = await inmesh(['lint', '--proto', 'wrong'], { cwd: folder });
    expect(exit).toBe(1);
    expect(out).toMatch(/^wrong\/shop\.proto:13:12 error IM101 option \(inmesh\.v1\.method_policy\) of shop\.v1\.Cart\/GetItem/);
  });
});

describe('places of options in text', () => {
  const places = placesInTexts([{ file: 'shop.proto', text: SHOP }]);

  test('are found outside of comments and strings', () => {
    expect(places('method', 'shop.v1.Cart/PlaceOrder')).toEqual({ file: 'shop.proto', line: 20, column: 12 });
    expect(places('service', 'shop.v1.Cart')).toEqual({ file: 'shop.proto', line: 9, column: 10 });
    expect(places('file', 'shop.proto')).toBeUndefined();
    expect(places('method', 'shop.v1.Cart/BatchGetItems')).toBeUndefined();
  });

  test.each(['', '}}}}', 'service', 'rpc x (inmesh.v1.method_policy)', '"', '/*', 'package a; service B { rpc C'])(
    'any text is taken: %j',
    (text) => {
      expect(placesInTexts([{ file: 'x.proto', text }])('method', 'a.B/C')).toBeUndefined();
    },
  );
});
