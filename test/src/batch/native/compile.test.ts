/**
 * A batch rule that does not fit its methods is refused at the start, with the field and the reason.
 */
import { describe, expect, test } from 'vitest';
import { readDescriptors } from '../../../../src/batch/native/sources.ts';
import { ConfigError } from '../../../../src/errors.ts';
import { createMesh } from '../../../../src/mesh.ts';
import type { BatchRule, Policy, ResultMap } from '../../../../src/policy/policy.gen.ts';
import { library, type Mode, policyOf, RULES } from '../../../support/native.ts';

const SERVICE = 'library.v1.Library';

/** The fault of a policy, as path below the method's rule and problem. */
function faultOf(policy: Policy, descriptors: object | null = library): { path: string; problem: string } {
  try {
    createMesh(policy, descriptors === null ? {} : { descriptors });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { path: error.path, problem: error.message.slice(error.path.length + 2) };
  }
  throw new Error('the policy was taken');
}

const ruleFault = (mode: Mode, change: Partial<BatchRule>, result: Partial<ResultMap> = {}): { path: string; problem: string } => {
  const base = RULES[mode];
  const undefinedOut = (value: object): object => Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));
  const batch = undefinedOut({ ...base, ...change, result: undefinedOut({ ...base.result, ...result }) }) as BatchRule;
  const { path, problem } = faultOf({ methods: { [`${SERVICE}/${mode}`]: { batch } } });
  return { path: path.replace(`policy.methods["${SERVICE}/${mode}"].batch`, ''), problem };
};

type Row = [why: string, mode: Mode, change: Partial<BatchRule>, result: Partial<ResultMap>, path: string, problem: string];
const none = {} as const;
const gone = (key: string): object => ({ [key]: undefined });

