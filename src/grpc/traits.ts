/**
 * Whom a call is for, how much it matters, and which attempt it is: from the call's own options, else from the call being
 * served here; on the wire in metadata of ours.
 *
 * @packageDocumentation
 */
import type { Metadata } from '@grpc/grpc-js';
import { PRIORITIES, type Priority } from '../call.ts';
import { type CallTraits, currentScope, NO_TRAITS } from '../deadline/call-scope.ts';
import { ConfigError } from '../errors.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';
import { PREVIOUS_ATTEMPTS_KEY } from '../retry/pushback.ts';
import type { CallInfo } from './client-call.ts';

/** Metadata key of a call's priority; absent: `default`. */
export const PRIORITY_KEY = 'inmesh-priority';
/** Metadata key of a call's tenant; absent: nobody said. */
export const TENANT_KEY = 'inmesh-tenant';
/** Metadata key of a copy (`interceptors/mirror.ts`). Handlers see it too; what is called for a copy has it as well. */
export const MIRROR_KEY = 'inmesh-mirror';

/** Printable ASCII, no blanks around it: what a header's value may be. */
const TENANT: RegExp = /^[!-~](?:[ -~]{0,126}[!-~])?$/;
const WHOLE_NUMBER: RegExp = /^(?:0|[1-9]\d{0,2})$/;
const MAX_ATTEMPT = 100;

/** What a call says of itself to its server. */
export interface SentTraits {
  readonly priority: Priority | undefined;
  readonly tenant: string | undefined;
  readonly mirrored?: boolean;
}

/** How much the call matters. @throws ConfigError when the call was given something else. */
export function priorityOf(info: CallInfo): Priority {
  const own = info.options?.priority;
  if (own === undefined) return currentScope.getStore()?.priority ?? 'default';
  if (isPriority(own)) return own;
  const meant = typeof own === 'string' ? nearest(own, PRIORITIES) : undefined;
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
  throw new ConfigError('options.inmesh.priority', `expected one of ${PRIORITIES.join(', ')}, got ${show(own)}${hint}`);
}

/** Whom the call is for; undefined: nobody said. @throws ConfigError when the call was given something else. */
export function tenantOf(info: CallInfo): string | undefined {
  const own = info.options?.tenant;
  if (own === undefined) return currentScope.getStore()?.tenant;
  if (isTenant(own)) return own;
  throw new ConfigError('options.inmesh.tenant', `expected 1 to 128 printable ASCII characters, got ${show(own)}`);
}

/** What is to be written for this call; undefined: nothing. @throws ConfigError as the two above. */
export function traitsToSend(info: CallInfo, allowed: { readonly priority: boolean; readonly tenant: boolean }): SentTraits | undefined {
  if (info.options === undefined && currentScope.getStore() === undefined) return undefined;
  const given = priorityOf(info);
  const priority = given === 'default' || !allowed.priority ? undefined : given;
  const named = tenantOf(info);
  const tenant = allowed.tenant ? named : undefined;
  if (currentScope.getStore()?.traits.mirrored === true) return { priority, tenant, mirrored: true };
  return priority === undefined && tenant === undefined ? undefined : { priority, tenant };
}

/** Writes them. What stood there before was not ours to say. */
export function writeTraits(metadata: Metadata, { priority, tenant, mirrored = false }: SentTraits): void {
  if (mirrored) metadata.set(MIRROR_KEY, '1');
  if (priority !== undefined) metadata.set(PRIORITY_KEY, priority);
  if (tenant !== undefined) metadata.set(TENANT_KEY, tenant);
}

/**
 * Reads what an incoming call says of itself, and takes what is ours out of its metadata. Anything malformed was not said.
 *
 * @param trusted - False: priority and tenant are what any caller may claim, and are passed over (case Q15).
 */
export function takeTraits(metadata: Metadata, trusted: boolean): CallTraits {
  const attempt = attemptOf(metadata.get(PREVIOUS_ATTEMPTS_KEY));
  let traits: CallTraits = attempt === 0 ? NO_TRAITS : { ...NO_TRAITS, attempt };
  if (trusted) {
    const priority = only(metadata.get(PRIORITY_KEY), isPriority);
    const tenant = only(metadata.get(TENANT_KEY), isTenant);
    if (priority !== undefined || tenant !== undefined) traits = { priority, tenant, attempt };
  }
  if (metadata.get(MIRROR_KEY).length > 0) traits = { ...traits, mirrored: true };
  metadata.remove(PRIORITY_KEY);
  metadata.remove(TENANT_KEY);
  return traits;
}

function only<T>(values: readonly unknown[], is: (value: unknown) => value is T): T | undefined {
  const [value] = values;
  return values.length === 1 && is(value) ? value : undefined;
}

function attemptOf(values: readonly unknown[]): number {
  const [text] = values;
  if (values.length !== 1 || typeof text !== 'string' || !WHOLE_NUMBER.test(text)) return 0;
  return Number(text) <= MAX_ATTEMPT ? Number(text) : 0;
}

function isPriority(value: unknown): value is Priority {
  return value === 'default' || value === 'critical' || value === 'sheddable';
}

function isTenant(value: unknown): value is string {
  return typeof value === 'string' && TENANT.test(value);
}
