/**
 * What generated code gives whoever serves or calls: typed batch handlers, and validators on both sides.
 */
import { credentials, Metadata, type ServiceDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, REASON_KEY, UsageError } from '../../src/errors.ts';
import { validatedClient, validatedHandlers } from '../../src/grpc/typed-validation.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { bind } from '../support/loopback.ts';
import * as es from './gen/es/shop/v1/shop_inmesh.ts';
import * as parcels from './gen/keep-case/parcel/v1/parcel_inmesh.ts';

const insecure = credentials.createInsecure();
let mesh: Mesh;
let served: Mesh;
let server: MeshServer;
beforeEach(() => {
  mesh = createMesh();
  served = createMesh();
  server = new MeshServer({ mesh: served });
});
afterEach(async () => {
  await expect.poll(() => [mesh.stats().client.active, served.stats().server.active]).toEqual([0, 0]);
  await mesh.close();
  await served.close();
  server.forceShutdown();
});

/** google/rpc/status.proto and error_details.proto, what of them is sent. */
const RPC = {
  nested: {
    Any: { fields: { type_url: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } } },
    Status: {
      fields: { code: { type: 'int32', id: 1 }, message: { type: 'string', id: 2 }, details: { rule: 'repeated', type: 'Any', id: 3 } },
    },
    Violation: { fields: { field: { type: 'string', id: 1 }, description: { type: 'string', id: 2 } } },
    BadRequest: { fields: { field_violations: { rule: 'repeated', type: 'Violation', id: 1 } } },
    Rpc: { methods: { Say: { requestType: 'Status', responseType: 'BadRequest' } } },
  },
};
const nobody = (): never => {
  throw new Error('is not called');
};
const rest: es.ShopHandlers = {
  getItem: (call, answer) => answer(null, { name: call.request.name, pence: 1 }),
  batchGetItems: nobody,
  putItem: (_call, answer) => answer(null, {}),
  watchItems: (call) => {
    call.write({ after: { name: call.request.name } });
    call.end();
  },
  putItems: (call, answer) => void call.resume().on('end', () => answer(null, {})),
  chat: (call) => call.end(),
};
async function shopOf(handlers: Partial<es.ShopHandlers>): Promise<es.ShopClient> {
  server.addService(es.ShopDefinition as ServiceDefinition, { ...rest, ...handlers });
  return es.createShopClient(mesh, `127.0.0.1:${await bind(server)}`, insecure);
}
const named: es.ShopValidators = {
  getItem: ({ name }) => (name === '' ? { field: 'name', problem: 'must not be empty' } : undefined),
  watchItems: ({ name }) => (name.length > 3 ? [{ field: 'name', problem: 'is too long' }] : []),
};
async function ended(call: Promise<unknown> | AsyncIterable<unknown>): Promise<ServiceError> {
  try {
    if (Symbol.asyncIterator in call) for await (const _ of call);
    else await call;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('the call did not fail');
}
const told = ({ code, details, metadata }: ServiceError): unknown => [status[code], details, metadata.get(REASON_KEY)[0]];

describe('typed batch handlers', () => {
  test('one function answers the calls of many, each its own', async () => {
    const runs: number[] = [];
    const shop = await shopOf(
      es.createShopBatchHandlers(served, {
        getItem: (items) => {
          runs.push(items.length);
          return items.map(({ request }) =>
            request.name === 'none' ? Object.assign(new Error('none here'), { code: status.NOT_FOUND }) : { name: request.name, pence: 7 },
          );
        },
      }),
    );
    await shop.getItem({ name: 'first' });
    const names = ['a', 'b', 'none', 'c'];
    const answers = await Promise.allSettled(names.map((name) => shop.getItem({ name })));
    expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.name : answer.reason.details))).toEqual([
      'a',
      'b',
      'none here',
      'c',
    ]);
    expect(runs.reduce((sum, size) => sum + size, 0)).toBe(5);
    expect(served.stats().server.gathered.items).toBe(5);
  });

  test('their options are those of mesh.batchHandler', () => {
    expect(() => es.createShopBatchHandlers(served, { getItem: () => [] }, { maxItems: 0 })).toThrow(ConfigError);
  });

  test.each([
    [{ getItme: () => [] }, /batchHandlers\.getItme: "getItme" is no unary method of the service; did you mean "getItem"\?/],
    [{ chat: () => [] }, /"chat" is no unary method of the service/],
    [{ getItem: 5 }, /batchHandlers\.getItem: expected a function of items, got 5/],
  ])('%o is refused', (handlers, problem) => {
    expect(() => served.batchHandlers(es.ShopDefinition, handlers as object)).toThrow(problem);
  });

  test('a definition that is none is refused', () => {
    expect(() => served.batchHandlers({ getItem: 1 }, {})).toThrow(UsageError);
  });
});