const ROWS: Row[] = [
  // via
  [
    'via is no method',
    'GetBook',
    { via: 'BatchGetBook' },
    none,
    '.via',
    'the descriptors have no method "library.v1.Library/BatchGetBook"; did you mean "library.v1.Library/BatchGetBooks"?',
  ],
  ['via is the method itself', 'GetBook', { via: 'GetBook' }, none, '.via', 'expected another method, got the method itself'],
  [
    'via answers with a stream',
    'GetBook',
    { via: 'Watch' },
    none,
    '.via',
    'expected a unary method, got /library.v1.Library/Watch, which answers with a stream; say so with result.stream: true',
  ],
  [
    'via takes a stream',
    'GetBook',
    { via: 'Upload' },
    none,
    '.via',
    'expected a unary method, got /library.v1.Library/Upload, which takes a stream',
  ],
  [
    'a stream is said to be where there is none',
    'GetBook',
    none,
    { stream: true },
    '.result.stream',
    'expected a method that answers with a stream, got /library.v1.Library/BatchGetBooks, which is unary',
  ],
  [
    'via answers with a long-running operation',
    'GetBook',
    { via: 'StartImport' },
    none,
    '.via',
    '/library.v1.Library/StartImport answers with a long-running operation, not with results',
  ],
  // lift and wrap
  ['neither lift nor wrap', 'GetBook', gone('lift'), none, '', 'expected either lift or wrap, got neither'],
  ['both lift and wrap', 'GetBook', { wrap: 'names' }, none, '', 'expected either lift or wrap, got both'],
  [
    'from does not exist',
    'GetBook',
    { lift: { from: 'nme', to: 'names' } },
    none,
    '.lift.from',
    'library.v1.GetBookRequest has no field "nme"; did you mean "name"?',
  ],
  [
    'to does not exist',
    'GetBook',
    { lift: { from: 'name', to: 'books' } },
    none,
    '.lift.to',
    'library.v1.BatchGetBooksRequest has no field "books"; it has names, parent, readMask, verbose',
  ],
  [
    'from is a message',
    'GetBook',
    { lift: { from: 'read_mask', to: 'names' }, groupBy: [] },
    none,
    '.lift.from',
    'expected a single scalar, but library.v1.GetBookRequest.readMask is google.protobuf.FieldMask',
  ],
  [
    'to is no list',
    'GetBook',
    { lift: { from: 'name', to: 'parent' } },
    none,
    '.lift.to',
    'expected repeated string, but library.v1.BatchGetBooksRequest.parent is string',
  ],
  [
    'to is a list of another type',
    'Count',
    { lift: { from: 'id', to: 'wide' } },
    none,
    '.lift.to',
    'expected repeated fixed32, but library.v1.BatchCountRequest.wide is repeated fixed64',
  ],
  [
    'wrap does not exist',
    'CreateRow',
    { wrap: 'request' },
    none,
    '.wrap',
    'library.v1.BatchCreateRowsRequest has no field "request"; did you mean "requests"?',
  ],
  [
    'wrap takes other messages',
    'CreateRow',
    { wrap: 'rows' },
    none,
    '.wrap',
    'expected repeated library.v1.CreateRowRequest, but library.v1.BatchCreateRowsRequest.rows is repeated library.v1.Row',
  ],
  // groupBy
  [
    'groupBy is not in the request',
    'GetBook',
    { groupBy: ['parents'] },
    none,
    '.groupBy[0]',
    'library.v1.GetBookRequest has no field "parents"; did you mean "parent"?',
  ],
  [
    'groupBy is not in the batch',
    'GetEntity',
    { groupBy: ['id'] },
    none,
    '.groupBy[0]',
    'library.v1.BatchGetEntitiesRequest has no field "id"; did you mean "ids"?',
  ],
  [
    'groupBy is of another type in the batch',
    'GetBook',
    { groupBy: ['verbose'] },
    none,
    '.groupBy[0]',
    'expected bool as in library.v1.GetBookRequest, but library.v1.BatchGetBooksRequest.verbose is int32',
  ],
  ['groupBy names a field twice', 'GetBook', { groupBy: ['parent', 'parent'] }, none, '.groupBy[1]', '"parent" is used already'],
  // result
  ['items is missing', 'GetBook', none, gone('items'), '.result.items', 'required, but not given'],
  [
    'items does not exist',
    'GetBook',
    none,
    { items: 'boks' },
    '.result.items',
    'library.v1.BatchGetBooksResponse has no field "boks"; did you mean "books"?',
  ],
  [
    'items is a single field',
    'GetUser',
    none,
    { items: 'next_page_token' },
    '.result.items',
    'expected a repeated field or a map, but library.v1.BatchGetUsersResponse.nextPageToken is string',
  ],
  [
    'the item is not the response',
    'GetUser',
    none,
    gone('set'),
    '.result.items',
    'expected library.v1.GetUserResponse, the response, but an item is library.v1.User; result.set names a field to fill, result.value a field of the item',
  ],
  [
    'the item is a number and no field is set',
    'Count',
    none,
    gone('set'),
    '.result.items',
    'expected library.v1.CountReply, the response, but an item is int64; result.set names a field to fill, result.value a field of the item',
  ],
  [
    'set does not exist',
    'GetUser',
    none,
    { set: 'usr' },
    '.result.set',
    'library.v1.GetUserResponse has no field "usr"; did you mean "user"?',
  ],
  [
    'set is of another type',
    'GetEntity',
    none,
    { set: 'text' },
    '.result.set',
    'expected library.v1.Entity as an item, but library.v1.GetEntityResponse.text is string',
  ],
  [
    'set is a list',
    'Count',
    none,
    { set: 'counts' },
    '.result.set',
    'expected a single field, but library.v1.CountReply.counts is repeated int64',
  ],
  ['map where there is none', 'GetUser', none, { match: 'map' }, '.result.match', 'expected a map in "users", but it is none'],
  [
    'a map that is not said',
    'GetEntity',
    none,
    { match: 'index' },
    '.result.match',
    'library.v1.BatchGetEntitiesResponse.entities is a map: expected "map", got "index"',
  ],
  [
    'key is missing',
    'GetUser',
    none,
    gone('key'),
    '.result.key',
    'required where match is "key": the field of an item that is equal to the request\'s',
  ],
  ['key does not exist', 'GetUser', none, { key: 'uid' }, '.result.key', 'library.v1.User has no field "uid"; did you mean "id"?'],
  [
    'key is of another type',
    'GetUser',
    none,
    { key: 'name' },
    '.result.key',
    'expected sint64 as library.v1.GetUserRequest.id, but the key of an item is string',
  ],
  ['key where nothing is matched by it', 'GetBook', none, { key: 'name' }, '.result.key', 'only where match is "key" or "map"'],
  ['key of a map, which has its own', 'GetEntity', none, { key: 'text' }, '.result.key', 'a map has its keys itself: leave it out'],
  [
    'key of whole requests is not in the request',
    'Check',
    none,
    { match: 'key', key: 'at' },
    '.result.key',
    'library.v1.CheckRequest has no field "at"; it has text, level',
  ],
  [
    'status is another message',
    'Check',
    none,
    { status: 'reply' },
    '.result.status',
    'expected google.rpc.Status, but it is library.v1.CheckReply',
  ],
  ['status of a number', 'Count', none, { status: 'status' }, '.result.status', 'an item is int64, which has no fields'],
  [
    'failed is no map of statuses',
    'CreateRow',
    none,
    { failed: 'rows' },
    '.result.failed',
    'expected map<int32, google.rpc.Status>, but library.v1.BatchCreateRowsResponse.rows is repeated library.v1.Row',
  ],
  [
    'failed is a map by name',
    'CreateRow',
    none,
    { failed: 'failed_names' },
    '.result.failed',
    'expected map<int32, google.rpc.Status>, but library.v1.BatchCreateRowsResponse.failedNames is repeated library.v1.BatchCreateRowsResponse.FailedNames',
  ],
  ['failed in a stream', 'Price', none, { failed: 'status' }, '.result.failed', 'not in a stream: there each item has a status'],
  [
    'value is not the response',
    'Check',
    none,
    { value: 'text' },
    '.result.value',
    'expected library.v1.CheckReply, the response, but an item is string; result.set names a field to fill, result.value a field of the item',
  ],
  ['index is no number', 'Check', none, { index: 'text' }, '.result.index', 'expected int32, uint32, int64 or uint64, but it is string'],
  ['index where keys match', 'GetUser', none, { index: 'id' }, '.result.index', 'only where match is "index"'],
  [
    'a stream without index',
    'Price',
    none,
    gone('index'),
    '.result.index',
    'required in a stream that is matched by index: the items of a stream have no order',
  ],
  // on batch error
  [
    'an atomic batch of a method with side effects, and nothing said of its errors',
    'CreateRow',
    gone('onBatchError'),
    gone('failed'),
    '.onBatchError',
    'required: the reply has no errors of single items (result.status, result.failed), so one bad request fails the batch, and /library.v1.Library/CreateRow is not NO_SIDE_EFFECTS; expected "retry_singles", "bisect" or "fail_all"',
  ],
];

