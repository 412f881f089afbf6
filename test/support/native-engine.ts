/**
 * The engine of native batches without a network: requests in, a batch's bytes, a reply's bytes, results out.
 */
import type { MethodDefinition } from '@grpc/proto-loader';
import { compileRule } from '../../src/batch/native/compile.ts';
import type { ItemError } from '../../src/batch/native/item.ts';
import type { NativePlan } from '../../src/batch/native/plan.ts';
import { ReplyTaker } from '../../src/batch/native/reply.ts';
import { batchRequest, type Lifted, liftRequest } from '../../src/batch/native/request.ts';
import { readDescriptors } from '../../src/batch/native/sources.ts';
import type { BatchRule } from '../../src/policy/policy.gen.ts';
import { library, type Mode, RULES } from './native.ts';

export const catalog = readDescriptors(library);
const SERVICE = 'library.v1.Library';

/** A method of the library, with its codec. */
export function definitionOf(name: string): MethodDefinition<object, object> {
  return (library[SERVICE] as Record<string, MethodDefinition<object, object>>)[name] as MethodDefinition<object, object>;
}

export function planOf(mode: Mode, rule: BatchRule = RULES[mode]): NativePlan {
  return compileRule(rule, catalog, { method: `/${SERVICE}/${mode}`, idempotent: true, path: 'rule' });
}

export type Result = { readonly answered: Buffer } | { readonly refused: ItemError } | 'missing' | 'unreadable';

/** Lifts requests; undefined for those that can't be merged. */
export function lift(plan: NativePlan, requests: readonly Buffer[]): (Lifted | undefined)[] {
  return requests.map((request) => liftRequest(plan.request, request));
}

/** What becomes an element of the batch request. */
export function elementOf({ source, from, end }: Lifted): Buffer {
  return source.subarray(from, end);
}

export function batch(plan: NativePlan, lifted: readonly Lifted[]): Buffer {
  return batchRequest(
    plan.request,
    lifted.map((one) => ({ lifted: one })),
  );
}

/** Results by place; `fits` is false when the reply is given to nobody. */
export function take(
  plan: NativePlan,
  keys: readonly string[],
  messages: readonly Buffer[],
): { results: (Result | undefined)[]; fits: boolean; twice: number } {
  const results: (Result | undefined)[] = keys.map(() => undefined);
  let twice = 0;
  const put = (place: number, result: Result): void => {
    if (results[place] !== undefined) twice++;
    results[place] = result;
  };
  const taker = new ReplyTaker(plan.reply, keys, {
    answered: (place, answered) => put(place, { answered }),
    refused: (place, refused) => put(place, { refused }),
    missing: (place) => put(place, 'missing'),
    unreadable: (place) => put(place, 'unreadable'),
  });
  for (const message of messages) taker.message(message);
  const fits = taker.end();
  return { results, fits, twice };
}
