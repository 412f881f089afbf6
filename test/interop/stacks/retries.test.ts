/** A stack that retries by itself, over a mesh that does too: what docs/stacks.md says of it. */
import * as grpc from '@grpc/grpc-js';
import {
  type ClientStub,
  createApiCall,
  createMaxRetriesBackoffSettings,
  createRetryOptions,
  GrpcClient,
  googleAuthLibrary,
} from 'google-gax';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createMesh, type Mesh } from '../../../src/index.ts';
import { PROTO_FILE, PROTO_ROOT } from './describe-stack.ts';
import { type EchoServiceServer, EchoServiceService } from './gen/echo/v1/echo.ts';

const SERVICE = 'echo.v1.EchoService';
type Policy = Parameters<typeof createMesh>[0];

const MESH_ATTEMPTS = 3;
/** What gax calls `maxRetries` counts the first try. */
const GAX_TRIES = 3;

let served = 0;
const server = new grpc.Server();
let port = 0;
const opened: { readonly stub: ClientStub; readonly mesh: Mesh }[] = [];

beforeAll(async () => {
  const handlers: EchoServiceServer = {
    say: (_call, callback) => {
      served++;
      callback({ code: grpc.status.UNAVAILABLE, details: 'always' });
    },
    count: (call) => call.end(),
  };
  server.addService(EchoServiceService, handlers);
  port = await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
});
afterEach(async () => {
  for (const { stub, mesh } of opened.splice(0)) {
    stub.close();
    await mesh.close();
  }
});
afterAll(() => server.forceShutdown());

/** What a gapic generator writes for a method that gax retries: here for 300 ms, 1 ms apart. */
const GENERATED = {
  interfaces: {
    [SERVICE]: {
      retry_codes: { idempotent: ['UNAVAILABLE'] },
      retry_params: {
        default: {
          initial_retry_delay_millis: 1,
          retry_delay_multiplier: 1,
          max_retry_delay_millis: 1,
          initial_rpc_timeout_millis: 1000,
          rpc_timeout_multiplier: 1,
          max_rpc_timeout_millis: 1000,
          total_timeout_millis: 1000,
        },
      },
      methods: { Say: { timeout_millis: 300, retry_codes_name: 'idempotent', retry_params_name: 'default' } },
    },
  },
};
const UNRETRIED = { interfaces: { [SERVICE]: { retry_codes: { none: [] }, methods: { Say: { retry_codes_name: 'none' } } } } };
type Overrides = Parameters<GrpcClient['constructSettings']>[2];
/** What a user gives a generated client as `clientConfig`: no retries for this method. */
const OFF: Overrides = { interfaces: { [SERVICE]: { methods: { Say: null } } } };

/** A method of a client on gax, made as generated clients do it. */
async function sayThrough(policy: Policy, generated: Overrides, clientConfig: Overrides): Promise<ReturnType<typeof createApiCall>> {
  served = 0;
  const mesh = createMesh(policy);
  const auth = new googleAuthLibrary.GoogleAuth({ authClient: new googleAuthLibrary.OAuth2Client() });
  const gax = new GrpcClient({ auth });
  const { echo } = gax.loadFromProto(PROTO_FILE, { includeDirs: [PROTO_ROOT] }) as unknown as {
    readonly echo: { readonly v1: { readonly EchoService: typeof ClientStub } };
  };
  const sslCreds = grpc.credentials.createInsecure();
  const stub = await gax.createStub(echo.v1.EchoService, { ...mesh.client(), servicePath: '127.0.0.1', port, sslCreds });
  opened.push({ stub, mesh });
  const settings = gax.constructSettings(SERVICE, generated, clientConfig, {});
  return createApiCall((...args: readonly unknown[]) => stub['say']?.(...args), settings['say']);
}

/** One call of gax in that many tries (0: its retries are off); how many calls the server got. */
async function handled(policy: Policy, gaxTries: number): Promise<number> {
  const say = await sayThrough(policy, UNRETRIED, {});
  const backoff = createMaxRetriesBackoffSettings(5, 1, 5, 5_000, 1, 5_000, gaxTries);
  const retry = gaxTries === 0 ? null : createRetryOptions([grpc.status.UNAVAILABLE], backoff);
  await expect(say({ text: 'x' }, { retry })).rejects.toThrow(gaxTries === 0 ? 'always' : 'maximum number of retries');
  return served;
}

const RETRIED: Policy = {
  services: {
    [SERVICE]: { idempotent: true, retryPolicy: { maxAttempts: MESH_ATTEMPTS, initialBackoff: '0.001s', maxBackoff: '0.005s' } },
  },
};

describe("google-gax's retries over the mesh's", () => {
  test("gax's alone: the mesh sends a method that is not marked once", async () => {
    expect(await handled({}, GAX_TRIES)).toBe(GAX_TRIES);
  });

  test("the mesh's alone, with `retry: null` or no code to retry in gax", async () => {
    expect(await handled(RETRIED, 0)).toBe(MESH_ATTEMPTS);
  });

  test("the mesh's alone, with null for the method in a generated client's clientConfig", async () => {
    const say = await sayThrough(RETRIED, GENERATED, OFF);
    await expect(say({ text: 'x' }, {})).rejects.toThrow('always');
    expect(served).toBe(MESH_ATTEMPTS);
  });

  test('what the generator wrote stands without that: gax retries above the mesh', async () => {
    const say = await sayThrough(RETRIED, GENERATED, {});
    await expect(say({ text: 'x' }, {})).rejects.toThrow();
    expect(served).toBeGreaterThan(MESH_ATTEMPTS);
  });

  test('both: attempts multiply', async () => {
    expect(await handled(RETRIED, GAX_TRIES)).toBe(GAX_TRIES * MESH_ATTEMPTS);
  });
});
