/**
 * Metadata that all calls of a batch are told.
 *
 * Two `Metadata` are four maps, half of what a call in a batch would otherwise allocate, and most callers never look at
 * them. So calls are given the batch's own, and the doors make the copy that an app may change.
 *
 * @packageDocumentation
 */
import { Metadata } from '@grpc/grpc-js';
import { UsageError } from '../errors.ts';

/** Told to many: it can't be changed. Its `clone()` is a plain `Metadata`. */
export class SharedMetadata extends Metadata {
  constructor(from?: Metadata) {
    super();
    if (from !== undefined) super.merge(from);
  }
  override set(): void {
    throw new UsageError(SHARED);
  }
  override add(): void {
    throw new UsageError(SHARED);
  }
  override remove(): void {
    throw new UsageError(SHARED);
  }
  override merge(): void {
    throw new UsageError(SHARED);
  }
  override setOptions(): void {
    throw new UsageError(SHARED);
  }
}

const SHARED = 'inmesh: this metadata belongs to all calls of a batch; change a clone of it';

/** Nothing, told to many. */
export const NO_METADATA: SharedMetadata = new SharedMetadata();

/** What an app may be handed: a copy of what others were told as well. */
export function appMetadata(metadata: Metadata): Metadata {
  return metadata instanceof SharedMetadata ? metadata.clone() : metadata;
}
