/**
 * Code for messages of proto-loader: what it makes of bytes and objects is what proto-loader makes of the .proto files.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as keptNight from './gen/keep-case/night/v1/night_inmesh.ts';
import * as kept from './gen/keep-case/parcel/v1/parcel_inmesh.ts';
import * as night from './gen/proto-loader/night/v1/night_inmesh.ts';
import * as camel from './gen/proto-loader/parcel/v1/parcel_inmesh.ts';
import { compile, run } from './request.ts';

const HERE = import.meta.dirname;
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inmesh-shapes-'));
  cpSync(join(HERE, 'proto'), folder, { recursive: true });
  cpSync(join(HERE, '../../protos'), folder, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a program gets that loads the .proto file itself. */
const loaded = (file: string, service: string, options: object): ServiceDefinition =>
  loadSync(join(folder, file), { ...options, includeDirs: [folder] })[service] as ServiceDefinition;

const KEPT: readonly kept.Parcel[] = [
  {},
  { tracking_id: 'a', weight_mg: '9007199254740993', width: 1.5, fragile: true, label: Buffer.from('é'), kind: 'KIND_BOX', default: 'd' },
  { steps: [{ place_name: 'here' }, { at_time: { seconds: 5, nanos: 6 } }, {}], codes: [1, '18446744073709551615'] },
  { items: { tea: { name: 'tea', pence: 3 }, none: {} }, kinds: { 1: 'KIND_LETTER', 2: 7 } },
  { note: '', person: 'p' },
  { inside: { inside: { tracking_id: 'deep' } } },
  { kind: 99, weight_mg: -1 },
];
const CAMEL: readonly camel.Parcel[] = [
  {},
  { trackingId: 'a', weightMg: '9007199254740993', steps: [{ placeName: 'here', atTime: { seconds: '5' } }] },
  { inside: { trackingId: 'in' }, note: 'n' },
];
const SLEEPS: readonly keptNight.SleepRequest[] = [{}, { hours: 3, bed_name: '', naps: [1, 200, 3], depth: 'DEPTH_DEEP' }, { hours: 0 }];

interface Codec {
  readonly requestSerialize: (value: never) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
}
const both = (codec: Codec, value: unknown): unknown => {
  const bytes = codec.requestSerialize(value as never);
  return [bytes.toString('hex'), codec.requestDeserialize(bytes)];
};

describe('messages of proto-loader', () => {
  test.each(KEPT)('with keep_case: %j', (value) => {
    const theirs = loaded('parcel/v1/parcel.proto', 'parcel.v1.Parcels', kept.loaderOptions)['Send'] as Codec;
    expect(both(kept.ParcelsDefinition.send, value)).toEqual(both(theirs, value));
  });

  test.each(CAMEL)('without: %j', (value) => {
    const theirs = loaded('parcel/v1/parcel.proto', 'parcel.v1.Parcels', camel.loaderOptions)['Send'] as Codec;
    expect(both(camel.ParcelsDefinition.send, value)).toEqual(both(theirs, value));
  });

  test.each(SLEEPS)('of a file in an edition: %j', (value) => {
    const theirs = loaded('night/v1/night.proto', 'night.v1.Night', kept.loaderOptions)['Sleep'] as Codec;
    expect(both(keptNight.NightDefinition.sleep, value)).toEqual(both(theirs, value));
  });

  test('their types are true of what comes', () => {
    const full = kept.ParcelsDefinition.send;
    const parcel = full.requestDeserialize(full.requestSerialize({ inside: {}, kind: 1, codes: [2] }));
    const told: [string, string, boolean | undefined, string[], Buffer, kept.Kind, 'person' | 'inside' | undefined] = [
      parcel.weight_mg,
      parcel.tracking_id,
      parcel.inside?.fragile,
      parcel.codes,
      parcel.label,
      parcel.kind,
      parcel.receiver,
    ];
    expect(told).toEqual(['0', '', false, ['2'], Buffer.alloc(0), 'KIND_LETTER', 'inside']);
    // What comes may be given again.
    expect(full.responseDeserialize(full.responseSerialize(parcel))).toEqual(parcel);
    const sleep = night.NightDefinition.sleep;
    expect(sleep.responseDeserialize(sleep.responseSerialize({ dreams: [{ about: 'x', within: {} }] }))).toEqual({
      rested: false,
      dreams: [{ about: 'x', within: { about: '', within: null } }],
    });
  });

  test('names of messages that others have too do not clash; defaults of proto2 are there; a group is refused with its place', () => {
    const text = (more: string): string => `syntax = "proto2";
package clash.v1;
service Mesh { rpc Ask(Policy) returns (TypedClient); }
message Policy {
  required string metadata = 1;
  optional int32 answer = 2 [default = 42];
  optional Mode mode = 3 [default = MODE_ON];
  repeated int32 loose = 4;
  enum Mode { option allow_alias = true; MODE_OFF = 0; MODE_ON = 1; MODE_YES = 1; }
  ${more}
}
message TypedClient { optional string quote = 1 [default = "it's"]; optional bool on = 2 [default = true]; }
`;
    const written =
      run(compile({ 'clash.proto': text('') }), ['clash.proto'], 'target=ts,messages=proto-loader').get('clash_inmesh.ts') ?? '';
    expect(written).toContain('Policy as Policy$1');
    expect(written).toContain('TypedClient as TypedClient$1');
    expect(written).toContain("answer: { type: 'int32', id: 2, options: { default: 42 } }");
    expect(written).toContain("loose: { rule: 'repeated', type: 'int32', id: 4, options: { packed: false } }");
    expect(written).toContain("options: { default: 'it\\'s' }");
    expect(() =>
      run(compile({ 'clash.proto': text('optional group Part = 5 {}') }), ['clash.proto'], 'target=ts,messages=proto-loader'),
    ).toThrow(/^clash\.proto:10:3: clash\.v1\.Policy\.part is a group/);
  });
});
