/**
 * Native coalescing on one channel: puts calls into the queues of their keys, and sends what comes out as one call of the
 * service's own batch method, or as plain calls.
 *
 * @packageDocumentation
 */
import { isRefusal, type Remedy } from '../batch/native/failure.ts';
import type { NativePlan } from '../batch/native/plan.ts';
import { liftRequest } from '../batch/native/request.ts';
import type { ResolvedCoalesceOptions } from '../batch/options.ts';
import { type FlushReason, Partition } from '../batch/partition.ts';
import { QueueTable } from '../batch/queue-table.ts';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { StartCarrierSpan } from '../observe/carrier-span.ts';
import type { Random } from '../random.ts';
import { PREVIOUS_ATTEMPTS_KEY } from '../retry/pushback.ts';
import type { BatchKeys, Keyed } from './batch-key.ts';
import { attemptContext, type ByteChannel, type CallInfo, type ClientCall, type Door, type NextClientCall } from './client-call.ts';
import { detachedClock, NOBODY } from './detached.ts';
import { withAttempt } from './lb-policy.ts';
import { addEntries } from './metadata.ts';
import { NativeBatch, type NativeBatchOwner } from './native-batch.ts';
import type { Fallback, NativeCall, NativeHome } from './native-call.ts';
import type { WaitingCall } from './waiting-call.ts';

/**
 * Why a call of a method with a rule went as it is. `asked`: it said so, or is not to be repeated; `door`: its client has no
 * channel of ours, or interceptors of others below; `retry`: it has endpoints to avoid; `field`: it has one that the batch has no
 * place for; `key`: it shares its key with nobody; `denied`: the server has no such batch method, or its calls
 * fared better alone; `fallback`: its batch failed.
 */
export type NativePlainReason = 'alone' | 'asked' | 'door' | 'retry' | 'field' | 'key' | 'queue-full' | 'denied' | 'fallback';

/** Counts of one mesh, for its statistics. */
export interface NativeCounts {
  /** Calls of batch methods. */
  batches: number;
  /** Calls in them. */
  items: number;
  /** Batches that failed with all calls that had no result yet. */
  failed: number;
  /** Batches that were sent again in halves. */
  split: number;
  readonly plain: Record<NativePlainReason, number>;
}

/** What all channels of a mesh share. */
export interface NativeShared {
  readonly options: ResolvedCoalesceOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: BatchKeys;
  readonly carrierSpan: StartCarrierSpan;
  readonly counts: NativeCounts;
}

/** How long a channel whose server has no such batch method is spared the next one, in ms; with up to a tenth more. */
const UNKNOWN_MS = 600_000;
/** The same where calls fared better alone than in a batch. */
const AT_FAULT_MS = 60_000;
/** Differ from call to call by their nature, and say nothing to the handler: the batch has a trace of its own, linked with its calls'. */
const DROPPED: ReadonlySet<string> = new Set(['traceparent', 'tracestate', 'grpc-trace-bin', PREVIOUS_ATTEMPTS_KEY]);

export class NativeBatcher implements NativeHome {
  readonly #shared: NativeShared;
  readonly #door: Door;
  readonly #clock: Clock;
  readonly #bottom: NextClientCall;
  readonly #partitions: QueueTable<Partition<NativeCall>, NativePlan>;
  readonly deadlines: DeadlineQueue<WaitingCall>;
  /** Batch methods that are not to be called, until when. */
  readonly #denied = new Map<string, number>();

