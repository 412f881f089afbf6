/**
 * The stack in order. Index 0 sees the request first, on both sides.
 *
 * This file is the only place that knows the order; each stage says what it must be above, and why.
 *
 * @packageDocumentation
 */
import type { CallInfo, ClientCall, ClientInterceptor, NextClientCall } from '../src/grpc/client-call.ts';
import type { PlacedBehaviour } from '../src/grpc/interceptor-door.ts';
import type { ServerLayer } from '../src/grpc/server-call.ts';

/** Name of a client stage. */
export type ClientStage =
  | 'story'
  | 'tracing'
  | 'metrics'
  | 'fallback'
  | 'deadline'
  | 'route'
  | 'cache'
  | 'breaker'
  | 'limit'
  | 'bulkhead'
  | 'mirror'
  | 'policies'
  | 'retry'
  | 'attempt'
  | 'fault'
  | 'nativeBatch'
  | 'coalesce'
  | 'balance';
/** Name of a server stage. */
export type ServerStage = 'story' | 'metrics' | 'tracing' | 'deadline' | 'authorization' | 'limit' | 'bulkhead' | 'fault';

/** One stage: its place is its index. */
export interface Stage<Name extends string> {
  readonly name: Name;
  /** What it must be above, and why. */
  readonly above: string;
}

/** Client, from the app down to the channel. Below `retry` a stage sees attempts, above it calls. */
export const CLIENT_STAGES: readonly Stage<ClientStage>[] = [
  { name: 'story', above: 'everything: every call has one story, whatever becomes of it, and closing waits for all of them' },
  { name: 'tracing', above: 'everything that can refuse, wait or repeat a call: one span must cover it, with one outcome' },
  {
    name: 'metrics',
    above: "deadline and everything below: the duration is the one that the app saw; it is the span's, so tracing is above",
  },
  { name: 'fallback', above: 'everything that refuses or fails: it answers in place of all of them' },
  { name: 'deadline', above: 'bulkhead: a call that is late already must not wait for a slot, nor hold one' },
  {
    name: 'route',
    above: 'cache: an answer is kept for the target that gave it; and retry: all attempts of a call go to one cluster',
  },
  { name: 'cache', above: 'breaker, limit and bulkhead: a hit needs no permit, and a stale answer must outlive an open breaker' },
  { name: 'breaker', above: 'limit and bulkhead: what is known to fail takes no slot, and their refusals are no failures of the server' },
  { name: 'limit', above: 'bulkhead: it learns from whole calls, and its refusal is as cheap; a queue above it would hide the latency' },
  { name: 'bulkhead', above: 'retry: the attempts of one call share one slot, and a full house is not worth another attempt' },
  { name: 'mirror', above: 'policies and retry: one call is one copy; above it what is answered or refused on this side is not copied' },
  { name: 'policies', above: "retry: a user's policy wraps one call, whatever becomes of it on the wire" },
  { name: 'retry', above: 'coalesce: it repeats calls, never batches; a repeated item joins a later batch' },
  { name: 'attempt', above: 'nativeBatch and coalesce: an item is an attempt, with a span and a count of its own' },
  { name: 'fault', above: 'nativeBatch and coalesce: an attempt that is to fail joins no batch; below retry, which is to see it' },
  { name: 'nativeBatch', above: 'coalesce: its batch is one call of another method, which may travel like any other' },
  { name: 'coalesce', above: 'balance: a batch goes to one endpoint, chosen once' },
  { name: 'balance', above: 'the channel: it is the picker in there, reached through mesh.options() or mesh.client()' },
];

/** Server, from the wire up to the handler. Items of a batch start at the top like calls of their own. */
export const SERVER_STAGES: readonly Stage<ServerStage>[] = [
  { name: 'story', above: 'everything: refused calls are calls' },
  { name: 'metrics', above: 'tracing: its duration includes refusals, and it needs no context' },
  { name: 'tracing', above: 'everything that can refuse: the span must show who did' },
  {
    name: 'deadline',
    above: 'bulkhead: what is late already must not wait for a slot; handlers and their client calls inherit what is left',
  },
  { name: 'authorization', above: 'limit and bulkhead: who may not call takes no slot, and nothing of the call is read' },
  {
    name: 'limit',
    above: 'bulkhead: its refusal is the cheaper one, for nothing has waited yet; the wait in there is part of what it learns',
  },
  { name: 'bulkhead', above: 'the handler: nothing of a refused call is read' },
  { name: 'fault', above: 'the handler alone: an injected failure looks like its own, and holds its slot' },
];

const clientPlace = (name: ClientStage): number => CLIENT_STAGES.findIndex((stage) => stage.name === name);
const serverPlace = (name: ServerStage): number => SERVER_STAGES.findIndex((stage) => stage.name === name);

/** A behaviour at its place, to be used alone. */
export function placed(name: ClientStage, intercept: ClientInterceptor): PlacedBehaviour {
  const place = clientPlace(name);
  return { name, from: place, to: place, intercept };
}

/** Behaviours of one mesh as one, in the order of the stack whatever the order given. */
export function clientStack(stages: Partial<Readonly<Record<ClientStage, ClientInterceptor>>>): PlacedBehaviour {
  const inOrder = CLIENT_STAGES.flatMap(({ name }) => {
    const intercept = stages[name];
    return intercept === undefined ? [] : [{ name, intercept }];
  });
  // Built once: a call walks the chain without making one.
  let next: NextClientCall = (info) => info.bottom(info);
  for (const { intercept } of inOrder.toReversed()) {
    const below = next;
    next = (info: CallInfo): ClientCall => intercept(info, below);
  }
  const top = next;
  const places = inOrder.map(({ name }) => clientPlace(name));
  return {
    name: inOrder.map(({ name }) => name).join('+') || 'nothing',
    from: places[0] ?? 0,
    to: places.at(-1) ?? 0,
    intercept: (info) => top(info),
  };
}

/** Server behaviours of one mesh as one layer, in the order of the stack whatever the order given. */
export function serverStack(stages: Partial<Readonly<Record<ServerStage, ServerLayer>>>): ServerLayer {
  const inOrder = Object.entries(stages)
    .sort(([a], [b]) => serverPlace(a as ServerStage) - serverPlace(b as ServerStage))
    .flatMap(([, layer]) => (layer === undefined ? [] : [layer]));
  return (info, call) => {
    let wrapped = call;
    for (const layer of inOrder) wrapped = layer(info, wrapped);
    return wrapped;
  };
}
