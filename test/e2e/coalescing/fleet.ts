/** Replicas as child processes of a test, and a client of ours that knows them all. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { createMesh, type Mesh } from '../../../src/mesh.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';
import { coalesceIn, type Form } from '../../grpc/pair.ts';
import { EchoClient } from '../../support/loopback.ts';
import type { FromReplica, ReplicaConfig } from './replica.ts';

const ENTRY = fileURLToPath(new URL('./replica.ts', import.meta.url));
/** Children start in a fraction of the time when somebody has compiled the code before. */
const ENV: NodeJS.ProcessEnv = { ...process.env, NODE_COMPILE_CACHE: fileURLToPath(new URL('../../../.cache/e2e', import.meta.url)) };

/** A replica that can be ended in every way there is. */
export class Replica {
  readonly #child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(config: ReplicaConfig): Promise<Replica> {
    const child = fork(ENTRY, [JSON.stringify(config)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [], env: ENV });
    onTestFinished(() => void child.kill('SIGKILL'));
    const message = await heard(child, 'listening');
    return new Replica(child, message.port);
  }

  /** An unmodified `tryShutdown()` and the end of the process; how long the former took, in ms. */
  async shutdown(): Promise<number> {
    const exited = once(this.#child, 'exit');
    const stopped = heard(this.#child, 'stopped');
    this.#child.send('shutdown');
    const { tookMs } = await stopped;
    await exited;
    return tookMs;
  }

  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }
  thaw(): void {
    this.#child.kill('SIGCONT');
  }
}

function heard<Kind extends FromReplica['kind']>(child: ChildProcess, kind: Kind): Promise<Extract<FromReplica, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: FromReplica) => {
      if (message.kind === kind) resolve(message as Extract<FromReplica, { kind: Kind }>);
    });
    child.once('exit', (code, signal) => reject(new Error(`a replica ended unasked (${signal ?? code})`)));
  });
}

/** Replicas with one log of what they ran. */
export class Fleet {
  readonly #log: string;
  readonly replicas: Replica[];

  private constructor(log: string, replicas: Replica[]) {
    this.#log = log;
    this.replicas = replicas;
  }

  static async start(kinds: readonly ReplicaConfig['kind'][], options: ReplicaConfig['options'] = {}): Promise<Fleet> {
    const folder = mkdtempSync(join(tmpdir(), 'inmesh-e2e-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const log = join(folder, 'executed');
    const replicas = await Promise.all(kinds.map((kind) => Replica.start({ kind, port: 0, log, options })));
    return new Fleet(log, replicas);
  }

  at(index: number): Replica {
    const replica = this.replicas[index];
    if (replica === undefined) throw new RangeError(`no replica ${index}`);
    return replica;
  }

  /** Starts a replica again on the port of one that is gone. */
  async again(index: number, kind: ReplicaConfig['kind'] = 'mesh', options: ReplicaConfig['options'] = {}): Promise<void> {
    this.replicas[index] = await Replica.start({ kind, port: this.at(index).port, log: this.#log, options });
  }

  /** How often each id was executed, by any replica. */
  executed(): ReadonlyMap<string, number> {
    const times = new Map<string, number>();
    for (const id of readFileSync(this.#log, 'utf8').split('\n')) if (id !== '') times.set(id, (times.get(id) ?? 0) + 1);
    return times;
  }

  /** A client of ours, connected, that knows what each replica can do; closed at the end of the test. */
  async client(form: Form | 'auto' | 'none', policy: Policy = {}): Promise<{ readonly mesh: Mesh; readonly client: EchoClient }> {
    const coalesce: Policy['coalesce'] = form === 'none' ? 'never' : form === 'auto' ? 'auto' : coalesceIn(form);
    const mesh = createMesh({ coalesce, ...policy }, { warn: () => {} });
    const address = `ipv4:${this.replicas.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
    const client = new EchoClient({ address, mesh, door: 'channel' });
    onTestFinished(async () => {
      await mesh.close(0);
      client[Symbol.dispose]();
    });
    return { mesh, client };
  }
}
