/** What the tests of unary calls share. */
import type { ConnectError } from '@connectrpc/connect';
import { type Metadata, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import type { MethodPolicy, Policy } from '../../../src/policy/policy.gen.ts';
import type { Handlers, Text } from './stage.ts';

export const SAY = 'loop.v1.LoopService/Say';
/** Its descriptor says that it is safe. */
export const READ = 'loop.v1.LoopService/Read';
/** Backoffs that no test has to wait for. */
export const FAST = { initialBackoff: '0.001s', maxBackoff: '0.002s' } as const;

/** A policy for {@link SAY}, with fast retries. */
export const say = (policy: MethodPolicy): Policy => ({ methods: { [SAY]: { retryPolicy: FAST, ...policy } } });

export type Handler = Handlers['say'];
export type Call = ServerUnaryCall<Text, Text>;

/** A handler that fails in this way the first times, and what it was called with. */
export function failing(
  times: number,
  code: number = status.UNAVAILABLE,
  trailers?: Metadata,
): { readonly handler: Handler; readonly calls: Call[] } {
  const calls: Call[] = [];
  const handler = (call: Call, callback: sendUnaryData<Text>): void => {
    calls.push(call);
    if (calls.length > times) callback(null, { text: `answer ${calls.length}` });
    else callback({ code, details: `failure ${calls.length}`, ...(trailers === undefined ? {} : { metadata: trailers }) });
  };
  return { handler, calls };
}

/** The error that a call must end with. */
export async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  return call.then(
    () => {
      throw new Error('it went well');
    },
    (error: ConnectError) => error,
  );
}
