/**
 * Calls over threads: who waits, which thread takes whom, what becomes of calls whose thread dies.
 *
 * A pure state machine: it knows neither threads nor messages, only seats on which a host puts threads.
 *
 * - What comes in one turn of the event loop goes out at its end, one `post` for each thread.
 * - A call goes to the thread with the fewest calls in it, never to one that has `inFlight` of them.
 * - A thread that dies takes along only the calls posted to it; those that wait go to another, or to its successor.
 * - Every call that is submitted hears `refused` at most once, and none that is `done` does.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { isLate } from '../deadline/arithmetic.ts';
import type { Refusal } from '../errors.ts';
import type { Random } from '../random.ts';
import { Lanes } from './lanes.ts';
import type { PoolRules } from './options.ts';
import { Quarantine } from './quarantine.ts';
import { CLOSED, CRASHED, CUT_OFF, LATE, NOT_STARTED, QUARANTINED, QUEUE_FULL, STALLED } from './refusals.ts';
import { Seat } from './seat.ts';
import type { PoolTask } from './task.ts';

/** Puts threads on seats. Its answers are `up`, `heard`, `done` and `down`, never from inside these. */
export interface PoolHost {
  /** Start a thread on this seat. */
  start(seat: number): void;
  /** Give these calls to it. */
  post(seat: number, tasks: readonly PoolTask[]): void;
  /** Nobody waits any more for this call, which it has. */
  cancel(seat: number, task: PoolTask): void;
  /** End it, whatever it does. */
  stop(seat: number): void;
}

/** What a pool has done and what it has now. */
export interface PoolStats {
  /** Threads asked for. */
  readonly threads: number;
  /** Threads that have loaded the module. */
  readonly up: number;
  /** Calls that wait for a thread. */
  readonly waiting: number;
  /** Calls in each thread. */
  readonly inFlight: readonly number[];
  /** Calls that threads have answered. */
  readonly done: number;
  /** Calls refused before a thread had them. */
  readonly refused: number;
  /** Calls lost with their thread. */
  readonly lost: number;
  /** Calls among those refused that were kept out because they kill threads. */
  readonly quarantined: number;
  /** Threads that died after they were up; those that were stuck are among them. */
  readonly crashes: number;
  /** Threads that died before they were up. */
  readonly failedStarts: number;
}

export class Pool {
  readonly #rules: PoolRules;
  readonly #clock: Clock;
  readonly #host: PoolHost;
  readonly #seats: readonly Seat[];
  readonly #lanes = new Lanes<PoolTask>();
  /** Calls that wait to run alone. */
  readonly #suspects = new Lanes<PoolTask>();
  readonly #quarantine: Quarantine;
  readonly #counts = { done: 0, refused: 0, lost: 0, crashes: 0, failedStarts: 0, quarantined: 0 };
  #turn = false;
  #closing = false;
  #over = false;
  #onIdle: (() => void) | undefined;

  constructor(rules: PoolRules, clock: Clock, random: Random, host: PoolHost) {
    this.#rules = rules;
    this.#clock = clock;
    this.#host = host;
    this.#quarantine = new Quarantine(rules.quarantineAfter, rules.quarantineMs, clock);
    this.#seats = Array.from({ length: rules.threads }, (_, index) => new Seat(index, random));
  }