describe('validators of a server', () => {
  test('a request that one refuses ends with INVALID_ARGUMENT and its fields; no handler sees it', async () => {
    const seen: string[] = [];
    const shop = await shopOf(
      validatedHandlers(es.ShopDefinition, named, {
        ...rest,
        getItem: ((call, answer) => {
          seen.push(call.request.name);
          rest.getItem(call, answer);
        }) satisfies es.ShopHandlers['getItem'],
      }),
    );
    const error = await ended(shop.getItem({}));
    expect(told(error)).toEqual(['INVALID_ARGUMENT', 'inmesh: name: must not be empty', 'server.validation/invalid']);
    expect((await shop.getItem({ name: 'tea' })).name).toBe('tea');
    expect(seen).toEqual(['tea']);
    expect(told(await ended(shop.watchItems({ name: 'coffee' })))).toEqual([
      'INVALID_ARGUMENT',
      'inmesh: name: is too long',
      'server.validation/invalid',
    ]);
    const watched: (string | undefined)[] = [];
    for await (const { after } of shop.watchItems({ name: 'tea' })) watched.push(after?.name);
    expect(watched).toEqual(['tea']);
    await shop.putItem({});
  });

  test('its details are a google.rpc.BadRequest', async () => {
    const shop = await shopOf(validatedHandlers(es.ShopDefinition, named, rest));
    const { metadata } = await ended(shop.getItem({}));
    const bytes = metadata.get('grpc-status-details-bin')[0] as Buffer;
    const { Say } = fromJSON(RPC as Parameters<typeof fromJSON>[0], { keepCase: true })['Rpc'] as ServiceDefinition;
    const read = Say?.requestDeserialize(bytes) as { code: number; message: string; details: { type_url: string; value: Buffer }[] };
    expect([read.code, read.message, read.details[0]?.type_url]).toEqual([
      3,
      'inmesh: name: must not be empty',
      'type.googleapis.com/google.rpc.BadRequest',
    ]);
    expect(Say?.responseDeserialize(read.details[0]?.value ?? Buffer.alloc(0))).toEqual({
      field_violations: [{ field: 'name', description: 'must not be empty' }],
    });
  });

  test('items of a batch are looked at one by one, before they are gathered', async () => {
    const gathered: string[] = [];
    const batched = es.createShopBatchHandlers(served, {
      getItem: (items) => {
        gathered.push(...items.map(({ request }) => request.name));
        return items.map(({ request }) => ({ name: request.name, pence: 0 }));
      },
    });
    await mesh.close();
    mesh = createMesh({ coalesce: { mode: 'auto', carrier: 'envelope' } });
    const shop = await shopOf(validatedHandlers(es.ShopDefinition, named, { ...rest, ...batched }));
    await shop.getItem({ name: 'first' });
    const all = await Promise.allSettled(['a', '', 'b'].map((name) => shop.getItem({ name })));
    expect(all.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(gathered.toSorted()).toEqual(['a', 'b', 'first']);
    expect(mesh.stats().coalesce.items).toBe(3);
  });

  test('many and long violations are cut: a status must fit into its trailers', async () => {
    const much: es.ShopValidators = {
      getItem: () => Array.from({ length: 1000 }, (_, i) => ({ field: `f${i}`, problem: 'é'.repeat(10_000) })),
    };
    const shop = await shopOf(validatedHandlers(es.ShopDefinition, much, rest));
    const error = await ended(shop.getItem({}));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(error.details.length).toBeLessThan(300);
    expect((error.metadata.get('grpc-status-details-bin')[0] as Buffer).length).toBeLessThan(5_000);
  });

  test('what a validator throws, or gives that is no violation, is a failed handler, not a passed request', async () => {
    const broken = {
      getItem: () => {
        throw new Error('a bug');
      },
      putItem: () => 'no' as unknown as undefined,
    } satisfies es.ShopValidators;
    const calls: string[] = [];
    const guarded = validatedHandlers(es.ShopDefinition, broken, { getItem: () => calls.push('get'), putItem: () => calls.push('put') });
    const call = { request: {} } as never;
    expect(() => guarded.getItem.call(undefined, ...([call] as unknown as []))).toThrow('a bug');
    expect(() => guarded.putItem.call(undefined, ...([call] as unknown as []))).toThrow(
      /the validator of \/shop\.v1\.Shop\/PutItem gave "no"/,
    );
    expect(calls).toEqual([]);
  });

  test('names that are no methods with one request are refused', () => {
    const wrong = { getItme: () => undefined } as es.ShopValidators;
    expect(() => validatedHandlers(es.ShopDefinition, wrong, rest)).toThrow(
      /validators\.getItme: "getItme" is no method with one request of the service; did you mean "getItem"\?/,
    );
    expect(() => validatedHandlers(es.ShopDefinition, { chat: () => undefined } as es.ShopValidators, rest)).toThrow(ConfigError);
    expect(() => validatedHandlers(es.ShopDefinition, { getItem: 1 } as unknown as es.ShopValidators, rest)).toThrow(/expected a function/);
  });
});

describe('validators of a client', () => {
  test('a request that one refuses is not sent; one that passes is', async () => {
    const shop = validatedClient(es.ShopDefinition, named, await shopOf({}));
    const { calls } = mesh.stats().client;
    expect(told(await ended(shop.getItem({})))).toEqual([
      'INVALID_ARGUMENT',
      'inmesh: name: must not be empty',
      'client.validation/invalid',
    ]);
    expect(told(await ended(shop.watchItems({ name: 'coffee' })))).toEqual([
      'INVALID_ARGUMENT',
      'inmesh: name: is too long',
      'client.validation/invalid',
    ]);
    expect(mesh.stats().client.calls).toBe(calls);
    const metadata = new Metadata();
    metadata.set('x-a', 'b');
    expect((await shop.getItem({ name: 'tea' }, { metadata, timeoutMs: 5000 })).name).toBe('tea');
    for await (const { after } of shop.watchItems({ name: 'tea' })) expect(after?.name).toBe('tea');
    await shop.putItem({});
    shop.close();
  });

  test('they see what the server would: defaults are filled in', async () => {
    const seen: unknown[] = [];
    const validators: parcels.ParcelsValidators = {
      send: ({ steps, weight_mg }) => {
        seen.push(steps.length, weight_mg);
        return undefined;
      },
    };
    const answer: parcels.ParcelsHandlers['send'] = (call, callback) => callback(null, call.request);
    server.addService(parcels.ParcelsDefinition as ServiceDefinition, { send: answer, follow: nobody });
    const target = `127.0.0.1:${await bind(server)}`;
    const client = validatedClient(parcels.ParcelsDefinition, validators, parcels.createParcelsClient(mesh, target, insecure));
    expect((await client.send({ weight_mg: 5 })).weight_mg).toBe('5');
    expect(seen).toEqual([0, '5']);
  });

  test('a name that the client does not have is refused', () => {
    expect(() => validatedClient(es.ShopDefinition, named, {})).toThrow(/validators\.getItem: the client has no such method/);
  });
});
