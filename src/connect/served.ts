/**
 * A call that a Connect server serves, as the scope of the calls that its handler makes: they inherit its deadline and its end.
 *
 * The rest of the server's stack needs a server of grpc-js.
 *
 * @packageDocumentation
 */
import type { Interceptor } from '@connectrpc/connect';
import { systemClock } from '../clock.ts';
import { NO_DEADLINE } from '../deadline/arithmetic.ts';
import { CallScope, currentScope } from '../deadline/call-scope.ts';
import { takeTraits } from '../grpc/traits.ts';
import type { Mesh } from '../mesh.ts';
import { HeaderMetadata, timeoutMsOf } from './headers.ts';

/**
 * For the handlers of a Connect server: what they call through a mesh (with Connect or grpc-js) ends no later than the call they serve,
 * is cancelled with it, and hands on its priority and tenant. `connectNodeAdapter({ routes, interceptors: [connectServerInterceptor(mesh)] })`.
 *
 * @param mesh - `server.trustTraits` of its policy says whether a caller's priority and tenant are believed; nothing else of it is used.
 */
export function connectServerInterceptor(mesh: Mesh): Interceptor {
  return (next) => async (request) => {
    const { header, signal } = request;
    const timeoutMs = timeoutMsOf(header);
    const deadlineMs = timeoutMs === undefined ? NO_DEADLINE : systemClock.nowMs() + timeoutMs;
    const scope = new CallScope(deadlineMs, takeTraits(new HeaderMetadata(header), mesh.policy.server?.trustTraits === true));
    const gone = (): void => scope.cancelled();
    const answered = (): void => {
      signal.removeEventListener('abort', gone);
      scope.answered();
    };
    if (signal.aborted) gone();
    else signal.addEventListener('abort', gone);
    try {
      const response = await currentScope.run(scope, next, request);
      if (response.stream) return { ...response, message: within(scope, response.message, answered) };
      answered();
      return response;
    } catch (error) {
      answered();
      throw error;
    }
  };
}

/** The answers of a stream: its handler runs while they are asked for. */
function within<T>(scope: CallScope, messages: AsyncIterable<T>, ended: () => void): AsyncIterable<T> {
  const step = async (take: () => Promise<IteratorResult<T>>): Promise<IteratorResult<T>> => {
    try {
      const answer = await currentScope.run(scope, take);
      if (answer.done === true) ended();
      return answer;
    } catch (error) {
      ended();
      throw error;
    }
  };
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = currentScope.run(scope, () => messages[Symbol.asyncIterator]());
      const wrapped: AsyncIterator<T> = { next: () => step(() => iterator.next()) };
      // Connect looks which of them there are.
      if (iterator.throw !== undefined) wrapped.throw = (error) => step(async () => iterator.throw?.(error) ?? Promise.reject(error));
      if (iterator.return !== undefined) wrapped.return = () => step(async () => iterator.return?.() ?? { done: true, value: undefined });
      return wrapped;
    },
  };
}
