/**
 * A network between a client and one server, byte for byte: it passes, delays, swallows, resets or closes. No root needed.
 *
 * A program in user land can't drop SYNs: what it swallows it has accepted before, so a new connection to a black hole stands and stays
 * silent (case X3's shape). Bytes are held rather than lost, as TCP would send them again; `heal` says how late.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** How much one direction holds back before its sender is told to wait. */
const HELD_BYTES = 1_048_576;

/** One direction of a connection. */
class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  #latencyMs: number;
  #held: boolean;
  #waiting: { readonly chunk: Buffer | undefined; readonly dueMs: number }[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, latencyMs: number, held: boolean) {
    this.#from = from;
    this.#to = to;
    this.#latencyMs = latencyMs;
    this.#held = held;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => this.#take(undefined));
    to.on('drain', () => this.#flow());
    if (held) from.pause();
  }

  set latencyMs(ms: number) {
    this.#latencyMs = ms;
  }

  set held(held: boolean) {
    this.#held = held;
    this.#flow();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  /** `undefined` is the end of the stream. */
  #take(chunk: Buffer | undefined): void {
    this.#waiting.push({ chunk, dueMs: performance.now() + this.#latencyMs });
    this.#bytes += chunk?.length ?? 0;
    this.#flow();
  }

  /** Sends what is due, in order. */
  #flow(): void {
    clearTimeout(this.#timer);
    for (let next = this.#waiting[0]; !this.#held && next !== undefined; next = this.#waiting[0]) {
      const inMs = next.dueMs - performance.now();
      if (inMs > 0) {
        this.#timer = setTimeout(() => this.#flow(), inMs);
        break;
      }
      this.#waiting.shift();
      this.#bytes -= next.chunk?.length ?? 0;
      if (next.chunk === undefined) this.#to.end();
      else if (!this.#to.write(next.chunk)) break;
    }
    if (this.#held || this.#to.writableNeedDrain || this.#bytes > HELD_BYTES) this.#from.pause();
    else this.#from.resume();
  }
}

/** One connection through the proxy. */
class Link {
  readonly near: Socket;
  readonly far: Socket;
  readonly #lanes: readonly Lane[];
  #held: boolean;
  /** What one side must hear of the other's end as soon as anything gets through again. */
  #ended: (() => void) | undefined;

  constructor(near: Socket, targetPort: number, latencyMs: number, held: boolean, done: () => void) {
    this.near = near;
    this.far = connect({ host: '127.0.0.1', port: targetPort, allowHalfOpen: true, noDelay: true });
    this.#held = held;
    this.#lanes = [new Lane(near, this.far, latencyMs, held), new Lane(this.far, near, latencyMs, held)];
    for (const [socket, other] of [
      [near, this.far],
      [this.far, near],
    ] as const) {
      let broken = false;
      socket.on('error', () => {
        broken = true;
      });
      socket.on('close', () => {
        const tell = (): void => {
          for (const lane of this.#lanes) lane.stop();
          if (broken) other.resetAndDestroy();
          else other.destroy();
        };
        if (this.#held) this.#ended = tell;
        else tell();
        if (near.destroyed && this.far.destroyed) done();
      });
    }
  }

  set latencyMs(ms: number) {
    for (const lane of this.#lanes) lane.latencyMs = ms;
  }

  set held(held: boolean) {
    this.#held = held;
    if (!held) this.#ended?.();
    for (const lane of this.#lanes) lane.held = held;
  }

  cut(how: 'reset' | 'close'): void {
    this.#held = false;
    for (const socket of [this.near, this.far]) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    }
  }
}

export interface ProxyOptions {
  /** An address of the loopback network. @defaultValue 127.0.0.1 */
  readonly host?: string;
  /** @defaultValue any */
  readonly port?: number;
}

/** A port of this machine that leads to another. */
export class TcpProxy implements AsyncDisposable {
  readonly #target: number;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #latencyMs = 0;
  #held = false;
  /** The address it listens on. */
  readonly host: string;
  #port: number;
  #accepted = 0;

  private constructor(targetPort: number, { host = '127.0.0.1', port = 0 }: ProxyOptions) {
    this.#target = targetPort;
    this.host = host;
    this.#port = port;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Passes everything to `127.0.0.1:targetPort`, which need not be there yet. */
  static async start(targetPort: number, options: ProxyOptions = {}): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort, options);
    await proxy.open();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** `host:port`. */
  get address(): string {
    return `${this.host}:${this.#port}`;
  }

  /** Connections taken since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Connections that stand now. */
  get connections(): number {
    return this.#links.size;
  }

  /** Everything that goes through takes so long, in each direction. Holds for connections that stand, and for later ones. */
  latency(ms: number): void {
    this.#latencyMs = ms;
    for (const link of this.#links) link.latencyMs = ms;
  }

  /** From now on nothing gets through in either direction, nor does anybody hear of the other's end; new connections stand and stay silent. */
  blackhole(): void {
    this.#hold(this.#links, true);
    this.#held = true;
  }

  /**
   * Everything passes again. What was held on connections of before passes only after `oldAfterMs`, as a kernel sends again
   * only when its timer, doubled each time, says so. @defaultValue 0
   */
  heal(oldAfterMs = 0): void {
    this.#held = false;
    const old = [...this.#links];
    if (oldAfterMs === 0) {
      this.#hold(old, false);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#hold(old, false);
    }, oldAfterMs);
    this.#timers.add(timer);
  }

  /** Ends what stands with RST, towards both sides. New connections are taken. */
  reset(): void {
    for (const link of this.#links) link.cut('reset');
  }

  /** Ends what stands and takes no new connection: the port is closed. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const link of this.#links) link.cut('close');
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  /** Takes connections again after `close`, on the same port. */
  async open(): Promise<void> {
    this.#server.listen(this.#port, this.host);
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    this.#accepted++;
    const link = new Link(socket, this.#target, this.#latencyMs, this.#held, () => this.#links.delete(link));
    this.#links.add(link);
  }

  #hold(links: Iterable<Link>, held: boolean): void {
    for (const link of links) link.held = held;
  }
}
