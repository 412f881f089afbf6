/**
 * What the processes of the bench say to each other, over Node's IPC.
 *
 * @packageDocumentation
 */
import type { LoopPlan, LoopResult } from './closed-loop.ts';

/** One cell, as the client process is told to run it. */
export interface RunOrder extends LoopPlan {
  readonly do: 'run';
}

/** Asks the server process what it has used so far. */
export interface UsageOrder {
  readonly do: 'usage';
}

/** Asks the process of one layer for one slice. */
export interface LayerOrder {
  readonly do: 'layer';
  readonly calls: number;
}

/** CPU microseconds per call of one slice. */
export interface LayerResult {
  readonly cpuUs: number;
}

/** What a process is told. One order at a time. */
export type Order = RunOrder | UsageOrder | LayerOrder;

/** First word of a process. */
export interface Hello {
  /** Where the server listens; 0 from any other process. */
  readonly port: number;
}

/** What the client process measured in one slice. */
export interface RunResult extends LoopResult {
  /** CPU of the whole process, garbage collection included. */
  readonly cpuUs: number;
  /** Batches and the calls in them during the slice; 0 where nothing coalesces. */
  readonly carriers: number;
  readonly items: number;
}

/** What the server process has used since it began. */
export interface Usage {
  readonly cpuUs: number;
  /** Times the handler ran. */
  readonly served: number;
}

/** Whole-process CPU time in microseconds. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Sends to the parent; a parent that is gone is no error, for then this process ends too. */
export function tell(message: Hello | RunResult | Usage | LayerResult): void {
  process.send?.(message);
}
