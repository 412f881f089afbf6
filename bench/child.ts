/**
 * The processes of the bench: one client and one server for each variant, each on a core of its own where `taskset` is
 * there. None outlives this process: they end when their IPC channel closes.
 *
 * @packageDocumentation
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Hello, Order } from './protocol.ts';

/** Longest wait for a process to come up. */
const START_MS = 30_000;

/** Cores for the client and the server; undefined: wherever the system puts them. */
export interface Cores {
  readonly client: string | undefined;
  readonly server: string | undefined;
}

/** The first and the last core that this process may use; none without `taskset` or with a single core. */
export function findCores(): Cores {
  const answer = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' });
  const list = answer.status === 0 ? (/list: (\S+)/.exec(answer.stdout)?.[1] ?? '') : '';
  const cores = list.split(/[,-]/);
  return cores.length < 2 ? { client: undefined, server: undefined } : { client: cores[0], server: cores.at(-1) };
}

/** A process of the bench that has said hello. */
export class Child {
  readonly #process: ChildProcess;
  readonly #name: string;
  #stderr = '';

  /** Starts `file` (beside this one) with `args` and the flags that Node has here, on `core`. */
  constructor(file: string, args: readonly string[], core: string | undefined) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const command = [process.execPath, ...process.execArgv, path, ...args];
    if (core !== undefined) command.unshift('taskset', '-c', core);
    const [program = process.execPath, ...rest] = command;
    this.#name = `${file} ${args.join(' ')}`;
    this.#process = spawn(program, rest, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-2000);
    });
  }

  /** The first word of the process. */
  hello(): Promise<Hello> {
    return this.#answer(START_MS);
  }

  /** Gives an order and waits for what comes back. */
  ask<Answer>(order: Order, withinMs: number): Promise<Answer> {
    const answer = this.#answer<Answer>(withinMs);
    this.#process.send(order);
    return answer;
  }

  /** Ends the process; harmless when it has ended. */
  stop(): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  }

  #answer<Answer>(withinMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const child = this.#process;
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        child.off('message', onMessage).off('exit', onExit).off('error', onError);
        act();
      };
      const onMessage = (message: unknown): void => settle(() => resolve(message as Answer));
      const onExit = (): void =>
        settle(() => reject(new Error(`${this.#name} ended early${this.#stderr === '' ? '' : `:\n${this.#stderr}`}`)));
      const onError = (error: Error): void => settle(() => reject(new Error(`${this.#name}: ${error.message}`)));
      const timer = setTimeout(() => settle(() => reject(new Error(`${this.#name}: no answer within ${withinMs} ms`))), withinMs);
      child.on('message', onMessage).once('exit', onExit).once('error', onError);
    });
  }
}
