/**
 * Trace context in call metadata, in whatever form the application's propagator writes it, and in `grpc-trace-bin` on request.
 *
 * Nothing here fails a call: what can't be written or read is left out.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Context } from '@opentelemetry/api';
import type { Otel } from './api.ts';
import { BAGGAGE, type BaggageCounts, baggageFits, limitBaggage } from './baggage.ts';
import { decodeTraceBin, encodeTraceBin, GRPC_TRACE_BIN } from './grpc-trace-bin.ts';
import { NO_TRACE } from './names.ts';

/** What we need of call metadata; grpc-js's `Metadata` fits. */
export interface Carried {
  get(key: string): (string | Uint8Array)[];
  set(key: string, value: string | Buffer): void;
  getMap(): { [key: string]: unknown };
  clone(): this;
}

/** What it is told. */
export interface PropagationSettings {
  readonly otel: Otel;
  readonly grpcTraceBin: boolean;
  /** Counts what is dropped. */
  readonly baggage: BaggageCounts;
}

/** Most characters that a peer's header of trace context may have; a longer one is not looked at. */
const MAX_VALUE = 8192;

/** Writes and reads trace context. */
export class Propagation {
  readonly #settings: PropagationSettings;
  readonly #setter: { set(metadata: Carried, key: string, value: string): void };
  readonly #getter: { get(metadata: Carried, key: string): string | undefined; keys(metadata: Carried): string[] };

  constructor(settings: PropagationSettings) {
    this.#settings = settings;
    const { baggage } = settings;
    this.#setter = {
      set: (metadata, key, value) => {
        if (key === BAGGAGE && !baggageFits(value)) setLimited(metadata, value, baggage);
        else metadata.set(key, value);
      },
    };
    this.#getter = {
      get: (metadata, key) => (key === BAGGAGE ? getLimited(metadata, baggage) : first(metadata, key)),
      keys: (metadata) => Object.keys(metadata.getMap()),
    };
  }

  /** Writes the context into metadata that is the call's own. */
  inject(context: Context, metadata: Carried): void {
    const { otel, grpcTraceBin } = this.#settings;
    try {
      otel.propagation.inject(context, metadata, this.#setter);
      if (!grpcTraceBin) return;
      const span = otel.trace.getSpanContext(context);
      if (span !== undefined && span.traceId !== NO_TRACE) metadata.set(GRPC_TRACE_BIN, encodeTraceBin(span));
    } catch {
      // A propagator that throws, or writes what metadata does not take: the call goes without.
    }
  }

  /** A clone of the metadata with the context in it; the caller's object is never changed. */
  injected<M extends Carried>(context: Context, metadata: M): M {
    const own = metadata.clone();
    this.inject(context, own);
    return own;
  }

  /** The context that the metadata carries, on nothing of ours. What the propagator finds wins over `grpc-trace-bin`. */
  extract(metadata: Carried): Context {
    const { otel, grpcTraceBin } = this.#settings;
    let context = otel.ROOT_CONTEXT;
    try {
      context = otel.propagation.extract(context, metadata, this.#getter);
    } catch {
      // A propagator that throws at what a peer sent: the call starts a trace of its own.
    }
    if (!grpcTraceBin || otel.trace.getSpanContext(context) !== undefined) return context;
    const span = decodeTraceBin(metadata.get(GRPC_TRACE_BIN)[0]);
    return span === undefined ? context : otel.trace.setSpanContext(context, span);
  }

  /** Takes the trace context out of metadata. */
  strip(metadata: Carried & { remove(key: string): void }): void {
    for (const field of this.#settings.otel.propagation.fields()) metadata.remove(field);
    metadata.remove(GRPC_TRACE_BIN);
  }
}

function setLimited(metadata: Carried, value: string, counts: BaggageCounts): void {
  const { text, dropped } = limitBaggage(value);
  counts.sentDropped += dropped;
  if (text !== '') metadata.set(BAGGAGE, text);
}

/** A header may be there several times: together they are one list. */
function getLimited(metadata: Carried, counts: BaggageCounts): string | undefined {
  const values = metadata.get(BAGGAGE).filter((value) => typeof value === 'string');
  const [one] = values;
  if (one === undefined) return undefined;
  const all = values.length === 1 ? one : values.join(',');
  if (baggageFits(all)) return all;
  const { text, dropped } = limitBaggage(all);
  counts.receivedDropped += dropped;
  return text === '' ? undefined : text;
}

function first(metadata: Carried, key: string): string | undefined {
  const value = metadata.get(key)[0];
  return typeof value === 'string' && value.length <= MAX_VALUE ? value : undefined;
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