  constructor(shared: NativeShared, door: Door, channel: ByteChannel) {
    this.#shared = shared;
    this.#door = door;
    this.#clock = detachedClock(shared.clock);
    this.#partitions = new QueueTable((plan) => this.#newPartition(plan));
    this.#bottom = (info) => channel.open(info);
    this.deadlines = new DeadlineQueue(this.#clock, (call) => call.expire());
  }

  /** The plain call, as bytes at either door. */
  open({ info, next }: NativeCall): ClientCall {
    return next(info.definition === undefined ? info : { ...info, definition: undefined, bottom: this.#bottom });
  }

  enqueue(call: NativeCall): void {
    const { info, plan } = call;
    const { keys } = this.#shared;
    const deniedMs = this.#denied.get(plan.via);
    if (deniedMs !== undefined && deniedMs > this.#clock.nowMs()) {
      this.#alone(call, 'denied');
      return;
    }
    const lifted = liftRequest(plan.request, call.request);
    if (lifted === undefined) {
      this.#alone(call, 'field');
      return;
    }
    call.lifted = lifted;
    const keyed = keys.of(info, call.sentMetadata);
    const partition = keyed === undefined ? undefined : this.#partitions.of(info.method, keyOf(keyed, lifted.group), plan);
    if (partition === undefined) {
      this.#alone(call, 'key');
      return;
    }
    call.partition = partition;
    call.watchDeadline();
    if (info.story !== undefined) call.queuedAtMs = this.#clock.nowMs();
    if (!partition.add(call)) this.#alone(call, 'queue-full');
  }

  #alone(call: NativeCall, reason: NativePlainReason): void {
    this.#shared.counts.plain[reason]++;
    call.goAlone();
  }

  #newPartition(plan: NativePlan): Partition<NativeCall> {
    const { options } = this.#shared;
    const own = plan.maxItems === undefined ? options : { ...options, maxItems: plan.maxItems };
    const made: Partition<NativeCall> = new Partition(own, this.#clock, (calls, reason) => this.#flushed(made, calls, reason));
    return made;
  }

  #flushed(partition: Partition<NativeCall>, calls: NativeCall[], reason: FlushReason): void {
    const [first] = calls;
    const nowMs = this.#clock.nowMs();
    for (const call of calls) call.left(nowMs);
    if (calls.length === 1 && first !== undefined) {
      first.leads = reason === 'lead';
      this.#alone(first, 'alone');
    } else this.#send(partition, calls);
  }

  #send(partition: Partition<NativeCall>, calls: NativeCall[]): void {
    const [first] = calls;
    if (first === undefined) return;
    const { counts, carrierSpan, keys } = this.#shared;
    const { info, plan, next, sentMetadata } = first;
    const { stream } = plan.reply;
    const context = attemptContext({ streaming: stream });
    const span = carrierSpan(
      plan.via,
      this.#door.target,
      calls.map((call) => call.info.record),
    );
    let metadata = keys.shared(sentMetadata);
    addEntries(metadata, kept(keys.of(info, sentMetadata)));
    withAttempt(metadata, context);
    if (span !== undefined) metadata = span.inject(metadata);
    partition.carrierSent(calls.length);
    counts.batches++;
    counts.items += calls.length;
    const owner: NativeBatchOwner = {
      knowsStart: this.#door.book?.attached === true,
      answered: (size) => partition.carrierAnswered(size),
      again: (left, remedy, code) => this.#again(partition, left, remedy, code),
      failed: () => {
        counts.failed++;
      },
    };
    const batch = new NativeBatch(plan, calls, owner, context, span);
    const batchInfo: CallInfo = {
      ...info,
      method: plan.via,
      kind: stream ? 'serverStream' : 'unary',
      deadlineMs: calls.reduce((latest, call) => Math.max(latest, call.info.deadlineMs), 0),
      parent: undefined,
      options: undefined,
      definition: undefined,
      attempt: context,
      record: undefined,
      story: undefined,
      bottom: this.#bottom,
      scope: NOBODY,
    };
    NOBODY.runInAsyncScope(() => batch.send(next(batchInfo), metadata));
  }

  /** A batch failed, and its calls go another way. */
  #again(partition: Partition<NativeCall>, calls: NativeCall[], remedy: Exclude<Remedy, 'fail'>, code: number): void {
    const { counts } = this.#shared;
    const via = calls[0]?.plan.via ?? '';
    if (code === Code.UNIMPLEMENTED) this.#deny(via, UNKNOWN_MS);
    if (remedy === 'halves' && calls.length > 1) {
      counts.split++;
      const half = calls.length >> 1;
      for (const part of [calls.slice(0, half), calls.slice(half)]) {
        if (part.length > 1) this.#send(partition, part);
        else for (const call of part) this.#alone(call, 'fallback');
      }
      return;
    }
    const fallback = code === Code.UNIMPLEMENTED ? undefined : this.#watch(via, code, calls.length);
    for (const call of calls) {
      call.fallback = fallback;
      this.#alone(call, 'fallback');
    }
  }

  /** Calls that all fare better alone say that the batch method is at fault: forbidden by a policy for its path, or broken. */
  #watch(via: string, batchCode: number, calls: number): Fallback {
    let left = calls;
    let better = true;
    return {
      ended: (code) => {
        better &&= isRefusal(batchCode) ? !isRefusal(code) : code === Code.OK;
        if (--left === 0 && better) this.#deny(via, AT_FAULT_MS);
      },
    };
  }
  #deny(via: string, forMs: number): void {
    this.#denied.set(via, this.#clock.nowMs() + forMs * (1 + 0.1 * this.#shared.random()));
  }
}

/** A batch method has no place for what each call says for itself: what matters to the server must be equal. */
function keyOf(keyed: Keyed, group: Buffer): string {
  let { key } = keyed;
  for (const part of kept(keyed) ?? []) {
    const text = typeof part === 'string' ? part : part.toString('base64');
    key += `\nown ${text.length}:${text}`;
  }
  return group.length === 0 ? key : `${key}\ngroup ${group.toString('latin1')}`;
}

/** Entries of a call's own that its batch has for all. */
function kept(keyed: Keyed | undefined): (string | Buffer)[] | undefined {
  const { own } = keyed ?? {};
  if (own === undefined) return undefined;
  const entries: (string | Buffer)[] = [];
  for (let i = 0; i < own.length; i += 2) {
    const [key, value] = [own[i], own[i + 1]];
    if (key !== undefined && value !== undefined && !DROPPED.has(String(key))) entries.push(key, value);
  }
  return entries;
}

/** Nothing counted yet. */
export function noNativeCounts(): NativeCounts {
  const plain = { alone: 0, asked: 0, door: 0, retry: 0, field: 0, key: 0, 'queue-full': 0, denied: 0, fallback: 0 };
  return { batches: 0, items: 0, failed: 0, split: 0, plain };
}
