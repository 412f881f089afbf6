/**
 * Fault injection: calls of ours that are late or fail although nothing is wrong, to see what becomes of everything else.
 *
 * - Scope: client: per attempt, so that retries, hedges and breakers are exercised; server: per call and item, above the handler.
 * - Ends calls with the declared status and `client.fault/abort` or `server.fault/abort`; a call whose deadline comes while it is held
 *   back ends with DEADLINE_EXCEEDED. An aborted attempt counts as one that a server has seen.
 * - Exact: of the calls that match, the declared share, to the call. State: two numbers for each rule, calls held back (bounded).
 * - Off unless declared: a method that no rule names has no layer.
 * - Source: Envoy's fault filter, gRFC A33 (feature TM4).
 *
 * @packageDocumentation
 */
import type { ClientInterceptor } from '../src/grpc/client-call.ts';
import { FaultCall, type FaultHome, FaultServerCall } from '../src/grpc/fault-call.ts';
import type { ServerLayer } from '../src/grpc/server-call.ts';

/** The client half. */
export function faultClient(home: FaultHome): ClientInterceptor {
  return (info, next) => {
    const plan = home.faults.planOf(info.method);
    return plan === undefined ? next(info) : new FaultCall(home, plan, info, next);
  };
}

/** The server half. */
export function faultServer(home: FaultHome): ServerLayer {
  return (info, call) => {
    const plan = home.faults.planOf(info.method);
    return plan === undefined ? call : new FaultServerCall(call, home, plan);
  };
}
