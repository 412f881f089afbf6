/**
 * The scope of a server call that was handed over as `parent:`. One listener on it, however many calls it has made
 * (grpc-js adds one for each, and removes none: resolving-call.ts).
 *
 * @packageDocumentation
 */
import type { EventEmitter } from 'node:events';
import type { Clock } from '../clock.ts';
import { CallScope } from '../deadline/call-scope.ts';
import type { ParentCall } from './client-call.ts';
import { fromGrpcDeadline } from './door.ts';

const SCOPES = new WeakMap<ParentCall, CallScope>();

/** As grpc-js has it, children of an explicit parent are cancelled when the parent ends, however it ends. */
export function parentScope(parent: ParentCall, clock: Clock): CallScope {
  let scope = SCOPES.get(parent);
  if (scope === undefined) {
    const made = new CallScope(fromGrpcDeadline(parent.getDeadline(), clock));
    const emitter: EventEmitter = parent;
    emitter.once('cancelled', () => made.cancelled());
    SCOPES.set(parent, made);
    scope = made;
  }
  return scope;
}
