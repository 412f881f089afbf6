/** Replicas with a log each, the network before them, and the clients of every kind that call them. */
import dns from 'node:dns';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createMesh, type Mesh } from '../../../src/mesh.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';
import { EchoClient } from '../../support/loopback.ts';
import { Replica } from '../coalescing/fleet.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** Who calls. */
export type Kind = 'bare' | 'mesh' | 'coalesced' | 'hedging' | 'envoy';

export interface Caller {
  readonly kind: Kind;
  readonly client: EchoClient;
  readonly mesh: Mesh | undefined;
}

const POLICIES: Readonly<Record<Exclude<Kind, 'bare' | 'envoy'>, Policy>> = {
  mesh: {},
  coalesced: { coalesce: 'auto' },
  hedging: { defaults: { idempotent: true, hedgingPolicy: {} } } as Policy,
};

const ROUND_ROBIN = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });

/** A client that ends with its test. */
export function callerOf(kind: Kind, target: string, policy: Policy = {}): Caller {
  const plain = kind === 'bare' || kind === 'envoy';
  const mesh = plain ? undefined : createMesh({ ...POLICIES[kind], ...policy }, { warn: () => {} });
  const client = new EchoClient(
    mesh === undefined ? { address: target, options: { 'grpc.service_config': ROUND_ROBIN } } : { address: target, mesh },
  );
  onTestFinished(async () => {
    await mesh?.close(0);
    client[Symbol.dispose]();
  });
  return { kind, client, mesh };
}

export interface StageOptions {
  /** Replicas. @defaultValue 3 */
  readonly count?: number;
  /** @defaultValue 'direct' */
  readonly network?: 'direct' | 'proxied' | 'named';
}

/** A moment from which on a replica can be called. */
export interface Mark {
  readonly replica: number;
  readonly atMs: number;
}

export class Stage {
  readonly #folder: string;
  readonly replicas: Replica[] = [];
  readonly proxies: TcpProxy[] = [];
  /** Replicas that a name came to lead to, and since when. */
  readonly marks: Mark[] = [];
  #name: Name | undefined;
  #count = 0;

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'inmesh-faults-'));
    onTestFinished(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  static async start({ count = 3, network = 'direct' }: StageOptions = {}): Promise<Stage> {
    const stage = new Stage();
    await Promise.all(Array.from({ length: count }, () => stage.add()));
    for (const { port } of network === 'direct' ? [] : stage.replicas) {
      await stage.#lead(port, network === 'named');
    }
    if (network === 'named') stage.#name = new Name(stage.addresses);
    return stage;
  }

  /** A proxy to a replica; on an address of its own, all at one port, where a name leads to it. */
  async #lead(port: number, named: boolean): Promise<TcpProxy> {
    const proxy = await (named ? proxyTo(port, `127.0.1.${this.proxies.length + 1}`, this.proxies[0]?.port) : proxyTo(port));
    this.proxies.push(proxy);
    return proxy;
  }

  /** One more replica behind an address of its own; that address. */
  async grow(): Promise<string> {
    const { port } = await this.add();
    return (await this.#lead(port, true)).host;
  }

  /** What the name leads to from now on: addresses, or a failure to look it up. */
  rename(answer: Name['answer']): void {
    if (this.#name === undefined) throw new TypeError('this stage has no name');
    const before = this.#name.answer;
    this.#name.answer = typeof answer === 'string' ? answer : [...answer];
    for (const [replica, { host }] of this.proxies.entries()) {
      const fresh = answer.includes(host) && !before.includes(host) && !this.marks.some((mark) => mark.replica === replica);
      if (fresh && replica > 2) this.marks.push({ replica, atMs: performance.now() });
    }
  }

  /** One more replica. */
  async add(): Promise<Replica> {
    const index = this.#count++;
    const replica = await this.#start(index, 0);
    this.replicas[index] = replica;
    return replica;
  }

  at(index: number): Replica {
    const replica = this.replicas[index];
    if (replica === undefined) throw new RangeError(`no replica ${index}`);
    return replica;
  }

  proxy(index: number): TcpProxy {
    const proxy = this.proxies[index];
    if (proxy === undefined) throw new RangeError(`no proxy ${index}`);
    return proxy;
  }

  /** Starts a replica again on the port of one that is gone. */
  async again(index: number): Promise<void> {
    this.replicas[index] = await this.#start(index, this.at(index).port);
  }

  /** Where clients find it: addresses of its name, else its proxies, if it has some, else its replicas. */
  get addresses(): readonly string[] {
    if (this.#name !== undefined || this.proxies[0]?.host.startsWith('127.0.1.') === true) return this.proxies.map(({ host }) => host);
    return this.proxies.length > 0 ? this.proxies.map(({ address }) => address) : this.replicas.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** Look-ups of its name. */
  get lookups(): number {
    return this.#name?.asked ?? 0;
  }

  get target(): string {
    return this.#name === undefined ? `ipv4:${this.addresses.join(',')}` : `dns:${this.#name.host}:${this.proxies[0]?.port}`;
  }

  /** By id, the replicas that ran it, once for each time. */
  ranOn(): ReadonlyMap<string, readonly number[]> {
    const ran = new Map<string, number[]>();
    for (const index of this.replicas.keys()) {
      for (const id of readFileSync(this.#log(index), 'utf8').split('\n')) {
        if (id === '') continue;
        const on = ran.get(id);
        if (on === undefined) ran.set(id, [index]);
        else on.push(index);
      }
    }
    return ran;
  }

  #start(index: number, port: number): Promise<Replica> {
    return Replica.start({ kind: 'mesh', port, log: this.#log(index) });
  }

  #log(index: number): string {
    return join(this.#folder, `replica-${index}`);
  }
}

/** A proxy that ends with its test. */
export async function proxyTo(port: number, host?: string, at?: number): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(port, { ...(host === undefined ? {} : { host }), ...(at === undefined ? {} : { port: at }) });
  onTestFinished(() => proxy.close());
  return proxy;
}

type Lookup = typeof dns.promises.lookup;

/** A name that this process resolves as it is told; grpc-js's own resolver asks for it. */
export class Name {
  static #next = 0;
  readonly host = `replicas-${Name.#next++}.test`;
  /** Addresses, or the code with which a look-up fails. */
  answer: readonly string[] | 'ENOTFOUND' | 'ESERVFAIL';
  /** Look-ups so far. */
  asked = 0;

  constructor(answer: readonly string[]) {
    this.answer = answer;
    const { lookup, resolveTxt } = dns.promises;
    const mine = async (host: string, ...rest: unknown[]): Promise<unknown> => {
      if (host !== this.host) return (lookup as (...args: unknown[]) => Promise<unknown>)(host, ...rest);
      this.asked++;
      if (typeof this.answer === 'string') throw Object.assign(new Error(`${this.answer} ${host}`), { code: this.answer });
      return this.answer.map((address) => ({ address, family: 4 }));
    };
    dns.promises.lookup = mine as Lookup;
    dns.promises.resolveTxt = (host) => (host === this.host ? Promise.resolve([]) : resolveTxt(host));
    onTestFinished(() => {
      dns.promises.lookup = lookup;
      dns.promises.resolveTxt = resolveTxt;
    });
  }
}
