/** A network of its own for one replica, so that packets can truly vanish: SYNs too, which no proxy can. Needs root and iproute2. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const REPLICA = fileURLToPath(new URL('./namespace-replica.ts', import.meta.url));

function ip(...args: readonly string[]): boolean {
  return spawnSync('ip', args, { stdio: 'ignore' }).status === 0;
}

/** Two ends of a cable, one of them in a namespace. */
export class Namespace {
  static #next = 0;
  readonly #name: string;
  readonly #near: string;
  readonly host: string;

  private constructor() {
    const number = Namespace.#next++;
    const base = `10.213.${process.pid % 250}.${4 * (number % 60)}`.split('.');
    const at = (offset: number): string => [...base.slice(0, 3), Number(base[3]) + offset].join('.');
    this.#name = `inmesh-${process.pid}-${number}`;
    this.#near = at(1);
    this.host = at(2);
  }

  /** Undefined: this machine does not let us. */
  static create(): Namespace | undefined {
    const made = new Namespace();
    return made.#lay() ? made : undefined;
  }

  #lay(): boolean {
    const ns = this.#name;
    if (!ip('netns', 'add', ns)) return false;
    onTestFinished(() => void ip('netns', 'delete', ns));
    const [near, far] = ['a', 'b'].map((end) => `im${process.pid % 100_000}-${this.host.split('.')[3]}${end}`) as [string, string];
    return (
      ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', ns) &&
      ip('address', 'add', `${this.#near}/30`, 'dev', near) &&
      ip('link', 'set', near, 'up') &&
      ip('-n', ns, 'address', 'add', `${this.host}/30`, 'dev', far) &&
      ip('-n', ns, 'link', 'set', far, 'up') &&
      ip('-n', ns, 'link', 'set', 'lo', 'up')
    );
  }

  /** Starts a replica in there; its port. */
  async serve(): Promise<number> {
    const args = ['netns', 'exec', this.#name, process.execPath, REPLICA, this.host];
    const child: ChildProcess = spawn('ip', args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [port] = (await once(child, 'message')) as [number];
    return port;
  }

  /** From now on nothing comes back from there, answers and acknowledgements alike. */
  drop(): void {
    if (!ip('-n', this.#name, 'route', 'add', 'blackhole', `${this.#near}/32`)) throw new Error('no black hole');
  }

  heal(): void {
    if (!ip('-n', this.#name, 'route', 'delete', 'blackhole', `${this.#near}/32`)) throw new Error('no black hole to take away');
  }
}
