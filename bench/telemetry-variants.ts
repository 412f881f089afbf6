/**
 * What `npm run bench -- telemetry` compares: the default stack with more and more of telemetry, over a fake channel; and bare grpc-js
 * and the mesh with and without it, over a real connection.
 *
 * @packageDocumentation
 */
import type { Server, ServerOptions } from '@grpc/grpc-js';
import type { Policy } from '../src/policy/policy.gen.ts';
import type { ClientRecipe } from './echo.ts';
import type { SdkParts } from './telemetry-sdk.ts';

/** Over the fake channel. */
export const COST_NAMES = [
  'off',
  'off-again',
  'no-sdk',
  'unsampled',
  'sampled',
  'unsampled-spans',
  'spans',
  'metrics',
  'sampled-grpc',
] as const;
/** Name of a variant over the fake channel. */
export type CostName = (typeof COST_NAMES)[number];

/** What the SDK itself takes of a call. */
export const FLOOR_NAMES = ['unsampled', 'sampled'] as const satisfies readonly CostName[];
/** Name of one of them: that of the variant whose floor it is. */
export type FloorName = (typeof FLOOR_NAMES)[number];

/** One variant of the client. */
export interface CostVariant {
  readonly about: string;
  readonly policy: Policy;
  readonly sdk: SdkParts;
}

const OFF: Policy = { telemetry: { traces: false, metrics: false } };
const NO_SDK: SdkParts = { traces: undefined, metrics: false };

/** How they are made. */
export const COSTS: Readonly<Record<CostName, CostVariant>> = {
  off: { about: 'default stack, telemetry switched off', policy: OFF, sdk: NO_SDK },
  'off-again': { about: 'the same once more: how far it strays from itself', policy: OFF, sdk: NO_SDK },
  'no-sdk': { about: 'default stack', policy: {}, sdk: NO_SDK },
  unsampled: { about: 'with an SDK that samples nothing, and its metrics', policy: {}, sdk: { traces: 'unsampled', metrics: true } },
  sampled: { about: 'with an SDK that samples every call, and its metrics', policy: {}, sdk: { traces: 'sampled', metrics: true } },
  'unsampled-spans': { about: 'spans alone, none sampled', policy: {}, sdk: { traces: 'unsampled', metrics: false } },
  spans: { about: 'spans alone, all sampled', policy: {}, sdk: { traces: 'sampled', metrics: false } },
  metrics: { about: 'metrics alone', policy: {}, sdk: { traces: undefined, metrics: true } },
  'sampled-grpc': {
    about: "sampled, with gRPC's names besides (attempt spans, A66, A96)",
    policy: { telemetry: { names: 'both', retryMetrics: true } },
    sdk: { traces: 'sampled', metrics: true },
  },
};

/** The same over a fake channel: client options to make it with, once the SDK is there. */
export async function costRecipe(name: CostName): Promise<ClientRecipe> {
  const { startSdk } = await import('./telemetry-sdk.ts');
  const { policy, sdk } = COSTS[name];
  startSdk(sdk);
  const [{ defaultChannel }, { fakeChannel }] = await Promise.all([import('./doors.ts'), import('./fake-channel.ts')]);
  return { options: defaultChannel(fakeChannel(), policy) };
}

/** Over a real connection, client and server alike. */
export const LOSS_NAMES = ['bare', 'bare-theirs', 'mesh', 'mesh-ours', 'mesh-spans', 'mesh-floor'] as const;
/** Name of a variant over a real connection. */
export type LossName = (typeof LOSS_NAMES)[number];

/** One variant of both sides. */
export interface LossVariant {
  readonly about: string;
  /** Without what it is compared. */
  readonly base: LossName;
  readonly sdk: SdkParts;
  readonly policy: Policy | undefined;
  readonly instrumented: boolean;
  /** Spans are made by hand, on both sides. */
  readonly byHand?: boolean;
}

const SAMPLED: SdkParts = { traces: 'sampled', metrics: true };
const SPANS: Policy = { telemetry: { metrics: false } };

/** How they are made. */
export const LOSSES: Readonly<Record<LossName, LossVariant>> = {
  bare: { about: 'grpc-js as it comes', base: 'bare', sdk: NO_SDK, policy: undefined, instrumented: false },
  'bare-theirs': {
    about: 'with instrumentation-grpc: spans, no metrics',
    base: 'bare',
    sdk: SAMPLED,
    policy: undefined,
    instrumented: true,
  },
  mesh: { about: 'mesh.client(), MeshServer; telemetry switched off', base: 'mesh', sdk: NO_SDK, policy: OFF, instrumented: false },
  'mesh-ours': { about: 'with spans and metrics', base: 'mesh', sdk: SAMPLED, policy: {}, instrumented: false },
  'mesh-spans': { about: 'with spans alone', base: 'mesh', sdk: SAMPLED, policy: SPANS, instrumented: false },
  'mesh-floor': {
    about: "with the SDK's part of these spans alone, called by hand",
    base: 'mesh',
    sdk: SAMPLED,
    policy: OFF,
    instrumented: false,
    byHand: true,
  },
};

/** Sets the process up for a variant. To be called before anything loads grpc-js. */
export async function prepare(name: LossName): Promise<void> {
  const { instrumented, sdk } = LOSSES[name];
  const { instrumentGrpc, startSdk } = await import('./telemetry-sdk.ts');
  startSdk(sdk);
  if (instrumented) instrumentGrpc();
}

/** The client's options. */
export async function lossRecipe(name: LossName): Promise<ClientRecipe> {
  const { policy } = LOSSES[name];
  return { options: policy === undefined ? {} : (await import('../src/index.ts')).createMesh(policy).client() };
}

/** The server. */
export async function lossServer(name: LossName): Promise<Server> {
  const { policy } = LOSSES[name];
  const options: ServerOptions = {};
  if (policy === undefined) return new (await import('@grpc/grpc-js')).Server(options);
  const { createMesh } = await import('../src/index.ts');
  const mesh = createMesh(policy);
  const server = new (await import('@grpc/grpc-js')).Server(mesh.server(options));
  mesh.attach(server);
  return server;
}
