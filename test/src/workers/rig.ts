import type { Refusal } from '../../../src/errors.ts';
import { type Random, seededRandom } from '../../../src/random.ts';
import type { PoolRules } from '../../../src/workers/options.ts';
import { Pool, type PoolHost } from '../../../src/workers/pool.ts';
import { PoolTask } from '../../../src/workers/task.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A call that remembers how it ended. */
export class FakeTask extends PoolTask {
  readonly name: string;
  readonly laneKey: string;
  readonly deadlineMs: number;
  readonly ends: string[] = [];

  constructor(name: string, laneKey = 'one', deadlineMs = Number.POSITIVE_INFINITY) {
    super();
    this.name = name;
    this.laneKey = laneKey;
    this.deadlineMs = deadlineMs;
  }
  override request(): string {
    return this.name;
  }
  override refused({ reason, unprocessed }: Refusal): void {
    this.ends.push(`${reason}${unprocessed ? '' : ' ambiguous'}`);
  }
}

/** A pool on threads that do only what the test says. */
export class PoolRig implements PoolHost {
  readonly clock = new FakeClock();
  readonly log: string[] = [];
  readonly posted = new Map<number, FakeTask[]>();
  readonly pool: Pool;

  constructor(rules: Partial<PoolRules> = {}, random: Random = seededRandom(1)) {
    this.pool = new Pool(
      { threads: 2, inFlight: 2, queue: 100, stallMs: 1000, quarantineAfter: 3, quarantineMs: 60_000, ...rules },
      this.clock,
      random,
      this,
    );
  }
  /** With all threads up. */
  static up(rules?: Partial<PoolRules>): PoolRig {
    const rig = new PoolRig(rules);
    rig.pool.start();
    for (let seat = 0; seat < rig.pool.stats().threads; seat++) rig.pool.up(seat);
    rig.turn();
    rig.log.length = 0;
    return rig;
  }
  start(seat: number): void {
    this.log.push(`start ${seat}`);
  }
  post(seat: number, tasks: readonly PoolTask[]): void {
    const mine = tasks as readonly FakeTask[];
    this.posted.set(seat, [...this.at(seat), ...mine]);
    this.log.push(`post ${seat}: ${mine.map(({ name }) => name).join(' ')}`);
  }
  cancel(seat: number, task: PoolTask): void {
    this.log.push(`cancel ${seat}: ${(task as FakeTask).name}`);
  }
  stop(seat: number): void {
    this.log.push(`stop ${seat}`);
  }
  /** Calls posted to this seat and not done. */
  at(seat: number): FakeTask[] {
    return this.posted.get(seat) ?? [];
  }
  submit(...names: string[]): FakeTask[] {
    return names.map((name) => this.submitOne(new FakeTask(name)));
  }
  submitOne(task: FakeTask): FakeTask {
    this.pool.submit(task);
    return task;
  }
  done(task: FakeTask | undefined): void {
    if (task === undefined) throw new Error('no such call');
    for (const [seat, tasks] of this.posted) {
      this.posted.set(
        seat,
        tasks.filter((one) => one !== task),
      );
    }
    task.ends.push('done');
    this.pool.done(task);
  }
  down(seat: number): void {
    this.posted.delete(seat);
    this.pool.down(seat);
  }
  turn(): string[] {
    this.clock.endTurn();
    return this.said();
  }
  said(): string[] {
    return this.log.splice(0);
  }
}
