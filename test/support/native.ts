/**
 * A library with a batch method of every shape, on plain grpc-js, and a client of it at either door.
 */
import {
  ChannelCredentials,
  type Client,
  type ClientOptions,
  type ClientUnaryCall,
  type Interceptor,
  loadPackageDefinition,
  Metadata,
  Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type ServiceError,
  type StatusObject,
  type sendUnaryData,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import type { InmeshCallOptions } from '../../src/call.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import type { MeshDependencies } from '../../src/mesh-types.ts';
import type { BatchRule, Policy } from '../../src/policy/policy.gen.ts';
import { bind, type ClientDoor } from './loopback.ts';

/** proto-loader's package, whose types carry descriptors. */
export const library: PackageDefinition = loadSync('library.proto', {
  includeDirs: [`${import.meta.dirname}/native`],
  longs: Number,
  defaults: true,
  oneofs: true,
});
const SERVICE = 'library.v1.Library';
const Stub = (loadPackageDefinition(library) as unknown as { library: { v1: { Library: ServiceClientConstructor } } }).library.v1.Library;

/** The methods with a rule. */
export type Mode = 'GetBook' | 'GetUser' | 'GetEntity' | 'CreateRow' | 'Check' | 'Price' | 'Count';

/** A rule for each mode. */
export const RULES: Readonly<Record<Mode, BatchRule>> = {
  GetBook: { via: 'BatchGetBooks', lift: { from: 'name', to: 'names' }, groupBy: ['parent', 'read_mask'], result: { items: 'books' } },
  GetUser: {
    via: 'BatchGetUsers',
    lift: { from: 'id', to: 'ids' },
    groupBy: ['view'],
    result: { items: 'users', match: 'key', key: 'id', set: 'user' },
  },
  GetEntity: {
    via: 'library.v1.Library/BatchGetEntities',
    lift: { from: 'id', to: 'ids' },
    result: { items: 'entities', match: 'map', set: 'entity' },
  },
  CreateRow: {
    via: 'BatchCreateRows',
    wrap: 'requests',
    groupBy: ['parent'],
    result: { items: 'rows', failed: 'failed_requests' },
    onBatchError: 'fail_all',
  },
  Check: { via: 'BatchCheck', wrap: 'requests', result: { items: 'results', status: 'status', value: 'reply' } },
  Price: {
    via: 'StreamPrices',
    lift: { from: 'symbol', to: 'symbols' },
    result: { stream: true, index: 'index', status: 'status', value: 'reply' },
  },
  Count: { via: 'BatchCount', lift: { from: 'id', to: 'ids' }, result: { items: 'counts', set: 'count' } },
};

/** A policy with rules for these methods; `change` goes over each rule. */
export function policyOf(modes: readonly Mode[], change: (rule: BatchRule) => BatchRule = (rule) => rule): Policy {
  return { methods: Object.fromEntries(modes.map((mode) => [`${SERVICE}/${mode}`, { batch: change(RULES[mode]) }])) };
}

// biome-ignore lint/suspicious/noExplicitAny: messages of a dynamic service
type Request = Record<string, any>;
interface Fault {
  readonly code: number;
  readonly details: string;
}

/** What the service thinks of one request: a response, or an error. */
export const verdicts: Readonly<Record<Mode, (request: Request) => object | Fault>> = {
  GetBook: ({ name, parent, readMask }) =>
    faultOf(name) ?? { name, title: `${name} of ${parent} ${readMask?.paths.join()}`, labels: { [name]: 'é'.repeat(name.length % 40) } },
  GetUser: ({ id, view }) => (id % 7 === 3 ? fault(5, 'no such user') : { user: { id, name: `user ${id} ${view ?? ''}` } }),
  GetEntity: ({ id }) => (id % 7 === 3 ? fault(5, 'no such entity') : { entity: { text: `entity ${id}` } }),
  CreateRow: ({ row, parent }) => faultOf(row?.key) ?? { key: `${parent}/${row?.key}`, value: row?.value },
  Check: ({ text, level }) => faultOf(text) ?? { verdict: `${text} is fine ${level ?? ''}` },
  Price: ({ symbol }) => faultOf(symbol) ?? { price: symbol.length / 4 },
  Count: ({ id }) => ({ count: id * 1000 }),
};

function fault(code: number, details: string): Fault {
  return { code, details };
}
function faultOf(text = ''): Fault | undefined {
  if (text.startsWith('missing')) return fault(5, 'no such thing');
  if (text.startsWith('bad')) return fault(3, `bad: ${text}`);
  const own = /^code (-?\d+)/.exec(text);
  return own === null ? undefined : fault(Number(own[1]), 'a code of its own');
}
const isFault = (verdict: object | Fault): verdict is Fault => 'code' in verdict;

/** What the batch methods answer. */
export const batches: Readonly<Record<string, (request: Request) => object | Fault>> = {
  BatchGetBooks: ({ names, parent, readMask }) => {
    const books = names.map((name: string) => verdicts.GetBook({ name, parent, readMask }));
    return books.find(isFault) ?? { books };
  },
  BatchGetUsers: ({ ids, view }) => {
    const found = ids.map((id: number) => verdicts.GetUser({ id, view })).filter((user: object) => !isFault(user));
    return { users: found.map(({ user }: Request) => user).toReversed(), nextPageToken: 'not for anybody' };
  },
  BatchGetEntities: ({ ids }) => {
    const pairs = ids.map((id: number) => [id, verdicts.GetEntity({ id })]).filter(([, entity]: [number, object]) => !isFault(entity));
    return { entities: Object.fromEntries(pairs.map(([id, { entity }]: [number, Request]) => [id, entity])) };
  },
  BatchCreateRows: ({ requests }) => {
    const all: (object | Fault)[] = requests.map(verdicts.CreateRow);
    const failed = all.flatMap((verdict, i) => (isFault(verdict) ? [[i, { code: verdict.code, message: verdict.details }]] : []));
    return { rows: all.filter((verdict) => !isFault(verdict)), failedRequests: Object.fromEntries(failed) };
  },
  BatchCheck: ({ requests }) => ({ results: requests.map((request: Request) => resultOf(verdicts.Check(request), 'reply')) }),
  BatchCount: ({ ids }) => ({ counts: ids.map((id: number) => id * 1000) }),
};

/** The stream of results of `StreamPrices`: the last one first. */
export function priceItems({ symbols }: Request): object[] {
  const items = symbols.map((symbol: string, index: number) => ({ index, ...resultOf(verdicts.Price({ symbol }), 'reply') }));
  return items.toReversed();
}

/** A server of the library. */
export class LibraryServer implements AsyncDisposable {
  readonly server: Server;
  /** Each request that a handler saw: `GetBook a`, `BatchGetBooks a,b`. */
  readonly log: string[] = [];
  /** Metadata of the calls of batch methods. */
  readonly metadata: Metadata[] = [];
  port = 0;
  /** Instead of a handler of the same name. */
  readonly instead: Record<string, UntypedHandleCall> = {};
  /** Put between a reply and its bytes. */
  readonly tamper: Record<string, (reply: Request) => Request> = {};

  constructor(server: Server = new Server()) {
    this.server = server;
  }
  async listen(without: readonly string[] = []): Promise<this> {
    const handlers: Record<string, UntypedHandleCall> = {};
    const unary = (name: string, answer: (request: Request) => object): void => {
      handlers[name] = (call: ServerUnaryCall<Request, object>, callback: sendUnaryData<object>) => {
        const other = this.instead[name];
        if (other !== undefined) return (other as (c: typeof call, b: typeof callback) => void)(call, callback);
        if (!(name in verdicts)) this.metadata.push(call.metadata);
        this.log.push(`${name} ${brief(call.request)}`);
        const verdict = answer(call.request);
        if (isFault(verdict)) callback(verdict);
        else callback(null, this.tamper[name]?.(verdict) ?? verdict);
      };
    };
    for (const [name, verdict] of Object.entries(verdicts)) unary(name, verdict);
    unary('Pay', verdicts.Check);
    for (const [name, answer] of Object.entries(batches)) unary(name, answer);
    handlers['StreamPrices'] = (call: ServerWritableStream<Request, object>) => {
      const other = this.instead['StreamPrices'];
      if (other !== undefined) return (other as (c: typeof call) => void)(call);
      this.log.push(`StreamPrices ${brief(call.request)}`);
      for (const item of priceItems(call.request)) call.write(item);
      call.end();
    };
    const definition = library[SERVICE] as NonNullable<Parameters<Server['addService']>[0]>;
    const served = Object.fromEntries(Object.entries(definition).filter(([name]) => !without.includes(name)));
    this.server.addService(served, handlers);
    this.port = await bind(this.server);
    return this;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.server.forceShutdown();
  }
}

function resultOf(verdict: object, field: string): object {
  if (isFault(verdict)) return { status: { code: verdict.code, message: verdict.details } };
  return { status: { code: 0 }, [field]: verdict };
}

function brief(request: Request): string {
  const first = Object.values(request).find((value) => (Array.isArray(value) ? value.length > 0 : value !== '' && value !== 0));
  return (Array.isArray(first) ? first : [first]).map((one) => one?.text ?? one?.row?.key ?? String(one)).join();
}

/** What a caller sees. */
export interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly response: Request | undefined;
  readonly trailers: Metadata;
  readonly headers: Metadata | undefined;
}

