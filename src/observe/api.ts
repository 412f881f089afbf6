/**
 * The OpenTelemetry API, if the application has it.
 *
 * It is an optional peer: without it the mesh works and observes nothing. Loading it is left to the first behaviour that
 * wants it. The CommonJS copy is taken; what is registered (providers, propagator, context manager) is shared with the
 * application's ESM copy through a registered symbol, so either will do.
 *
 * @packageDocumentation
 */
// Not by its name: the line that bundles of CommonJS packages begin with declares `createRequire` itself.
import nodeModule from 'node:module';
/** @ts-ignore: an optional peer, whose types may be absent */
import type * as api from '@opentelemetry/api';

/** The part of `@opentelemetry/api` that is used. Any copy from 1.9 on fits. */
export type Otel = Pick<typeof api, 'trace' | 'context' | 'propagation' | 'metrics' | 'createNoopMeter' | 'ROOT_CONTEXT'>;

/** Name of our tracer and meter. */
export const SCOPE = 'inmesh';

// `createContextKey` is `Symbol.for`, which makes this the very key that the SDK's `suppressTracing` sets.
const SUPPRESSED = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

/** Where this file is. In a CommonJS bundle of an application there is no `import.meta.url`, but the bundle's own name. */
const here: string | undefined = import.meta.url ?? (typeof __filename === 'string' ? __filename : undefined);
const require = nodeModule.createRequire(here ?? process.execPath);

/** `null`: looked for and not there. */
let loaded: Otel | null | undefined;

/** The API, or undefined when it is not installed. */
export function loadOtel(): Otel | undefined {
  if (loaded === undefined) loaded = tryRequire('@opentelemetry/api', isOtel) ?? null;
  return loaded ?? undefined;
}

/** Version of this package for the instrumentation scope; undefined where it cannot be read (a bundle). */
export function scopeVersion(): string | undefined {
  return tryRequire('inmesh/package.json', hasVersion)?.version;
}

/** True inside `suppressTracing`, where exporters make their own calls: those are never traced. */
export function isSuppressed(context: api.Context): boolean {
  return context.getValue(SUPPRESSED) === true;
}

/** Our tracer; asks again when the application registers another provider. */
export class TracerSource {
  readonly #otel: Otel;
  readonly #version = scopeVersion();
  #provider: api.TracerProvider | undefined;
  #tracer: api.Tracer | undefined;
  #registered: api.TracerProvider | undefined;

  constructor(otel: Otel) {
    this.#otel = otel;
  }
  /**
   * False while spans and trace context would come to nothing: no provider is registered, and no propagator. What is
   * registered later counts from the next call on.
   */
  get live(): boolean {
    const provider = this.#otel.trace.getTracerProvider();
    if (provider === this.#registered) return true;
    if (isUnregistered(provider)) return this.#otel.propagation.fields().length > 0;
    this.#registered = provider;
    return true;
  }
  get tracer(): api.Tracer {
    const provider = this.#otel.trace.getTracerProvider();
    if (this.#tracer === undefined || provider !== this.#provider) {
      this.#provider = provider;
      this.#tracer = provider.getTracer(SCOPE, this.#version);
    }
    return this.#tracer;
  }
}

/** The API's stand-in until a provider is registered (`ProxyTracerProvider`): it has no tracer to hand out. */
function isUnregistered(provider: api.TracerProvider): boolean {
  return 'getDelegateTracer' in provider && typeof provider.getDelegateTracer === 'function' && !provider.getDelegateTracer(SCOPE);
}

function tryRequire<T>(id: string, fits: (value: unknown) => value is T): T | undefined {
  try {
    const value: unknown = require(id);
    return fits(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isOtel(value: unknown): value is Otel {
  return (
    typeof value === 'object' && value !== null && 'trace' in value && 'context' in value && 'propagation' in value && 'metrics' in value
  );
}

function hasVersion(value: unknown): value is { readonly version: string } {
  return typeof value === 'object' && value !== null && 'version' in value && typeof value.version === 'string';
}
