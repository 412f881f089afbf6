/**
 * Tells whether what an admin server sent is what was asked for. Only as far as it is read here: newer servers may send more.
 *
 * @packageDocumentation
 */
import type { CallView, EventView, ExplainView, OverviewView } from '../observe/views.ts';
import { isRecord } from './http.ts';

const LISTS = ['methods', 'endpoints', 'breakers', 'limits', 'budgets', 'peers', 'events'] as const;

/** `/overview.json`. */
export function isOverview(value: unknown): value is OverviewView {
  return (
    isRecord(value) &&
    typeof value['atMs'] === 'number' &&
    isRecord(value['process']) &&
    isRecord(value['batches']) &&
    isRecord(value['batches']['client']) &&
    LISTS.every((name) => Array.isArray(value[name]) && value[name].every(isRecord))
  );
}

/** One of `/tap`. */
export function isCall(value: unknown): value is CallView {
  return isRecord(value) && typeof value['method'] === 'string' && typeof value['status'] === 'string' && Array.isArray(value['endpoints']);
}

/** How many calls `/tap` has left out. */
export function isLost(value: unknown): value is { readonly lost: number } {
  return isRecord(value) && typeof value['lost'] === 'number';
}

/** One of `/events`. */
export function isEvent(value: unknown): value is EventView {
  return isRecord(value) && typeof value['seq'] === 'number' && typeof value['kind'] === 'string' && typeof value['text'] === 'string';
}

/** `/events.json`. */
export function isEventList(value: unknown): value is readonly EventView[] {
  return Array.isArray(value) && value.every(isEvent);
}

/** `/config.json?method=`. */
export function isExplained(value: unknown): value is ExplainView {
  return isRecord(value) && typeof value['method'] === 'string' && Array.isArray(value['values']) && value['values'].every(isRecord);
}
