/** The three replicas of an act and what befalls them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address, ReplicaConfig } from './messages.ts';
import { Replica, type Surroundings } from './processes.ts';

/** How many replicas there are. */
export const REPLICAS = 3;
const HOST = '127.0.0.1';

/** How many ports an act needs: one for each replica, one more for the replica on a new address. */
export const PORTS: number = REPLICAS + 1;

/** What the fleet is made of. */
export interface FleetConfig extends Omit<ReplicaConfig, 'port'> {
  readonly entry: URL;
  readonly firstPort: number;
  readonly around: Surroundings;
}

export class Fleet {
  readonly #config: FleetConfig;
  readonly #say: (line: string) => void;
  readonly #replicas: Replica[];
  #endedCpuUs = 0;

  private constructor(config: FleetConfig, replicas: Replica[], say: (line: string) => void) {
    this.#config = config;
    this.#replicas = replicas;
    this.#say = say;
  }

  /** Starts three replicas. `say` is told of each fault as it happens. */
  static async start(config: FleetConfig, say: (line: string) => void): Promise<Fleet> {
    const ports = Array.from({ length: REPLICAS }, (_, index) => config.firstPort + index);
    return new Fleet(config, await Promise.all(ports.map((port) => startReplica(config, port))), say);
  }

  addresses(): readonly Address[] {
    return this.#replicas.map((replica) => ({ host: HOST, port: replica.port }));
  }

  /** CPU time of all replicas, of those that are gone too, each since it listened. */
  async cpuUs(): Promise<number> {
    const samples = await Promise.all(this.#replicas.map((replica) => replica.sample()));
    return samples.reduce((sum, sample) => sum + sample, this.#endedCpuUs);
  }

  /** Makes the first replica `factor` times as slow; 1 ends it. */
  slowDown(factor: number): void {
    this.#at(0).slowDown(factor);
    this.#say(factor === 1 ? 'replica 1 is as fast as before' : `replica 1 answers ${factor} times slower`);
  }

  /** Kills the first replica (SIGKILL) and brings it back on its port after `downMs`. */
  async killAndBringBack(downMs: number): Promise<void> {
    this.#endedCpuUs += await this.#at(0).kill();
    this.#say('replica 1 is killed (SIGKILL)');
    await sleep(downMs);
    this.#replicas[0] = await startReplica(this.#config, this.#at(0).port);
    this.#say('replica 1 is back on its port');
  }

  /** Restarts one replica after the other: `tryShutdown`, a new process on the same port, and the next `everyMs` after the last. */
  async restartInTurn(everyMs: number): Promise<void> {
    for (let index = 0; index < this.#replicas.length; index++) {
      const next = sleep(index === this.#replicas.length - 1 ? 0 : everyMs);
      const replica = this.#at(index);
      this.#endedCpuUs += await replica.stop();
      this.#replicas[index] = await startReplica(this.#config, replica.port);
      this.#say(`replica ${index + 1} has been restarted (tryShutdown)`);
      await next;
    }
  }

  /** Stops the first replica, starts it on another port, and hands the new list to `publish`. */
  async replace(publish: (addresses: readonly Address[]) => void): Promise<void> {
    this.#endedCpuUs += await this.#at(0).stop();
    this.#replicas[0] = await startReplica(this.#config, this.#config.firstPort + REPLICAS);
    publish(this.addresses());
    this.#say(`replica 1 has moved to port ${this.#at(0).port}`);
  }

  /** Stops all, gracefully. */
  async stop(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.stop()));
  }

  #at(index: number): Replica {
    const replica = this.#replicas[index];
    if (replica === undefined) throw new RangeError(`no replica ${index + 1}`);
    return replica;
  }
}

function startReplica(config: FleetConfig, port: number): Promise<Replica> {
  const { placesFile, viewsFile, seed } = config;
  return Replica.start(config.entry, { placesFile, viewsFile, seed: seed + port - config.firstPort, port }, config.around);
}
