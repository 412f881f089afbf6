/**
 * What the half of a server is told, at the start and by policy.
 *
 * @packageDocumentation
 */
import type { ServerInterceptor } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import type { ServerBatchMetrics } from '../observe/batch-metrics.ts';
import type { StartServedCarrier } from '../observe/carrier-span.ts';
import type { BatchLimits } from './batch-service.ts';
import type { ServerLayer } from './server-call.ts';

/** What policy says to servers. */
export interface ServerForce {
  /** Our own behaviours, outermost first. */
  readonly layer: ServerLayer;
  /** False: no carriers, by policy. */
  readonly carriers: boolean;
  /** False: no tunnels, by policy. */
  readonly tunnels: boolean;
  /** What calls are told, and what batches may have: more, where more was told before. */
  readonly limits: BatchLimits;
  readonly capability: string;
}

export interface ServerHostOptions {
  /** What is in force; it changes in place, and a call reads it once, when it begins. */
  readonly force: ServerForce;
  /** The user's server-wide interceptors; undefined: not known. */
  readonly interceptors: readonly ServerInterceptor[] | undefined;
  /** False when the server was built elsewhere: then it runs its interceptors itself, and ours not at all. */
  readonly fused: boolean;
  /** The list in the credentials of the ports, where it can't be found out; said by the user. */
  readonly credentialInterceptors: readonly ServerInterceptor[] | undefined;
  readonly carrierSpan: StartServedCarrier;
  readonly batchMetrics?: ServerBatchMetrics | undefined;
  readonly clock: Clock;
  readonly warn: (line: string) => void;
}