export interface CallOptions {
  readonly metadata?: Metadata;
  readonly deadline?: number;
  readonly inmesh?: InmeshCallOptions;
  readonly onCall?: (call: ClientUnaryCall) => void;
}

type UnaryMethod = (
  request: object,
  metadata: Metadata,
  options: object,
  callback: (error: ServiceError | null, value?: Request) => void,
) => ClientUnaryCall;

/** A client that gives outcomes as promises. */
export class LibraryClient implements Disposable {
  readonly stub: Client;

  constructor(port: number, mesh?: Mesh, door: ClientDoor = 'channel', below: readonly Interceptor[] = [], own: ClientOptions = {}) {
    const address = `localhost:${port}`;
    const options =
      mesh === undefined
        ? {}
        : door === 'interceptors'
          ? { ...mesh.options(), interceptors: [...mesh.interceptors(), ...below] }
          : mesh.client();
    const stub = new Stub(address, ChannelCredentials.createInsecure(), { ...options, ...own });
    this.stub = mesh !== undefined && door === 'wrap' ? mesh.wrap(stub, { interceptors: 'none' }) : stub;
  }
  call(name: string, request: object, options: CallOptions = {}): Promise<Outcome> {
    const { metadata = new Metadata(), onCall, ...rest } = options;
    return new Promise((resolve) => {
      let answer: { value: Request | undefined } | undefined;
      let end: StatusObject | undefined;
      let headers: Metadata | undefined;
      const settle = (): void => {
        if (answer === undefined || end === undefined) return;
        resolve({ code: end.code, details: end.details, response: answer.value, trailers: end.metadata, headers });
      };
      const method = (this.stub as unknown as Record<string, UnaryMethod>)[name] as UnaryMethod;
      const call = method.call(this.stub, request, metadata, rest, (_error, value) => {
        answer = { value };
        settle();
      });
      call.on('metadata', (got: Metadata) => {
        headers = got;
      });
      call.on('status', (got: StatusObject) => {
        end = got;
        settle();
      });
      onCall?.(call);
    });
  }
  /** Calls made in one turn. */
  burst(name: string, requests: readonly object[], options: CallOptions = {}): Promise<Outcome[]> {
    return Promise.all(requests.map((request) => this.call(name, request, options)));
  }
  [Symbol.dispose](): void {
    this.stub.close();
  }
}

/** A mesh with rules, a server, and a client whose door is known to be free. */
export async function open(
  door: ClientDoor,
  policy: Policy,
  { without = [], ...dependencies }: MeshDependencies & { without?: readonly string[] } = {},
): Promise<{ server: LibraryServer; mesh: Mesh; client: LibraryClient } & AsyncDisposable> {
  const server = await new LibraryServer().listen(without);
  const mesh = createMesh(policy, { descriptors: library, warn: () => {}, ...dependencies });
  const client = new LibraryClient(server.port, mesh, door);
  // At the interceptor door a first call shows that there are no interceptors of others below.
  await client.call('Count', { id: 1 });
  server.log.length = 0;
  const dispose = async (): Promise<void> => {
    client[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  };
  return { server, mesh, client, [Symbol.asyncDispose]: dispose };
}
