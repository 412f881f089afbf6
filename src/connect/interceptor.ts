/**
 * The mesh for Connect: its client stack around the calls of a transport, whichever protocol that speaks.
 *
 * Connect has HTTP/2 of its own, so what stands on a channel of grpc-js is not there: balancing, batches, routes, mirrors.
 *
 * @packageDocumentation
 */
import { type ContextKey, createContextKey, type Interceptor, type StreamRequest, type UnaryRequest } from '@connectrpc/connect';
import type { Interceptor as GrpcInterceptor, InterceptorOptions } from '@grpc/grpc-js';
import type { InmeshCallOptions } from '../call.ts';
import { type Clock, systemClock } from '../clock.ts';
import { NO_DEADLINE } from '../deadline/arithmetic.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import { UsageError } from '../errors.ts';
import type { Door } from '../grpc/client-call.ts';
import { detachedClock } from '../grpc/detached.ts';
import { fromGrpcDeadline, toGrpcDeadline } from '../grpc/door.ts';
import { DOOR } from '../grpc/interceptor-door.ts';
import type { Mesh } from '../mesh.ts';
import { type Carried, type ConnectNext, type Expiring, isAttempt, UnaryAttempt } from './attempt.ts';
import { callUnary, type Outgoing } from './call.ts';
import { HeaderMetadata, timeoutMsOf } from './headers.ts';
import { ConnectMethod } from './method.ts';
import { StreamAttempt } from './stream-attempt.ts';
import { callStream } from './stream-call.ts';

/**
 * Wishes for one call: `client.get(request, { contextValues: createContextValues().set(callOptions, { idempotent: true }) })`. They win
 * over every policy. Default: none.
 */
export const callOptions: ContextKey<InmeshCallOptions | undefined> = createContextKey<InmeshCallOptions | undefined>(undefined, {
  description: 'inmesh: options of one call',
});

const TWICE = 'connectInterceptor() is twice in the interceptors of this transport: retries would be squared, so one must go';

/** What the calls through one interceptor share. */
interface Home {
  readonly stack: GrpcInterceptor;
  readonly clock: Clock;
  readonly due: DeadlineQueue<Expiring>;
  methodOf(method: UnaryRequest['method'] | StreamRequest['method']): ConnectMethod;
  doorOf(url: string): Door;
}

type AttemptOf<Request extends UnaryRequest | StreamRequest> = (
  carried: Carried<Request>,
  deadlineMs: number,
) => UnaryAttempt | StreamAttempt;

/**
 * The client stack of a mesh for a transport of Connect: `createGrpcTransport({ baseUrl, interceptors: [connectInterceptor(mesh)] })`. Last in
 * the list each of the others runs once for a call; those after it, for each attempt.
 *
 * @param mesh - Its policy holds by `pkg.Service/Method`, as everywhere. Routes that name a called method throw: there is no way to a cluster.
 */
export function connectInterceptor(mesh: Mesh): Interceptor {
  const home = homeOf(mesh);
  return (next) => (request) => {
    if (isAttempt(request)) throw new UsageError(TWICE);
    if (!request.stream) return callUnary(outgoing(home, request, next, (carried, deadlineMs) => new UnaryAttempt(carried, deadlineMs)));
    const single = request.method.methodKind === 'client_streaming';
    return callStream(outgoing(home, request, next, (carried, deadlineMs) => new StreamAttempt(carried, deadlineMs, single)));
  };
}

function homeOf(mesh: Mesh): Home {
  const [stack] = mesh.interceptors();
  if (stack === undefined) throw new UsageError('connectInterceptor() takes a mesh: connectInterceptor(createMesh(policy))');
  const clock = systemClock;
  const methods = new WeakMap<object, ConnectMethod>();
  const doors = new Map<string, Door>();
  return {
    stack,
    clock,
    due: new DeadlineQueue(detachedClock(clock), (attempt) => attempt.expire()),
    methodOf: (method) => {
      let known = methods.get(method);
      if (known === undefined) {
        known = new ConnectMethod(method, mesh);
        methods.set(method, known);
      }
      return known;
    },
    doorOf: (url) => {
      const target = targetOf(url);
      let door = doors.get(target);
      if (door === undefined) {
        door = { kind: 'interceptors', target, channel: undefined, book: undefined };
        if (doors.size < MAX_DOORS) doors.set(target, door);
      }
      return door;
    },
  };
}

/** A transport has one. */
const MAX_DOORS = 100;
const ORIGIN = /^(https?):\/\/([^/]+)/i;

/** `host:port`. */
function targetOf(url: string): string {
  const [, scheme = '', host = ''] = ORIGIN.exec(url) ?? [];
  if (/:\d+$/.test(host)) return host;
  return `${host}:${scheme.toLowerCase() === 'http' ? 80 : 443}`;
}

function outgoing<Request extends UnaryRequest | StreamRequest>(
  home: Home,
  request: Request,
  next: ConnectNext,
  attempt: AttemptOf<Request>,
): Outgoing<Request> {
  const { stack, clock, due } = home;
  const method = home.methodOf(request.method);
  const door = home.doorOf(request.url);
  const timeoutMs = timeoutMsOf(request.header);
  const metadata = new HeaderMetadata(request.header);
  const carried: Carried<Request> = { request, next, rest: metadata.rest, peer: door.target, clock, due };
  const inmesh = method.optionsOf(request.contextValues.get(callOptions));
  const options: InterceptorOptions & { readonly [DOOR]: Door } = {
    method_definition: method.definition,
    deadline: toGrpcDeadline(timeoutMs === undefined ? NO_DEADLINE : clock.nowMs() + timeoutMs, clock),
    [DOOR]: door,
  };
  if (inmesh !== undefined) options.inmesh = inmesh;
  return { request, metadata, make: () => stack(options, ({ deadline }) => attempt(carried, fromGrpcDeadline(deadline, clock))) };
}
