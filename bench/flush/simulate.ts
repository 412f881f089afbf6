/**
 * One policy under one workload: the real partition on a virtual event loop, a server with one thread, and the measured
 * costs of calls in grpc-js.
 *
 * @packageDocumentation
 */
import { resolveCoalesceOptions } from '../../src/batch/options.ts';
import { Partition, type QueueItem } from '../../src/batch/partition.ts';
import { seededRandom } from '../../src/random.ts';
import { quantile } from '../stats.ts';
import { SimLoop } from './loop.ts';
import { oracleCost } from './oracle.ts';
import type { Entry } from './policies.ts';
import type { Workload } from './workloads.ts';

/** CPU costs in ms: of an RPC or message, and of each item in it. Measured for grpc-js 1.14.7 on Node 20; linear fits. */
export interface Costs {
  readonly clientBatch: number;
  readonly clientItem: number;
  readonly serverBatch: number;
  readonly serverItem: number;
  /** What a caller costs before its item is in the queue and after its answer is out. */
  readonly caller: number;
  readonly roundTrip: number;
  /** A lone item is a plain call and does not count against the gate. */
  readonly loneIsPlain: boolean;
}

export const ENVELOPE: Costs = {
  clientBatch: 0.17,
  clientItem: 0.0025,
  serverBatch: 0.075,
  serverItem: 0.002,
  caller: 0.02,
  roundTrip: 0.5,
  loneIsPlain: true,
};
export const TUNNEL: Costs = { ...ENVELOPE, clientBatch: 0.018, clientItem: 0.003, serverBatch: 0.013, loneIsPlain: false };

/** What a run shows. Times in ms, CPU in us for each item, both sides. */
export interface Figures {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
  /** RPCs or messages for each item. */
  readonly carriers: number;
  /** Mean wait in the queue. */
  readonly waitMs: number;
  /** CPU-microseconds that an item's decisions cost more than the oracle's, with a caller's time worth CPU time 1:1. */
  readonly regret1Us: number;
  /** The same with a caller's time worth a tenth. */
  readonly regret10Us: number;
  /** The gate at the end; Infinity: none. */
  readonly limit: number;
}

interface Item extends QueueItem {
  readonly madeMs: number;
  addedMs: number;
  readonly handlerMs: number;
}

/** Results that finish within this time of each other come back together. */
const REPLY_MS = 0.1;

export function simulate(workload: Workload, entry: Entry, costs: Costs, seed: number): Figures {
  const loop = new SimLoop();
  const options = resolveCoalesceOptions();
  const random = seededRandom(seed);
  const latencies: number[] = [];
  const added: number[] = [];
  let serverFreeMs = 0;
  let serverBusyMs = 0;
  let batches = 0;
  let waitedMs = 0;
  let left = 'calls' in workload.load ? workload.load.calls : 0;
  const closed = 'callers' in workload.load;

  const call = (madeMs: number): void => {
    loop.spend(costs.caller);
    const item: Item = { size: 64, slot: -1, madeMs, addedMs: loop.nowMs(), handlerMs: -workload.handlerMs * Math.log(1 - random()) };
    added.push(item.addedMs);
    if (entry.plain || !partition.add(item)) send([item], 'none');
  };

  const send = (items: Item[], kind: 'none' | 'lead' | 'batch'): void => {
    const counted = kind === 'batch' && !(costs.loneIsPlain && items.length === 1);
    for (const item of items) waitedMs += loop.nowMs() - item.addedMs;
    batches++;
    loop.spend(0.6 * costs.clientBatch + (costs.clientItem / 2) * items.length);
    if (counted) partition.carrierSent(items.length);
    const startMs = Math.max(serverFreeMs, loop.nowMs() + costs.roundTrip / 2);
    const workMs = costs.serverBatch + costs.serverItem * items.length;
    serverFreeMs = startMs + workMs;
    serverBusyMs += workMs;
    items.sort((a, b) => a.handlerMs - b.handlerMs);
    let open = counted || kind === 'lead';
    for (let from = 0, to = 0; from < items.length; from = to) {
      const lastMs = (items[from] as Item).handlerMs + REPLY_MS;
      while (to < items.length && (items[to] as Item).handlerMs <= lastMs) to++;
      const group = items.slice(from, to);
      const share = group.length / items.length;
      const readyMs = serverFreeMs + (group.at(-1) as Item).handlerMs + costs.roundTrip / 2;
      loop.at(readyMs, () => {
        loop.spend(0.4 * costs.clientBatch * share + (costs.clientItem / 2) * group.length);
        if (open && counted) partition.carrierAnswered(items.length);
        else if (open) partition.leadEnded();
        open = false;
        for (const item of group) {
          latencies.push(loop.nowMs() - item.madeMs);
          if (closed && left-- > 0) call(loop.nowMs());
        }
      });
    }
  };

  const partition: Partition<Item> = new Partition<Item>(
    options,
    loop,
    (items, reason) => send(items, reason === 'lead' ? 'lead' : 'batch'),
    entry.make(options),
  );
  if ('callers' in workload.load) {
    const { callers } = workload.load;
    left -= callers;
    // They begin one after the other, as callers do.
    for (let caller = 0; caller < callers; caller++) loop.at(caller * 0.05, () => call(loop.nowMs()));
  } else {
    for (const atMs of workload.load.arrivals) loop.at(atMs, () => call(atMs));
  }
  loop.run();

  const count = latencies.length;
  if (count !== added.length || partition.waiting > 0 || partition.carriers > 0 || loop.pending > 0)
    throw new Error(`${entry.name} under ${workload.name}: ${added.length} calls, ${count} answers, ${partition.waiting} left behind`);
  const sorted = latencies.toSorted((a, b) => a - b);
  const batchMs = costs.clientBatch + costs.serverBatch;
  const regretUs = (waitWeight: number): number => {
    const oracle = oracleCost(added, { batchMs, waitWeight }, options.maxItems);
    return ((waitWeight * waitedMs + batches * batchMs - oracle) / count) * 1000;
  };
  return {
    meanMs: latencies.reduce((sum, ms) => sum + ms, 0) / count,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    cpuUs: ((loop.busyMs + serverBusyMs) / count) * 1000,
    carriers: batches / count,
    waitMs: waitedMs / count,
    regret1Us: regretUs(1),
    regret10Us: regretUs(0.1),
    limit: partition.limit,
  };
}
