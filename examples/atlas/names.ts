/**
 * The name service, the same for all acts: `atlas:///places` resolves to the list that the runner sent last,
 * and every change is pushed at once.
 */
import { experimental, Metadata, status } from '@grpc/grpc-js';
import type { Address } from './messages.ts';

/** What clients of the Atlas dial. */
export const TARGET = 'atlas:///places';

let known: readonly Address[] = [];
const watchers = new Set<() => void>();

/** Replaces the list of live replicas and tells every resolver. */
export function publish(addresses: readonly Address[]): void {
  known = addresses;
  for (const push of watchers) push();
}

class AtlasResolver implements experimental.Resolver {
  readonly #listener: experimental.ResolverListener;
  readonly #push = (): void => {
    if (known.length === 0) {
      const failure = { code: status.UNAVAILABLE, details: 'no replica is known yet', metadata: new Metadata() };
      this.#listener(experimental.statusOrFromError(failure), {}, null, '');
      return;
    }
    const endpoints = known.map((address) => ({ addresses: [{ host: address.host, port: address.port }] }));
    this.#listener(experimental.statusOrFromValue(endpoints), {}, null, '');
  };

  constructor(_target: experimental.GrpcUri, listener: experimental.ResolverListener) {
    this.#listener = listener;
  }

  updateResolution(): void {
    // A push-based name service has nothing new to say when asked: what changes is pushed anyway.
    if (watchers.has(this.#push)) return;
    watchers.add(this.#push);
    setImmediate(() => {
      if (watchers.has(this.#push)) this.#push();
    });
  }

  destroy(): void {
    watchers.delete(this.#push);
  }

  static getDefaultAuthority(): string {
    return 'atlas';
  }
}

/** Makes grpc-js understand `atlas:` targets. */
export function registerNames(): void {
  experimental.registerResolver('atlas', AtlasResolver);
}
