/**
 * Trace context in call metadata, in whatever form the application's propagator writes it.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Context } from '@opentelemetry/api';
import type { Otel } from './api.ts';

/** What we need of call metadata; grpc-js's `Metadata` fits. */
export interface Carried {
  get(key: string): (string | Uint8Array)[];
  set(key: string, value: string): void;
  getMap(): { [key: string]: unknown };
  clone(): this;
}

interface Outgoing<M extends Carried> {
  metadata: M;
  cloned: boolean;
}

const setter = {
  set(out: Outgoing<Carried>, key: string, value: string): void {
    if (!out.cloned) {
      out.metadata = out.metadata.clone();
      out.cloned = true;
    }
    out.metadata.set(key, value);
  },
};

const getter = {
  get(metadata: Carried, key: string): string | undefined {
    const value = metadata.get(key)[0];
    return typeof value === 'string' ? value : undefined;
  },
  keys: (metadata: Carried): string[] => Object.keys(metadata.getMap()),
};

/** The metadata with the context in it: a clone, or the very object when the propagator had nothing to say. The caller's object is never changed. */
export function inject<M extends Carried>(otel: Otel, context: Context, metadata: M): M {
  const out: Outgoing<M> = { metadata, cloned: false };
  otel.propagation.inject(context, out, setter);
  return out.metadata;
}

/** Takes the trace context out of metadata. */
export function strip(otel: Otel, metadata: Carried & { remove(key: string): void }): void {
  for (const field of otel.propagation.fields()) metadata.remove(field);
}

/** The context that the metadata carries, on nothing of ours. */
export function extract(otel: Otel, metadata: Carried): Context {
  return otel.propagation.extract(otel.ROOT_CONTEXT, metadata, getter);
}

/** Values of the keys that may be shown, as `prefix + key`: text only, binary values never. */
export function shownMetadata(metadata: Carried, keys: readonly string[], prefix: string): { [name: string]: string[] } | undefined {
  let shown: { [name: string]: string[] } | undefined;
  for (const key of keys) {
    const values = metadata.get(key).filter((value) => typeof value === 'string');
    if (values.length === 0) continue;
    shown ??= {};
    shown[prefix + key] = values;
  }
  return shown;
}
