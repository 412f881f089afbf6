/** The replicas and the application as child processes of the runner. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE } from './data.ts';
import type { AppConfig, FromApp, FromReplica, ReplicaConfig, ToApp, ToReplica } from './messages.ts';

/** A replica that could not start, or a process that ended on its own. */
class ProcessError extends Error {
  override readonly name = 'ProcessError';
}

const running = new Set<ChildProcess>();

/** Kills whatever runs: the runner ends, and nothing may outlive it. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** How a child is started besides its configuration. */
export interface Surroundings {
  /** Modules that the child loads before its own, for telemetry. */
  readonly preload: readonly URL[];
  readonly env: Readonly<Record<string, string>>;
}

function start(file: URL, config: ReplicaConfig | AppConfig, around: Surroundings): ChildProcess {
  const child = fork(fileURLToPath(file), [JSON.stringify(config)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: around.preload.flatMap((module) => ['--import', module.href]),
    env: { ...process.env, NODE_COMPILE_CACHE: join(CACHE, 'compiled'), ...around.env },
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Waits for a message of one kind; rejects when the process ends first. */
function answer<Message extends FromReplica | FromApp, Kind extends Message['kind']>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<Message, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void): void => {
      child.off('message', read);
      child.off('exit', ended);
      settle();
    };
    const read = (message: Message): void => {
      if (message.kind === kind) done(() => resolve(message as Extract<Message, { kind: Kind }>));
      else if (message.kind === 'failed') done(() => reject(new ProcessError(message.problem)));
    };
    const ended = (code: number | null, signal: string | null): void => {
      done(() => reject(new ProcessError(`a process of the example ended unasked (${signal ?? `exit code ${code}`})`)));
    };
    child.on('message', read);
    child.once('exit', ended);
  });
}

/** One replica of the service. */
export class Replica {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Starts a replica and waits until it listens. */
  static async start(entry: URL, config: ReplicaConfig, around: Surroundings): Promise<Replica> {
    const child = start(entry, config, around);
    await answer<FromReplica, 'listening'>(child, 'listening');
    return new Replica(child, config.port);
  }

  slowDown(factor: number): void {
    this.#tell({ kind: 'slow', factor });
  }

  /** CPU time of the process since it listened, in microseconds. */
  async sample(): Promise<number> {
    const sampled = answer<FromReplica, 'sample'>(this.#child, 'sample');
    this.#tell({ kind: 'sample' });
    return (await sampled).cpuUs;
  }

  /** Stops gracefully; returns the CPU time that it used in all. */
  async stop(): Promise<number> {
    const exited = once(this.#child, 'exit');
    const sampled = answer<FromReplica, 'sample'>(this.#child, 'sample');
    this.#tell({ kind: 'stop' });
    const { cpuUs } = await sampled;
    await exited;
    return cpuUs;
  }

  /** Kills the process on the spot; returns the CPU time that it had used just before. */
  async kill(): Promise<number> {
    const cpuUs = await this.sample();
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
    return cpuUs;
  }

  #tell(message: ToReplica): void {
    this.#child.send(message);
  }
}

/** The application that renders pages. */
export class App {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts the application and waits until its code is loaded. */
  static async start(config: AppConfig, around: Surroundings): Promise<App> {
    const child = start(new URL('./app.ts', import.meta.url), config, around);
    await answer<FromApp, 'loaded'>(child, 'loaded');
    return new App(child);
  }

  tell(message: ToApp): void {
    // On a machine that is far too busy the last page may be over before the last fault; then there is nobody to tell.
    if (this.#child.connected) this.#child.send(message);
  }

  next<Kind extends FromApp['kind']>(kind: Kind): Promise<Extract<FromApp, { kind: Kind }>> {
    return answer<FromApp, Kind>(this.#child, kind);
  }

  onProgress(listener: (progress: Extract<FromApp, { kind: 'progress' }>) => void): void {
    this.#child.on('message', (message: FromApp) => {
      if (message.kind === 'progress') listener(message);
    });
  }

  async ended(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }
}
