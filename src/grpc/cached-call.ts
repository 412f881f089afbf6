/**
 * A unary call that may be answered without one: by a kept answer, or by another call that asks the same.
 *
 * @packageDocumentation
 */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { isLate } from '../deadline/arithmetic.ts';
import type { DeadlineHandle } from '../deadline/deadline-queue.ts';
import { late, REASON_KEY } from '../errors.ts';
import type { Asked } from './cache-key.ts';
import type { CallInfo, ClientCall, NextClientCall } from './client-call.ts';
import { bytesOf, type MethodCodec, messageOf } from './codecs.ts';
import { UNKNOWN_DOOR } from './door.ts';
import type { Flight, KeptAnswer, MethodCache } from './method-cache.ts';
import { localStatus, plainStatus } from './refuse.ts';
import { WholeRequestCall } from './whole-request.ts';

/** How a call came by an answer that is not its own. On its span as `inmesh.cache`. */
type Source = 'hit' | 'shared' | 'stale';
const CACHE_ATTRIBUTE = 'inmesh.cache';

export class CachedCall extends WholeRequestCall {
  readonly #cache: MethodCache;
  readonly #codec: MethodCodec | undefined;
  #key = '';
  #flight: Flight | undefined;
  #expiry: DeadlineHandle<CachedCall> | undefined;

  constructor(cache: MethodCache, info: CallInfo, next: NextClientCall) {
    super(info, next);
    this.#cache = cache;
    this.#codec = cache.settings.codecs.of(info.method);
  }

  get deadlineMs(): number {
    return this.info.deadlineMs;
  }
  protected override get out(): ClientCall | undefined {
    return this.#flight?.lower;
  }

  protected override asked(request: unknown): void {
    const why = this.#unfit();
    const bytes = why === undefined ? this.#requestBytes(request) : undefined;
    const asked: Asked = bytes === undefined ? {} : this.#cache.keys.of(this.info, this.metadata, bytes);
    if (asked.key !== undefined) {
      this.#key = asked.key;
      this.#cache.ask(this, asked.key);
      return;
    }
    this.#cache.bypass(why ?? undeclared(this.info.method, asked.metadata));
    this.passBy();
  }

  /** Why no call of this client can be kept; undefined: it can. */
  #unfit(): string | undefined {
    const { method, door, definition } = this.info;
    const name = method.slice(1);
    if (definition !== undefined && this.#codec === undefined)
      return `${name} is not cached: interceptors see messages as objects, which can't be kept. Give the mesh its serialisers: createMesh(policy, { services: [Greeter.service] }), or use mesh.client()`;
    if (door === UNKNOWN_DOOR && !this.#cache.settings.oneClient)
      return `${name} is not cached: it is not known which client it is called by. Make the client with mesh.options() besides mesh.interceptors()`;
    return undefined;
  }

  /** Undefined: it can't be encoded; the call then fails below, in the transport's words. */
  #requestBytes(request: unknown): Buffer | undefined {
    try {
      return bytesOf(request, this.info.definition?.requestSerialize);
    } catch {
      return undefined;
    }
  }

  /** The call goes out, for itself and others. */
  lead(flight: Flight): ClientCall {
    this.#forget();
    this.#flight = flight;
    return this.send(this.metadata, flight);
  }
  /** Another's call is out for this one. */
  follow(flight: Flight): void {
    this.#flight = flight;
    this.metadata = this.metadata.clone(); // the caller's own object, which may change until this call leads
    if (this.deadlineMs !== Number.POSITIVE_INFINITY) this.#expiry ??= this.#cache.expiries.add(this, this.deadlineMs);
  }
  /** The call that was out for this one ended for a reason of its own caller's. */
  again(key: string): void {
    if (this.ended) return;
    this.#flight = undefined;
    if (isLate(this.deadlineMs, this.#cache.settings.clock.nowMs())) {
      this.expire();
      return;
    }
    try {
      this.info.scope.runInAsyncScope(() => this.#cache.ask(this, key));
    } catch (error) {
      this.failed(plainStatus(Code.INTERNAL, messageOf(error))); // what a call throws at its call site; this one's is long gone
    }
  }
  /** Its own time is over, whatever becomes of the call that is out. */
  expire(): void {
    if (this.ended) return;
    const flight = this.#flight;
    const stale = this.#cache.staleFor(this.#key, Code.DEADLINE_EXCEEDED);
    if (stale !== undefined) this.answered(stale, 'stale');
    else
      this.failed(
        localStatus({
          ...late('client.cache/deadline', `the deadline ended while another call of ${this.info.method} was out for this one`),
          unprocessed: false,
        }),
      );
    flight?.leave(this, Code.CANCELLED, 'nobody waits any more');
  }
  protected override gaveUp(code: number, details: string): void {
    this.#forget();
    this.#flight?.leave(this, code, details);
  }

  /** The answer of the call that went out for this very one. */
  given(headers: Metadata | undefined, message: unknown, status: StatusObject): void {
    if (!this.finish()) return;
    this.#forget();
    if (headers !== undefined) this.upper.onReceiveMetadata(headers);
    this.upper.onReceiveMessage(message);
    this.upper.onReceiveStatus(status);
  }
  failed(status: StatusObject): void {
    if (!this.finish()) return;
    this.#forget();
    this.upper.onReceiveStatus(status);
  }
  /** A kept answer, in the turn after the one that the call was made in: its client is not ready before. */
  hit(kept: KeptAnswer): void {
    process.nextTick(() => this.answered(kept, 'hit'));
  }
  answered(kept: KeptAnswer, source: Source): void {
    if (this.ended) return;
    const { definition, record, story } = this.info;
    const copy = Buffer.from(kept.response); // decoders hand out views of it
    let message: unknown = copy;
    try {
      if (definition !== undefined) message = definition.responseDeserialize(copy);
    } catch (error) {
      this.failed(plainStatus(Code.INTERNAL, `Response message parsing error: ${messageOf(error)}`));
      return;
    }
    const trailers = kept.trailers.clone();
    if (source === 'stale') {
      this.#cache.settings.counts.stale++;
      trailers.set(REASON_KEY, 'client.cache/stale');
    }
    if (story !== undefined) story.answeredBy = 'cache';
    record?.call.span.setAttribute(CACHE_ATTRIBUTE, source);
    this.given(kept.headers?.clone(), message, { code: Code.OK, details: kept.details, metadata: trailers });
  }

  /** A response of this door as bytes; undefined: it can't be made so. */
  bytes(message: unknown): Buffer | undefined {
    try {
      return bytesOf(message, this.info.definition === undefined ? undefined : this.#codec?.responseSerialize);
    } catch {
      return undefined;
    }
  }

  #forget(): void {
    if (this.#expiry === undefined) return;
    this.#cache.expiries.remove(this.#expiry);
    this.#expiry = undefined;
  }
}

function undeclared(method: string, key: string | undefined): string | undefined {
  if (key === undefined) return undefined;
  const name = method.slice(1);
  return `calls of ${name} come with metadata "${key}", so they are neither answered from the cache nor joined: whoever asks may get another answer. If that key is part of the question, say it: methods: { "${name}": { cache: { metadata: ["${key}"] } } }`;
}
