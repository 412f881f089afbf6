/**
 * What envelopes and tunnels have in common: the item that they carry, and how their own fate becomes its.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { WireResult } from '../batch/reply-codec.ts';
import { MAX_TIMEOUT_US, type WireItem } from '../batch/request-codec.ts';
import { Code } from '../call.ts';
import { AMBIGUOUS_KEY } from '../errors.ts';
import type { BatchForm } from '../observe/batch-metrics.ts';
import type { AuthContext } from './client-call.ts';
import type { SharedMetadata } from './shared-metadata.ts';

/** Takes calls along. */
export interface Conveyor {
  readonly form: BatchForm;
  /** An item ended on this side. */
  gone(item: CarriedItem): void;
  getAuthContext(): AuthContext | null;
}

/** A call that travels with others. */
export interface CarriedItem extends WireItem {
  id: number;
  timeoutUs: number;
  /** On `Clock.nowMs`; `Infinity`: none. */
  readonly deadlineMs: number;
  /** False once it has ended on this side (cancelled, late). */
  readonly live: boolean;
  /** It travels now. `peer`: the endpoint. */
  carriedBy(conveyor: Conveyor, peer: string): void;
  /** Its answer has come. `headers`: those of the carrier. */
  answered(result: WireResult, headers: SharedMetadata): void;
  /** The carrier failed and no answer will come. */
  failed(status: StatusObject): void;
  /** The server provably never ran this item: it goes out alone. */
  goAlone(): void;
  /** The server may have seen this item. */
  wasSent(): void;
}

/** Writes down how long each item has left. */
export function stampTimeouts(items: readonly CarriedItem[], nowMs: number): void {
  for (const item of items) {
    const { deadlineMs } = item;
    if (deadlineMs === Number.POSITIVE_INFINITY) item.timeoutUs = 0;
    else item.timeoutUs = Math.min(MAX_TIMEOUT_US, Math.max(1, Math.ceil((deadlineMs - nowMs) * 1000)));
  }
}

/** The server has no such path, or its policy allows the method but not the carrier. Either way nothing has run. */
export function turnsAway(code: number): boolean {
  return code === Code.UNIMPLEMENTED || code === Code.PERMISSION_DENIED || code === Code.UNAUTHENTICATED;
}

/** An item's own status that says the endpoint could not do its work. */
export function isDropped(code: number): boolean {
  return code === Code.UNAVAILABLE || code === Code.RESOURCE_EXHAUSTED;
}

/** What an item ends with when its tunnel broke: the stream is ours, so whatever code it had, the endpoint was lost. */
export function lostStatus(status: StatusObject, peer: string): StatusObject {
  const metadata = new Metadata();
  metadata.set(AMBIGUOUS_KEY, '1');
  return { code: Code.UNAVAILABLE, details: `inmesh: the tunnel to ${peer} broke: ${status.details}`, metadata };
}

/** An app that throws in its callback must not keep its siblings from theirs (case K20); its error still surfaces. */
export function guarded(fn: () => void): void {
  try {
    fn();
  } catch (error) {
    throwLater(error);
  }
}

/** Lets an app's error surface where no sibling suffers from it. */
export function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
