/**
 * Wrong options in .proto files: every one is refused when code is generated, with the place in the file. `«` marks it here.
 */
import type { FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { beforeAll, describe, expect, test } from 'vitest';
import { compile, run } from './request.ts';

/** A file with this batch rule; the rest of it is right. */
const withRule = (rule: string, level = 'option idempotency_level = NO_SIDE_EFFECTS;'): string => `syntax = "proto3";
package shelf.v1;
import "google/longrunning/operations.proto";
import "google/rpc/status.proto";
import "inmesh/v1/options.proto";
service Shelf {
  rpc Get(GetRequest) returns (Book) {
    ${level}
    option («inmesh.v1.method_policy) = {
      batch: {
        ${rule}
      }
    };
  }
  rpc BatchGet(BatchGetRequest) returns (BatchGetReply);
  rpc StreamGet(BatchGetRequest) returns (stream Book);
  rpc Upload(stream BatchGetRequest) returns (BatchGetReply);
  rpc Begin(BatchGetRequest) returns (google.longrunning.Operation);
}
message GetRequest {
  string name = 1;
  repeated string tags = 2;
  int64 number = 3;
  Book like = 4;
  double weight = 5;
}
message BatchGetRequest {
  repeated string names = 1;
  repeated GetRequest requests = 2;
  string tags = 3;
  string name = 4;
  int64 number = 5;
  repeated int64 numbers = 6;
}
message BatchGetReply {
  repeated Book books = 1;
  map<string, Book> by_name = 2;
  repeated Result results = 3;
  Book book = 4;
  repeated string titles = 5;
  map<int32, string> failed = 6;
}
message Result {
  Book book = 1;
  google.rpc.Status status = 2;
  string place = 3;
  repeated Book books = 4;
}
message Book {
  string name = 1;
  string title = 2;
}
`;

const LIFT = 'lift: {from: "name" to: "names"}';
const BOOKS = 'result: {items: "books"}';

/** Rule, what is wrong with it. Without a mark the place is that of the option. */
const RULES: readonly (readonly [rule: string, problem: string, level?: string])[] = [
  [
    `«via: "BatchGte" ${LIFT} ${BOOKS}`,
    'the descriptors have no method "shelf.v1.Shelf/BatchGte"; did you mean "shelf.v1.Shelf/BatchGet"?',
  ],
  [`«via: "other.v1.Other/Get" ${LIFT} ${BOOKS}`, 'the descriptors have no method "other.v1.Other/Get"'],
  [`«via: "Get" ${LIFT} ${BOOKS}`, 'expected another method, got the method itself'],
  [`«via: "Upload" ${LIFT} ${BOOKS}`, 'expected a unary method, got /shelf.v1.Shelf/Upload, which takes a stream'],
  [`«via: "StreamGet" ${LIFT} ${BOOKS}`, 'which answers with a stream; say so with result.stream: true'],
  [`«via: "Begin" ${LIFT} ${BOOKS}`, 'answers with a long-running operation'],
  [`via: "BatchGet" ${LIFT} result: {items: "books" «stream: true}`, 'expected a method that answers with a stream'],
  [`lift: {«from: "name" to: "names"} ${BOOKS}`, 'batch.via: required'],
  [`«via: "BatchGet" ${LIFT}`, 'batch.result: required'],
  [`«via: "BatchGet" ${BOOKS}`, 'expected either lift or wrap, got neither'],
  [`«via: "BatchGet" ${LIFT} wrap: "requests" ${BOOKS}`, 'expected either lift or wrap, got both'],
  [`via: "BatchGet" lift: {«from: "nam" to: "names"} ${BOOKS}`, 'shelf.v1.GetRequest has no field "nam"; did you mean "name"?'],
  [
    `via: "BatchGet" lift: {«from: "tags" to: "names"} ${BOOKS}`,
    'expected a single scalar, but shelf.v1.GetRequest.tags is repeated string',
  ],
  [`via: "BatchGet" lift: {«from: "like" to: "names"} ${BOOKS}`, 'expected a single scalar, but shelf.v1.GetRequest.like is shelf.v1.Book'],
  [`via: "BatchGet" lift: {from: "name" «to: "namse"} ${BOOKS}`, 'shelf.v1.BatchGetRequest has no field "namse"; did you mean "names"?'],
  [`via: "BatchGet" lift: {from: "name" «to: "tags"} ${BOOKS}`, 'expected repeated string, but shelf.v1.BatchGetRequest.tags is string'],
  [
    `via: "BatchGet" lift: {from: "name" «to: "numbers"} ${BOOKS}`,
    'expected repeated string, but shelf.v1.BatchGetRequest.numbers is repeated int64',
  ],
  [`via: "BatchGet" «wrap: "request" ${BOOKS}`, 'shelf.v1.BatchGetRequest has no field "request"; did you mean "requests"?'],
  [
    `via: "BatchGet" «wrap: "names" ${BOOKS}`,
    'expected repeated shelf.v1.GetRequest, but shelf.v1.BatchGetRequest.names is repeated string',
  ],
  [`via: "BatchGet" ${LIFT} «group_by: "wieght" ${BOOKS}`, 'shelf.v1.GetRequest has no field "wieght"; did you mean "weight"?'],
  [`via: "BatchGet" ${LIFT} «group_by: "weight" ${BOOKS}`, 'shelf.v1.BatchGetRequest has no field "weight"'],
  [`via: "BatchGet" ${LIFT} group_by: "number" «group_by: "tags" ${BOOKS}`, 'expected repeated string as in shelf.v1.GetRequest'],
  [`via: "BatchGet" ${LIFT} «group_by: "name" ${BOOKS}`, '"name" is used already'],
  [`via: "BatchGet" ${LIFT} result: {«items: "bokos"}`, 'shelf.v1.BatchGetReply has no field "bokos"; did you mean "books"?'],
  [
    `via: "BatchGet" ${LIFT} result: {«items: "book"}`,
    'expected a repeated field or a map, but shelf.v1.BatchGetReply.book is shelf.v1.Book',
  ],
  [`via: "BatchGet" ${LIFT} result: {«items: "titles"}`, 'expected shelf.v1.Book, the response, but an item is string'],
  [`via: "BatchGet" ${LIFT} result: {«items: "results"}`, 'expected shelf.v1.Book, the response, but an item is shelf.v1.Result'],
  [`via: "BatchGet" ${LIFT} result: {items: "titles" «set: "titel"}`, 'shelf.v1.Book has no field "titel"; did you mean "title"?'],
  [
    `via: "BatchGet" ${LIFT} result: {items: "results" «set: "title"}`,
    'expected shelf.v1.Result as an item, but shelf.v1.Book.title is string',
  ],
  [`via: "BatchGet" ${LIFT} result: {items: "results" «value: "boko"}`, 'shelf.v1.Result has no field "boko"; did you mean "book"?'],
  [`via: "BatchGet" ${LIFT} result: {items: "results" «value: "books"}`, 'expected a single value, but it is repeated shelf.v1.Book'],
  [`via: "BatchGet" ${LIFT} result: {items: "results" «value: "place"}`, 'expected shelf.v1.Book, the response, but an item is string'],
  [`via: "BatchGet" ${LIFT} result: {items: "results" value: "book" «status: "place"}`, 'expected google.rpc.Status, but it is string'],
  [`via: "BatchGet" ${LIFT} result: {items: "books" «failed: "failed"}`, 'google.rpc.Status'],
  [
    `via: "BatchGet" ${LIFT} result: {items: "results" value: "book" «index: "place"}`,
    'expected int32, uint32, int64 or uint64, but it is string',
  ],
  [
    `via: "BatchGet" ${LIFT} result: {items: "books" match: MATCH_KEY «key: "nmae"}`,
    'shelf.v1.Book has no field "nmae"; did you mean "name"?',
  ],
  [
    `via: "BatchGet" lift: {from: "number" to: "numbers"} result: {items: "books" match: MATCH_KEY «key: "name"}`,
    'expected int64 as shelf.v1.GetRequest.number',
  ],
  [`via: "BatchGet" ${LIFT} result: {items: "books" «key: "name"}`, 'only where match is "key" or "map"'],
  [`via: "BatchGet" wrap: "requests" result: {«items: "books" match: MATCH_KEY}`, 'required'],
  [`via: "BatchGet" ${LIFT} result: {items: "books" «match: MATCH_MAP}`, 'expected a map in "books", but it is none'],
  [`via: "BatchGet" ${LIFT} result: {«items: "by_name"}`, 'shelf.v1.BatchGetReply.by_name is a map: expected "map"'],
  [`via: "StreamGet" ${LIFT} result: {«stream: true}`, 'required in a stream that is matched by index'],
  [`«via: "BatchGet" ${LIFT} ${BOOKS}`, 'only methods that are marked as harmless to repeat are merged', ''],
  [`via: "BatchGet" ${LIFT} ${BOOKS} «on_batch_error: ON_BATCH_ERROR_BISECT`, 'is not marked as harmless to repeat', ''],
  [`«via: "BatchGet" ${LIFT} ${BOOKS}`, 'so one bad request fails the batch', 'option idempotency_level = IDEMPOTENT;'],
  [`via: "BatchGet" ${LIFT} ${BOOKS} «max_items: 1`, 'expected an integer from 2 to 1024'],
];

const file = (...lines: readonly string[]): string =>
  ['syntax = "proto3";', 'package bad.v1;', 'import "inmesh/v1/options.proto";', ...lines, ''].join('\n');
const A = 'message A { string x = 1; }';

/** Other options: file, what is wrong with it. */
const OTHERS: readonly (readonly [text: string, problem: string])[] = [
  [
    file(
      A,
      'service S {',
      '  rpc Get(A) returns (A) {',
      '    option idempotency_level = IDEMPOTENT;',
      '    option (inmesh.v1.method_policy) = {',
      '      retry_policy: {max_attempts: 9 initial_backoff: {«seconds: 9} max_backoff: {seconds: 1}}',
      '    };',
      '  }',
      '}',
    ),
    'retryPolicy.initialBackoff: expected at most maxBackoff',
  ],
  [
    file(
      A,
      'service S {',
      '  rpc Get(A) returns (A) {',
      '    «option (inmesh.v1.method_policy).hedging_policy.max_attempts = 1;',
      '  }',
      '}',
    ),
    'hedgingPolicy.maxAttempts: expected an integer >= 2',
  ],
  [
    file(
      A,
      'service S {',
      '  rpc Put(A) returns (A);',
      '  rpc Get(A) returns (stream A) {',
      '    option (inmesh.v1.method_policy) = {batch: {«via: "Put" lift: {from: "x" to: "x"} result: {items: "x"}}};',
      '  }',
      '}',
    ),
    'bad.v1.S/Get is a stream; only unary calls are merged',
  ],
  [
    file(A, 'service S {', '  option (inmesh.v1.service_policy) = {bulkhead: {«slots: 0}};', '  rpc Get(A) returns (A);', '}'),
    'bulkhead.slots: expected an integer >= 1',
  ],
  [
    file(
      A,
      'service S {',
      '  option (inmesh.v1.service_policy) = {batch: {«via: "Get" wrap: "x" result: {items: "x"}}};',
      '  rpc Get(A) returns (A);',
      '}',
    ),
    "a batch rule is one method's",
  ],
  [
    file('option (inmesh.v1.file_policy) = {bulkhead: {«slots: 0}};', A, 'service S {', '  rpc Get(A) returns (A);', '}'),
    'bulkhead.slots: expected an integer >= 1',
  ],
  [
    file(
      A,
      'service Good { rpc Get(A) returns (A); }',
      'service S {',
      '  rpc Get(A) returns (A);',
      '  rpc Other(A) returns (A) {',
      '    option (inmesh.v1.method_policy) = {bulkhead: {«slots: 0}};',
      '  }',
      '}',
    ),
    'bulkhead.slots: expected an integer >= 1',
  ],
];

const STATUS = 'syntax = "proto3";\npackage google.rpc;\nmessage Status { int32 code = 1; string message = 2; }\n';
const OPERATION = 'syntax = "proto3";\npackage google.longrunning;\nmessage Operation { string name = 1; }\n';

/** Where the mark is, and the text without it; of several the last one counts. */
function marked(text: string): { readonly text: string; readonly place: string } {
  const at = text.replaceAll(/«(?=[\s\S]*«)/g, '');
  const before = at.slice(0, at.indexOf('«')).split('\n');
  return { text: at.replace('«', ''), place: `${before.length}:${(before.at(-1)?.length ?? 0) + 1}` };
}

const cases = [
  ...RULES.map(([rule, problem, level]) => [withRule(rule, level), problem, rule] as const),
  ...OTHERS.map(([text, problem]) => [text, problem, problem] as const),
].map(([text, problem, about], index) => ({ ...marked(text), problem, about, name: `case${index}.proto` }));
let compiled: readonly FileDescriptorProto[] = [];
beforeAll(() => {
  // One namespace each, so that one run of the compiler takes them all.
  const own = cases.map(({ name, text }, index) => [name, text.replaceAll(/\b(shelf|bad)\.v1\b/g, `$1${index}.v1`)] as const);
  compiled = compile({ ...Object.fromEntries(own), 'google/rpc/status.proto': STATUS, 'google/longrunning/operations.proto': OPERATION });
});

describe('protoc-gen-inmesh', () => {
  test.each(cases)('refuses $about', ({ name, place, problem }) => {
    const index = name.replace(/\D/g, '');
    const said = failure(() => run(compiled, [name])).replaceAll(new RegExp(`\\b(shelf|bad)${index}\\.v1\\b`, 'g'), '$1.v1');
    expect(said).toContain(problem);
    expect(said.slice(0, said.indexOf(': '))).toBe(`${name}:${place}`);
  });

  test('takes the same file when nothing is wrong with it', () => {
    const { text } = marked(withRule(`via: "BatchGet" ${LIFT} ${BOOKS}`));
    const good = compile({ 'good.proto': text, 'google/rpc/status.proto': STATUS, 'google/longrunning/operations.proto': OPERATION });
    const written = run(good, ['good.proto'], 'target=ts,messages=es').get('good_inmesh.ts') ?? '';
    expect(written).toContain("via: 'BatchGet'");
    expect(written).toContain("lift: {\n      from: 'name',\n      to: 'names',");
  });

  test('of a compiler that notes no places inside options it names the statement, of one that notes none the file', () => {
    const one = cases[11];
    const without = (keep: (path: readonly number[]) => boolean): readonly FileDescriptorProto[] =>
      compiled.map((proto) => {
        if (proto.name !== one?.name || proto.sourceCodeInfo === undefined) return proto;
        const location = proto.sourceCodeInfo.location.filter(({ path }) => keep(path));
        return { ...proto, sourceCodeInfo: { ...proto.sourceCodeInfo, location } };
      });
    const name = one?.name ?? '';
    const said = (keep: (path: readonly number[]) => boolean): string => failure(() => run(without(keep), [name]));
    expect(said((path) => path.length <= 6)).toMatch(new RegExp(`^${name}:9:12: `)); // as protoc does
    expect(said(() => false)).toMatch(new RegExp(`^${name}:1:1: `));
  });
});

function failure(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'nothing is refused';
}