  /** Starts all threads. Once. */
  start(): void {
    for (const seat of this.#seats) this.#start(seat);
  }

  /** Takes a call, or refuses it at once. */
  submit(task: PoolTask): void {
    if (this.#closing) this.#refuse(task, CLOSED);
    else if (this.#hopeless) this.#refuse(task, NOT_STARTED);
    else if (this.#waiting >= this.#rules.queue + this.#free) this.#refuse(task, QUEUE_FULL);
    else {
      const verdict = this.#quarantine.active ? this.#quarantine.verdict(task.request()) : 'free';
      if (verdict === 'out') {
        this.#counts.quarantined++;
        this.#refuse(task, QUARANTINED);
        return;
      }
      (verdict === 'suspect' ? this.#suspects : this.#lanes).push(task);
      this.#schedule();
    }
  }

  /** Nobody waits for this call any more; it hears nothing more from here. */
  cancel(task: PoolTask): void {
    if (this.#lanes.remove(task) || this.#suspects.remove(task)) {
      this.#checkIdle();
      return;
    }
    const seat = this.#seats[task.seat];
    if (seat === undefined || task.owed) return;
    task.owed = true;
    seat.owed++;
    this.#host.cancel(seat.index, task);
    if (seat.stall === undefined) this.#watch(seat);
  }

  /** The thread has loaded the module. */
  up(index: number): void {
    const seat = this.#seats[index];
    if (seat?.state !== 'starting') return;
    seat.state = 'up';
    seat.upAtMs = this.#clock.nowMs();
    seat.restarts.cameUp();
    this.#schedule();
  }

  /** The thread is through with this call: it has answered, or heard of its cancellation. */
  done(task: PoolTask): void {
    const seat = this.#seats[task.seat];
    if (seat === undefined) return;
    if (seat.solo) this.#quarantine.survived(task.request());
    seat.release(task);
    this.#counts.done++;
    if (this.#waiting > 0) this.#schedule();
    this.#checkIdle();
  }

  /** The thread said something (after all `done` of that message): it is not stuck, though it may be from now on. */
  heard(index: number): void {
    const seat = this.#seats[index];
    if (seat?.stall === undefined) return;
    seat.stopWatch();
    if (seat.owed > 0) this.#watch(seat);
  }

  /** The thread is gone: by itself, by `stop`, or it has never come up. */
  down(index: number): void {
    const seat = this.#seats[index];
    if (seat === undefined || seat.state === 'empty') return;
    const wasUp = seat.state === 'up';
    const why = this.#over ? CUT_OFF : seat.stalled ? STALLED : CRASHED;
    const lost = seat.vacate();
    if (wasUp && !this.#over && this.#quarantine.on) for (const task of lost) this.#quarantine.crashed(task.request(), lost.length === 1);
    if (!this.#over) this.#counts[wasUp ? 'crashes' : 'failedStarts']++;
    this.#counts.lost += lost.length;
    const waitMs = wasUp ? seat.restarts.afterCrash(this.#clock.nowMs() - seat.upAtMs) : seat.restarts.afterFailedStart();
    if (!this.#over) {
      if (waitMs === 0) this.#start(seat);
      else seat.restart = this.#clock.setTimer(() => this.#start(seat), waitMs);
    }
    // Last, for the calls' ends run code of others.
    for (const task of lost) task.refused(why);
    if (this.#hopeless) this.#refuseWaiting(NOT_STARTED);
    this.#checkIdle();
  }

  /** Takes no more calls. `onIdle` hears once when none waits and none is out. */
  close(onIdle: () => void): void {
    this.#closing = true;
    this.#onIdle = onIdle;
    this.#checkIdle();
  }

  /** Ends all threads now; what waits is refused, what is out when its thread is down. Leaves no timer. */
  end(): void {
    this.#closing = this.#over = true;
    this.#refuseWaiting(CLOSED);
    for (const seat of this.#seats) {
      seat.restart?.();
      seat.restart = undefined;
      seat.stopWatch();
      if (seat.state !== 'empty') this.#host.stop(seat.index);
    }
  }

  stats(): PoolStats {
    return {
      threads: this.#seats.length,
      up: this.#seats.filter((seat) => seat.state === 'up').length,
      waiting: this.#waiting,
      inFlight: this.#seats.map((seat) => seat.tasks.size),
      ...this.#counts,
    };
  }

  get #waiting(): number {
    return this.#lanes.size + this.#suspects.size;
  }
  /** No thread is up, and the last start of each came to nothing. */
  get #hopeless(): boolean {
    return this.#seats.every((seat) => seat.restarts.failing);
  }
  /** Calls that the threads would take now. */
  get #free(): number {
    let free = 0;
    for (const seat of this.#seats) if (seat.state === 'up' && !seat.solo) free += this.#rules.inFlight - seat.tasks.size;
    return free;
  }

  #start(seat: Seat): void {
    seat.restart = undefined;
    seat.state = 'starting';
    this.#host.start(seat.index);
  }

  /** The thread must say something within `stallMs`. */
  #watch(seat: Seat): void {
    if (this.#rules.stallMs === Number.POSITIVE_INFINITY) return;
    seat.stall = this.#clock.setTimer(() => {
      seat.stall = undefined;
      seat.stalled = true;
      this.#host.stop(seat.index);
    }, this.#rules.stallMs);
  }

  #schedule(): void {
    if (this.#turn) return;
    this.#turn = true;
    this.#clock.endOfTurn(() => {
      this.#turn = false;
      if (!this.#over) this.#dispatch();
    });
  }

  #dispatch(): void {
    const late: PoolTask[] = [];
    const nowMs = this.#clock.nowMs();
    this.#dispatchSuspects(late, nowMs);
    for (let seat = this.#leastLoaded(); seat !== undefined; seat = this.#leastLoaded()) {
      const task = this.#lanes.shift();
      if (task === undefined) break;
      if (isLate(task.deadlineMs, nowMs)) late.push(task);
      else seat.take(task);
    }
    for (const seat of this.#seats) {
      const tasks = seat.taken();
      if (tasks.length > 0) this.#host.post(seat.index, tasks);
    }
    for (const task of late) this.#refuse(task, LATE);
    if (late.length > 0) this.#checkIdle();
  }

  /** Each into a thread that has nothing else. */
  #dispatchSuspects(late: PoolTask[], nowMs: number): void {
    for (const seat of this.#seats) {
      if (seat.state !== 'up' || seat.stalled || seat.tasks.size > 0) continue;
      let task = this.#suspects.shift();
      while (task !== undefined && isLate(task.deadlineMs, nowMs)) {
        late.push(task);
        task = this.#suspects.shift();
      }
      if (task === undefined) return;
      seat.take(task);
      seat.solo = true;
    }
  }

  #leastLoaded(): Seat | undefined {
    let best: Seat | undefined;
    // While suspects wait, the last seat is left to run empty for them.
    const cell = this.#suspects.size > 0 ? this.#seats.at(-1) : undefined;
    for (const seat of this.#seats) {
      if (seat.state !== 'up' || seat.stalled || seat.solo || seat === cell || seat.tasks.size >= this.#rules.inFlight) continue;
      if (best === undefined || seat.tasks.size < best.tasks.size) best = seat;
    }
    return best;
  }

  #refuse(task: PoolTask, why: Refusal): void {
    this.#counts.refused++;
    task.refused(why);
  }
  #refuseWaiting(why: Refusal): void {
    for (const lanes of [this.#lanes, this.#suspects])
      for (let task = lanes.shift(); task !== undefined; task = lanes.shift()) this.#refuse(task, why);
  }

  #checkIdle(): void {
    if (this.#onIdle === undefined || this.#waiting > 0 || this.#seats.some((seat) => seat.tasks.size > 0)) return;
    const onIdle = this.#onIdle;
    this.#onIdle = undefined;
    onIdle();
  }
}
