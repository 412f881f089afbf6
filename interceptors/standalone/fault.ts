/**
 * Fault injection on its own, as grpc-js interceptors.
 *
 * @packageDocumentation
 */
import type { Interceptor, ServerInterceptor } from '@grpc/grpc-js';
import { systemClock } from '../../src/clock.ts';
import { Faults } from '../../src/fault/faults.ts';
import { type FaultOptions, resolveFaults } from '../../src/fault/options.ts';
import { FaultHome } from '../../src/grpc/fault-call.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { asServerInterceptor } from '../../src/grpc/server-door.ts';
import { faultClient, faultServer } from '../fault.ts';
import { placed } from '../pipeline.ts';

/** Delays and aborts of attempts; below {@link retryInterceptor}. @throws ConfigError on a bad option. */
export function faultInterceptor(faults: readonly FaultOptions[]): Interceptor {
  return asInterceptor(placed('fault', faultClient(homeOf(faults))));
}

/** Delays and aborts of calls that this server serves. @throws ConfigError on a bad option. */
export function faultServerInterceptor(faults: readonly FaultOptions[]): ServerInterceptor {
  return asServerInterceptor(faultServer(homeOf(faults)));
}

function homeOf(faults: readonly FaultOptions[]): FaultHome {
  return new FaultHome(new Faults(resolveFaults(faults, 'faults')), systemClock);
}