describe('a rule is refused where', () => {
  test.each(ROWS)('%s', (_why, mode, change, result, path, problem) => {
    expect(ruleFault(mode, change, result)).toEqual({ path, problem });
  });

  test.each(['retry_singles', 'bisect', 'fail_all', undefined] as const)(
    'its method is not marked as harmless to repeat (%s)',
    (onBatchError) => {
      const batch: BatchRule = { ...RULES.Check, ...(onBatchError === undefined ? {} : { onBatchError }) };
      const { path, problem } = faultOf({ methods: { [`${SERVICE}/Pay`]: { batch } } });
      const sendsAgain = onBatchError === 'retry_singles' || onBatchError === 'bisect';
      expect(path).toBe(`policy.methods["${SERVICE}/Pay"].batch${sendsAgain ? '.onBatchError' : ''}`);
      expect(problem).toContain('idempotency_level in its .proto file, or idempotent: true in policy');
    },
  );

  test('policy says that its method is not to be repeated, whatever its file says', () => {
    const { path } = faultOf({ methods: { [`${SERVICE}/GetBook`]: { batch: RULES.GetBook, idempotent: false } } });
    expect(path).toBe(`policy.methods["${SERVICE}/GetBook"].batch`);
  });

  test('its method is unknown, or a stream', () => {
    expect(faultOf({ methods: { [`${SERVICE}/GetBok`]: { batch: RULES.GetBook } } }).problem).toContain(
      'did you mean "library.v1.Library/GetBook"?',
    );
    expect(faultOf({ methods: { [`${SERVICE}/Watch`]: { batch: RULES.GetBook } } }).problem).toBe(
      '/library.v1.Library/Watch is a stream; only unary calls are merged',
    );
  });

  test('it stands for a whole service, or for all', () => {
    expect(faultOf({ defaults: { batch: RULES.GetBook } }).path).toBe('policy.defaults.batch');
    expect(faultOf({ services: { [SERVICE]: { batch: RULES.GetBook } } }).path).toBe(`policy.services["${SERVICE}"].batch`);
  });

  test('its batch method is merged itself', () => {
    const batch: BatchRule = { via: 'GetBook', wrap: 'x', result: { items: 'x' } };
    const policy = policyOf(['GetBook']);
    const both: Policy = { methods: { ...policy.methods, [`${SERVICE}/BatchGetBooks`]: { batch: { ...batch, via: 'BatchGetUsers' } } } };
    expect(faultOf(both).path).toContain('BatchGetBooks');
  });

  test('there are no descriptors, or none with the method', () => {
    expect(faultOf(policyOf(['GetBook']), null)).toMatchObject({
      problem: expect.stringContaining('needs the descriptors of the service'),
    });
    expect(faultOf({}, Buffer.from('no descriptors'))).toEqual({
      path: 'descriptors',
      problem: 'expected a FileDescriptorSet, as `buf build -o image.binpb` writes it, got other bytes',
    });
    expect(faultOf({}, [{}])).toEqual({
      path: 'descriptors[0]',
      problem: "expected a FileDescriptorSet as bytes, or what proto-loader's load() gave, got an object without descriptors",
    });
  });
});

describe('a rule is taken', () => {
  test.each(Object.keys(RULES) as Mode[])('for %s', (mode) => {
    expect(() => createMesh(policyOf([mode]), { descriptors: library })).not.toThrow();
  });

  test('by the names of the .proto file or by lowerCamelCase, whichever the descriptors keep', () => {
    const policy = policyOf(['GetBook'], (rule) => ({ ...rule, groupBy: ['parent', 'readMask'] }));
    expect(() => createMesh(policy, { descriptors: library })).not.toThrow();
  });

  test('for a method that policy marks', () => {
    const policy: Policy = { methods: { [`${SERVICE}/Pay`]: { batch: RULES.Check, idempotent: true } } };
    expect(() => createMesh(policy, { descriptors: library })).not.toThrow();
  });

  test('from a service definition, and from a list of sources', () => {
    const service = library[SERVICE] as object;
    expect(() => createMesh(policyOf(['GetBook']), { descriptors: service })).not.toThrow();
    expect(() => createMesh(policyOf(['GetBook']), { descriptors: [Buffer.alloc(0), service] })).not.toThrow();
    expect(readDescriptors(service).method(`/${SERVICE}/GetBook`)?.idempotency).toBe('no_side_effects');
  });
});
