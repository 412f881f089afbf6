/** A service with messages of all kinds, as proto-loader reads it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPackageDefinition, type ServiceClientConstructor, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = `
syntax = "proto3";
package shop;
service Shop {
  rpc Find(FindRequest) returns (FindReply);
  rpc Upload(stream FindRequest) returns (FindReply);
}
message User { int64 id = 1; bool vip = 2; }
enum Kind { NONE = 0; BOOK = 1; FILM = 2; }
message FindRequest {
  string region = 1;
  User user = 2;
  int32 page = 3;
  sint64 delta = 4;
  double ratio = 5;
  Kind kind = 6;
  uint64 big = 7;
  repeated string tags = 8;
}
message Item { string name = 1; double price = 2; }
message FindReply {
  repeated Item items = 1;
  map<string, int64> stock = 2;
  User user = 3;
  bytes blob = 4;
  string etag = 5;
}
`;

export interface Loaded {
  readonly service: ServiceDefinition;
  readonly Shop: ServiceClientConstructor;
  /** A request as bytes. */
  readonly typed: (message: object) => Buffer;
  /** A reply as bytes. */
  readonly reply: (message: object) => Buffer;
}

export function load(): Loaded {
  const folder = mkdtempSync(join(tmpdir(), 'inmesh-shop-'));
  try {
    const file = join(folder, 'shop.proto');
    writeFileSync(file, PROTO);
    const { shop } = loadPackageDefinition(loadSync(file, { keepCase: true, longs: String }));
    const { Shop } = shop as unknown as { readonly Shop: ServiceClientConstructor };
    const find = Shop.service['Find'];
    if (find === undefined) throw new Error('no such method');
    return { service: Shop.service, Shop, typed: find.requestSerialize, reply: find.responseSerialize };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
