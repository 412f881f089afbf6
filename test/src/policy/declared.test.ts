import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSync } from '@grpc/proto-loader';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDescriptors } from '../../../src/batch/native/sources.ts';
import { ConfigError } from '../../../src/errors.ts';
import { DeclaredPolicies } from '../../../src/policy/declared.ts';
import { policyOfBytes } from '../../../src/policy/option-values.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PROTOS = join(ROOT, 'protos');
const SHOP = join(import.meta.dirname, 'declared');
const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inmesh-declared-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A descriptor set of one folder's files, ours beside them. */
function imageOf(dir: string): Uint8Array {
  const work = mkdtempSync(join(folder, 'work-'));
  cpSync(PROTOS, join(work, 'ours'), { recursive: true });
  cpSync(dir, join(work, 'theirs'), { recursive: true });
  writeFileSync(join(work, 'buf.yaml'), JSON.stringify({ version: 'v2', modules: [{ path: 'ours' }, { path: 'theirs' }] }));
  return execFileSync(process.execPath, [buf, 'build', '-o', '-#format=binpb'], { cwd: work, maxBuffer: 1 << 24 });
}

function declared(method: string, from: DeclaredPolicies): unknown {
  return from.of(`/shop.v1.Shop/${method}`).map(({ where, says }) => [where, says]);
}

const BULKHEAD = { slots: 100, partitions: { acme: 0.5, globex: 0.25 }, by: 'tenant' };
const SERVICE = ['shop.proto: option (inmesh.v1.service_policy) of shop.v1.Shop', { bulkhead: BULKHEAD, retryPolicy: { maxAttempts: 3 } }];
const FILE = ['shop.proto: option (inmesh.v1.file_policy)', { timeout: '2s', retryPolicy: { initialBackoff: '0.02s' } }];
const GET_ITEM = {
  coalesce: 'auto',
  retryPolicy: {
    maxAttempts: 4,
    retryableStatusCodes: ['UNAVAILABLE', 'ABORTED'],
    perTryTimeout: '1.5s',
    backoffMultiplier: 1.5,
  },
};

describe('policy in options of a descriptor set', () => {
  let policies: DeclaredPolicies;
  beforeAll(() => {
    policies = new DeclaredPolicies(readDescriptors(imageOf(SHOP)));
  });

  test('is read whole: method, service and file, the most special first, each with its place', () => {
    expect(declared('GetItem', policies)).toEqual([
      ['shop.proto: option (inmesh.v1.method_policy) of shop.v1.Shop/GetItem', GET_ITEM],
      ['idempotency_level of shop.v1.Shop/GetItem', { idempotent: true }],
      SERVICE,
      FILE,
    ]);
  });

  test('several statements about one option are one value', () => {
    expect(declared('PutItem', policies)).toEqual([
      ['shop.proto: option (inmesh.v1.method_policy) of shop.v1.Shop/PutItem', { timeout: '5s', breaker: { consecutiveFailures: 7 } }],
      SERVICE,
      FILE,
    ]);
  });

  test('an option of ours stands above idempotency_level', () => {
    expect(policies.of('/shop.v1.Shop/DropItem').map(({ says }) => says.idempotent)).toEqual([false, true, undefined, undefined]);
  });

  test('methods without one have what their service and file say; of unknown methods nothing is said', () => {
    expect(declared('ListItems', policies)).toEqual([SERVICE, FILE]);
    expect(declared('Nothing', policies)).toEqual([]);
  });
});

describe('policy in options of .proto text that proto-loader read', () => {
  test.for([{}, { keepCase: true }, { enums: String }])('is read for methods, with %o', (options) => {
    const loaded = loadSync('shop.proto', { ...options, includeDirs: [SHOP, PROTOS] });
    const policies = new DeclaredPolicies(readDescriptors(loaded));
    expect(declared('GetItem', policies)).toEqual([
      ['option (inmesh.v1.method_policy) of shop.v1.Shop/GetItem', GET_ITEM],
      ['idempotency_level of shop.v1.Shop/GetItem', { idempotent: true }],
    ]);
    expect(declared('PutItem', policies)).toEqual([
      ['option (inmesh.v1.method_policy) of shop.v1.Shop/PutItem', { timeout: '5s', breaker: { consecutiveFailures: 7 } }],
    ]);
    expect(policies.of('/shop.v1.Shop/DropItem').map(({ says }) => says.idempotent)).toEqual([false, true]);
  });
});

describe('a value that makes no sense', () => {
  /** The text of the error that a file with this option of its method gives, read from descriptors and from text. */
  function faults(option: string): string[] {
    const proto = `syntax = "proto3";\npackage bad;\nimport "inmesh/v1/options.proto";\nmessage A { string x = 1; }\nservice S { rpc Get(A) returns (A) { option (inmesh.v1.method_policy) = {${option}}; } }\n`;
    const dir = mkdtempSync(join(folder, 'bad-'));
    writeFileSync(join(dir, 'bad.proto'), proto);
    const messageOf = (make: () => unknown): string => {
      try {
        make();
      } catch (error) {
        if (error instanceof ConfigError) return error.message;
        throw error;
      }
      return 'no error';
    };
    const loaded = loadSync('bad.proto', { includeDirs: [dir, PROTOS] });
    return [
      messageOf(() => new DeclaredPolicies(readDescriptors(imageOf(dir)))),
      messageOf(() => new DeclaredPolicies(readDescriptors(loaded))),
    ];
  }

  test.for([
    ['retry_policy: {max_attempts: 0}', 'retryPolicy.maxAttempts: expected an integer >= 1, got 0'],
    ['retry_policy: {retryable_status_codes: "UNAVAILABEL"}', 'retryPolicy.retryableStatusCodes[0]: expected a gRPC status code'],
    ['timeout: {seconds: -1}', 'timeout: expected a duration'],
    ['hedging_policy: {percentile: 2}', 'hedgingPolicy.percentile: expected a number'],
  ] as const)('%s is an error that names file, option, method, field and value', ([option, problem]) => {
    const [fromBytes, fromText] = faults(option);
    expect(fromBytes).toContain(`bad.proto: option (inmesh.v1.method_policy) of bad.S/Get: ${problem}`);
    expect(fromText).toContain(`option (inmesh.v1.method_policy) of bad.S/Get: ${problem}`);
  });

  test('bytes that are no message: an error, or a value that the checker sees; never anything else (law)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          policyOfBytes([bytes]);
        } catch (error) {
          expect((error as Error).name).toBe('WireError');
        }
      }),
      { numRuns: 2000 },
    );
  });
});
