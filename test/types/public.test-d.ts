/** What the compiler must accept and refuse. Checked by `npm run types`; nothing here runs. */
import type { CallOptions, Channel, ClientOptions, Interceptor, ServerOptions } from '@grpc/grpc-js';
import {
  bulkheadInterceptor,
  coalesceInterceptor,
  createMesh,
  type InmeshCallOptions,
  type loadMesh,
  type Mesh,
  MeshServer,
  type Policy,
  retryInterceptor,
} from '../../src/index.ts';

/** Has exactly this type: neither wider nor narrower. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_holds: Same<A, B>): void => {};

export function callOptions(): CallOptions[] {
  same<CallOptions['inmesh'], InmeshCallOptions | undefined>(true);
  return [
    { inmesh: { retry: false, coalesce: 'never', idempotent: true } },
    { inmesh: { idempotent: false } },
    // @ts-expect-error: retries can be forbidden for a call, not ordered
    { inmesh: { retry: true } },
    // @ts-expect-error: nor can a batch
    { inmesh: { coalesce: 'auto' } },
    // @ts-expect-error: no such wish
    { inmesh: { idempotnet: true } },
  ];
}

export function policies(): Policy[] {
  return [
    {},
    { coalesce: 'auto', balance: 'peak_ewma' },
    { coalesce: { methods: ['a.B/C'] }, defaults: { timeout: '0.5s', bulkhead: { slots: 1 } } },
    // @ts-expect-error: durations are text with a unit
    { defaults: { timeout: 500 } },
    // @ts-expect-error: in seconds
    { defaults: { timeout: '500ms' } },
    // @ts-expect-error: no such key
    { default: {} },
    // @ts-expect-error: slots must be said
    { defaults: { bulkhead: { queue: 1 } } },
    // @ts-expect-error: no such mode
    { coalesce: 'always' },
  ];
}

export function mesh(): void {
  const made = createMesh();
  same<typeof made, Mesh>(true);
  same<ReturnType<typeof loadMesh>, Promise<Mesh>>(true);
  same<ReturnType<Mesh['client']>, ClientOptions>(true);
  same<ReturnType<Mesh['options']>, ClientOptions>(true);
  same<ReturnType<Mesh['interceptors']>, Interceptor[]>(true);
  same<ReturnType<Mesh['channel']>, Channel>(true);
  same<ReturnType<Mesh['server']>, ServerOptions>(true);
  same<ReturnType<Mesh['close']>, Promise<void>>(true);
  // @ts-expect-error: the numbers are read, not written
  made.stats().client.calls = 1;
  // @ts-expect-error: the policy in force can't be assigned
  made.policy = {};
  new MeshServer({ mesh: made, 'grpc.max_receive_message_length': 1 });
}

export function behaviours(): Interceptor[] {
  return [
    retryInterceptor({ initialBackoffMs: 5, retryableCodes: ['UNAVAILABLE', 8] }),
    // @ts-expect-error: milliseconds are numbers here
    retryInterceptor({ initialBackoffMs: '0.5s' }),
    // @ts-expect-error: slots must be said
    bulkheadInterceptor({}),
    // @ts-expect-error: batches need a channel
    coalesceInterceptor({}),
  ];
}
