/**
 * A call as the pool of threads sees it.
 *
 * @packageDocumentation
 */
import type { Refusal } from '../errors.ts';
import type { Lane, Waiting } from './lanes.ts';

/** Handed to `Pool.submit` once. */
export abstract class PoolTask implements Waiting<PoolTask> {
  /** Calls of one client connection wait in one lane. */
  abstract readonly laneKey: string;
  /** On `Clock.nowMs`; `Infinity`: none. */
  abstract readonly deadlineMs: number;
  /** The same for two calls that ask for the same. Asked only when a thread has died of late. */
  abstract request(): string;
  /** No thread has answered it, nor will. */
  abstract refused(why: Refusal): void;
  /** @internal */ previous: PoolTask | undefined = undefined;
  /** @internal */ next: PoolTask | undefined = undefined;
  /** @internal */ lane: Lane<PoolTask> | undefined = undefined;
  /** @internal The seat of the thread that has it; -1: none. */ seat: number = -1;
  /** @internal Cancelled in its thread, which has not said yet that it knows. */ owed: boolean = false;
}
