/**
 * The place of one thread in a pool, whichever thread sits on it.
 *
 * @packageDocumentation
 */
import type { CancelTimer } from '../clock.ts';
import type { Random } from '../random.ts';
import { Restarts } from './restarts.ts';
import type { PoolTask } from './task.ts';

/** `empty`: the last thread has died and the next is waited for. */
export type SeatState = 'empty' | 'starting' | 'up';

export class Seat {
  readonly index: number;
  readonly restarts: Restarts;
  /** Calls that its thread has. */
  readonly tasks: Set<PoolTask> = new Set<PoolTask>();
  state: SeatState = 'empty';
  upAtMs = 0;
  /** Runs while the thread owes a sign of life. */
  stall: CancelTimer | undefined = undefined;
  /** Calls that were cancelled in its thread, which has not said yet that it knows. */
  owed = 0;
  /** The thread was stuck and is being ended. */
  stalled = false;
  /** The only call in its thread is under suspicion; it gets no other. */
  solo = false;
  /** Runs while the next thread is waited for. */
  restart: CancelTimer | undefined = undefined;
  #taken: PoolTask[] = [];

  constructor(index: number, random: Random) {
    this.index = index;
    this.restarts = new Restarts(random);
  }

  take(task: PoolTask): void {
    task.seat = this.index;
    this.tasks.add(task);
    this.#taken.push(task);
  }
  /** What was taken since it was asked last. */
  taken(): PoolTask[] {
    const taken = this.#taken;
    if (taken.length > 0) this.#taken = [];
    return taken;
  }
  /** The thread is through with it. */
  release(task: PoolTask): void {
    this.tasks.delete(task);
    task.seat = -1;
    if (task.owed) this.owed--;
    task.owed = false;
    if (this.tasks.size === 0) this.solo = false;
  }
  stopWatch(): void {
    this.stall?.();
    this.stall = undefined;
  }
  /** The thread is gone; the calls it had. */
  vacate(): PoolTask[] {
    const lost = [...this.tasks];
    for (const task of lost) this.release(task);
    this.stopWatch();
    this.stalled = false;
    this.state = 'empty';
    return lost;
  }
}
