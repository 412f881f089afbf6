/** A small shop under load in one process, for the picture of the live page: a front that serves pages and asks three services for them. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Client,
  credentials,
  experimental,
  type handleUnaryCall,
  type MethodDefinition,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { createMesh, type Mesh, MeshServer } from '../../src/index.ts';

type Handler = handleUnaryCall<string, string>;
type Ask = (request: string) => Promise<string | undefined>;

function definition(service: string, names: readonly string[]): ServiceDefinition {
  const codec = { serialize: (text: string) => Buffer.from(text), deserialize: (bytes: Buffer) => bytes.toString() };
  const method = (name: string): MethodDefinition<string, string> => ({
    path: `/${service}/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: codec.serialize,
    requestDeserialize: codec.deserialize,
    responseSerialize: codec.serialize,
    responseDeserialize: codec.deserialize,
  });
  return Object.fromEntries(names.map((name) => [name, method(name)]));
}

const CATALOG = definition('shop.catalog.v1.Catalog', ['GetProduct', 'ListReviews']);
const PRICES = definition('shop.pricing.v1.Prices', ['Quote']);
const STOCK = definition('shop.stock.v1.Stock', ['Reserve']);
const WEB = definition('shop.web.v1.Pages', ['Render']);

/** Addresses of what `shop:///` names stand for. */
const NAMES: Record<string, readonly string[]> = {};

/** Knows them all at once, and they never change. */
class ShopNames implements experimental.Resolver {
  readonly #addresses: readonly string[];
  readonly #listener: experimental.ResolverListener;

  constructor(target: experimental.GrpcUri, listener: experimental.ResolverListener) {
    this.#addresses = NAMES[target.path.replace('/', '')] ?? [];
    this.#listener = listener;
  }

  updateResolution(): void {
    const endpoints = this.#addresses.map((address) => ({ addresses: [{ host: '127.0.0.1', port: Number(address.split(':')[1]) }] }));
    setImmediate(() => this.#listener(experimental.statusOrFromValue(endpoints), {}, null, ''));
  }

  destroy(): void {}

  static getDefaultAuthority(): string {
    return 'shop';
  }
}

/** Answers after about `ms`, and fails with a share of `failing`. */
function answering(ms: () => number, failing: () => number = () => 0): Handler {
  return (call, callback) => {
    setTimeout(
      () => {
        if (Math.random() < failing()) callback({ code: status.UNAVAILABLE, details: 'no connection to the database' });
        else callback(null, call.request);
      },
      ms() * (0.6 + 0.8 * Math.random()),
    );
  };
}

async function listen(server: Server): Promise<string> {
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return `127.0.0.1:${port}`;
}

function connect(service: ServiceDefinition, target: string, options: object): Client {
  return new (makeGenericClientConstructor(service, 'shop'))(target, credentials.createInsecure(), options);
}

/** A method as a promise; undefined when it fails, for a page does without what it can't have. */
function asker(client: Client, service: ServiceDefinition, method: string): Ask {
  const path = service[method]?.path ?? '';
  const encode = (text: string): Buffer => Buffer.from(text);
  const decode = (bytes: Buffer): string => bytes.toString();
  return (request) =>
    new Promise((resolve) => {
      client.makeUnaryRequest(path, encode, decode, request, (error: ServiceError | null, answer?: string) =>
        resolve(error === null ? answer : undefined),
      );
    });
}

/** The shop, running. */
export interface Shop extends AsyncDisposable {
  readonly mesh: Mesh;
  /** One replica of the catalogue is slow for a while, another dies, and the prices fail until their breaker is open. */
  trouble(): Promise<void>;
}

/** Starts it, with its load. */
export async function openShop(): Promise<Shop> {
  let slowMs = 4;
  let failing = 0.01;
  const catalog = (ms: () => number): Server => {
    const server = new MeshServer();
    server.addService(CATALOG, { GetProduct: answering(ms), ListReviews: answering(() => 9) });
    return server;
  };
  const dying = catalog(() => 4);
  const prices = [new Server(), new Server()];
  for (const server of prices)
    server.addService(PRICES, {
      Quote: answering(
        () => 14,
        () => failing,
      ),
    });
  const stock = new Server();
  stock.addService(STOCK, { Reserve: answering(() => 22) });
  const backends = [catalog(() => 4), catalog(() => slowMs), dying, ...prices, stock];
  const addresses = await Promise.all(backends.map(listen));
  Object.assign(NAMES, { catalog: addresses.slice(0, 3), prices: addresses.slice(3, 5), stock: addresses.slice(5) });
  experimental.registerResolver('shop', ShopNames);

  const mesh = createMesh({
    coalesce: 'auto',
    services: { 'shop.catalog.v1.Catalog': { idempotent: true }, 'shop.pricing.v1.Prices': { idempotent: true } },
    methods: {
      'shop.pricing.v1.Prices/Quote': { breaker: { failureRatio: 0.3, window: '3s', minimumCalls: 20, openTime: '5s' } },
      'shop.stock.v1.Stock/Reserve': { breaker: {}, bulkhead: { slots: 16, queue: 32 } },
    },
    server: { bulkhead: { slots: 64, queue: 128 } },
  });
  const goods = connect(CATALOG, 'shop:///catalog', mesh.client());
  const [product, reviews, quote, reserve] = [
    asker(goods, CATALOG, 'GetProduct'),
    asker(goods, CATALOG, 'ListReviews'),
    asker(connect(PRICES, 'shop:///prices', mesh.client()), PRICES, 'Quote'),
    asker(connect(STOCK, 'shop:///stock', mesh.client()), STOCK, 'Reserve'),
  ];
  const front = new MeshServer({ mesh });
  const render: Handler = async (call, callback) => {
    const ids = Array.from({ length: 12 }, (_, index) => `${call.request}-${index}`);
    const asked = [...ids.map(product), ...ids.slice(0, 3).map(quote), reviews(call.request)];
    if (Math.random() < 0.3) asked.push(reserve(call.request));
    await Promise.all(asked);
    callback(null, call.request);
  };
  front.addService(WEB, { Render: render });
  const page = asker(connect(WEB, await listen(front), {}), WEB, 'Render');

  let open = true;
  const visitors = Array.from({ length: 7 }, async (_, visitor) => {
    for (let turn = 0; open; turn++) {
      await page(`${visitor}/${turn}`);
      await sleep(60 + 120 * Math.random() * (1.4 + Math.sin(performance.now() / 9_000)));
    }
  });
  return {
    mesh,
    trouble: async () => {
      slowMs = 60;
      await sleep(8_000);
      slowMs = 4;
      dying.forceShutdown();
      failing = 0.9;
      await sleep(3_500);
    },
    [Symbol.asyncDispose]: async () => {
      open = false;
      await Promise.all(visitors);
      await mesh.close(0);
      for (const server of [front, ...backends]) server.forceShutdown();
    },
  };
}
