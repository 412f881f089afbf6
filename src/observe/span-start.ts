/**
 * What spans begin with, in the words that were asked for; samplers decide by it. Built once for each method.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Attributes } from '@opentelemetry/api';
import { type A72Part, a72Name, TRANSPARENT_RETRY } from './a72.ts';
import { serverAttributes } from './address.ts';
import { OLD_SERVICE, OLD_SYSTEM, RPC_METHOD, RPC_SYSTEM, rpcMethod } from './names.ts';
import type { ResolvedTracing } from './options.ts';

/** The beginning of one kind of span of one method. */
export interface SpanStart {
  readonly name: string;
  /** To be copied: what is handed to an SDK may be changed there. */
  readonly attributes: Readonly<Attributes>;
}

/** Methods whose beginnings are kept; those of others are made anew for each span. */
const MAX_KEPT = 10_000;

/** The beginnings of one kind of span. */
export class SpanStarts {
  readonly #words: Words;
  readonly #part: A72Part;
  readonly #server: Attributes;
  readonly #byPath = new Map<string, SpanStart>();

  /** @param server - `server.address` and `server.port` of a client's target. */
  constructor(words: Words, part: A72Part, server: Attributes = {}) {
    this.#words = words;
    this.#part = part;
    this.#server = server;
  }
  /** @param path - `/pkg.Service/Method`. */
  of(path: string): SpanStart {
    const kept = this.#byPath.get(path);
    if (kept !== undefined) return kept;
    const made = this.#make(rpcMethod(path));
    if (this.#byPath.size < MAX_KEPT) this.#byPath.set(path, made);
    return made;
  }

  #make(method: string): SpanStart {
    const { names } = this.#words;
    const own = this.#part === 'Attempt';
    const attributes: Attributes = {
      ...callAttributes(this.#words, method),
      ...(names === 'grpc' ? {} : this.#server),
      ...(own && names !== 'semconv' ? { [TRANSPARENT_RETRY]: false } : {}),
    };
    if (names === 'grpc' || (own && names === 'both')) return { name: a72Name(this.#part, method), attributes };
    // The conventions know no attempts; the slash stays, as in the call's name.
    return { name: own ? `Attempt.${method}` : method, attributes };
  }
}

/** Targets whose beginnings are kept. */
const MAX_TARGETS = 100;

/** The beginnings of clients' spans, which say the target's address too. */
export class TargetStarts {
  readonly #words: Words;
  readonly #byTarget = new Map<string, SpanStarts>();
  /** The target hardly ever changes between two calls. */
  #target: string | undefined;
  #starts: SpanStarts;

  constructor(words: Words) {
    this.#words = words;
    this.#starts = new SpanStarts(words, 'Sent');
  }
  /** @param path - `/pkg.Service/Method`. */
  of(target: string, path: string): SpanStart {
    if (target !== this.#target) {
      this.#starts = this.#byTarget.get(target) ?? this.#add(target);
      this.#target = target;
    }
    return this.#starts.of(path);
  }
  #add(target: string): SpanStarts {
    if (this.#byTarget.size >= MAX_TARGETS) this.#byTarget.clear();
    const starts = new SpanStarts(this.#words, 'Sent', serverAttributes(target));
    this.#byTarget.set(target, starts);
    return starts;
  }
}

type Words = Pick<ResolvedTracing, 'names' | 'oldNames'>;

/** What says in every span of a call which call it is. A72 says it in the name alone. */
export function callAttributes({ names, oldNames }: Words, method: string): Attributes {
  if (names === 'grpc') return {};
  const attributes = { [RPC_SYSTEM]: 'grpc', [RPC_METHOD]: method };
  return oldNames ? { ...attributes, [OLD_SYSTEM]: 'grpc', [OLD_SERVICE]: method.slice(0, method.lastIndexOf('/')) } : attributes;
}
