/**
 * A batch rule, checked and ready to be used: field numbers instead of names.
 *
 * @packageDocumentation
 */
import type { WireType } from './descriptors.ts';

/** A field as it stands on the wire. */
export interface WireField {
  readonly number: number;
  readonly wireType: WireType;
}

/** How unary requests become one batch request. */
export interface RequestPlan {
  /** One value of each request becomes an element of a list. */
  readonly lift?: { readonly from: WireField & { readonly presence: boolean }; readonly to: WireField & { readonly packed: boolean } };
  /** The whole request becomes an element of this field. */
  readonly wrap?: number;
  /** Fields that are equal inside a batch, by their number in the unary request; `number` is that in the batch request. */
  readonly group: ReadonlyMap<number, WireField & { readonly repeated: boolean }>;
  /** The field that tells requests apart, where results are matched by it. */
  readonly key?: WireField;
}

/** How one batch reply becomes results. */
export interface ReplyPlan {
  /** The field with the items. Undefined: each message of a stream is an item. */
  readonly items?: WireField;
  readonly match: 'index' | 'key' | 'map';
  /** KEY: the item's key. MAP: the key of its entry. */
  readonly key?: WireField;
  /** INDEX: the field with the place of the item's request; without it items stand in the order of requests. */
  readonly index?: { readonly number: number; readonly presence: boolean };
  /** The field with the item's own `google.rpc.Status`. */
  readonly status?: number;
  /** The field of the item that is the response, where the item itself is not. */
  readonly value?: WireField;
  /** `map<int32, google.rpc.Status>` by place of the request. */
  readonly failed?: number;
  /** The field of the unary response that is filled; undefined: the item is the response. */
  readonly set?: WireField;
  readonly missing: Missing;
  /** Results come as a stream of messages. */
  readonly stream: boolean;
}

/** What a call is told that the reply has no item for. */
export type Missing = 'not_found' | 'default_value' | 'internal_error';
/** What becomes of the calls of a batch that failed as a whole. */
export type OnBatchError = 'retry_singles' | 'bisect' | 'fail_all';

/** Merging calls of one method into its batch method. */
export interface NativePlan {
  /** `/pkg.Service/GetX`. */
  readonly method: string;
  /** `/pkg.Service/BatchGetX`. */
  readonly via: string;
  /** Undefined: as for every batch. */
  readonly maxItems?: number;
  readonly onBatchError: OnBatchError;
  readonly request: RequestPlan;
  readonly reply: ReplyPlan;
}

const DEFAULTS: Readonly<Record<WireType, Buffer>> = { 0: Buffer.alloc(1), 1: Buffer.alloc(8), 2: Buffer.alloc(1), 5: Buffer.alloc(4) };

/** The default value of a field as it would stand on the wire: zero, or nothing with its length. */
export function defaultValue({ wireType }: WireField): Buffer {
  return DEFAULTS[wireType];
}
