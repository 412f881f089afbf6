/**
 * The tunnels that a server serves.
 *
 * @packageDocumentation
 */
import type { Turns } from '../batch/turns.ts';
import type { Clock } from '../clock.ts';
import type { ServerBatchMetrics } from '../observe/batch-metrics.ts';
import type { ItemRunner } from './item-runner.ts';
import { type Dispatch, ServedTunnel, type TunnelLimits, type TunnelStream } from './served-tunnel.ts';
import { TunnelWatch } from './tunnel-watch.ts';

export class TunnelService {
  readonly #clock: Clock;
  readonly #limits: TunnelLimits;
  readonly #runner: ItemRunner;
  readonly #turns: Turns;
  readonly #metrics: ServerBatchMetrics | undefined;
  readonly #open = new Set<ServedTunnel>();
  /** Tunnels taken and items run, for statistics. */
  tunnels = 0;
  items = 0;

  constructor(clock: Clock, limits: TunnelLimits, runner: ItemRunner, turns: Turns, metrics?: ServerBatchMetrics) {
    this.#clock = clock;
    this.#limits = limits;
    this.#runner = runner;
    this.#turns = turns;
    this.#metrics = metrics;
    metrics?.watch(this);
  }

  gauges(): { readonly tunnels: number } {
    return { tunnels: this.#open.size };
  }

  serve(stream: TunnelStream, to: Omit<Dispatch, 'turns'>): void {
    this.tunnels++;
    const watch = this.#metrics && new TunnelWatch(this.#metrics, this.#clock);
    const tunnel = new ServedTunnel(stream, this.#limits, this.#clock, this.#runner, { ...to, turns: this.#turns }, watch);
    this.#open.add(tunnel);
    tunnel.onItems = (count) => {
      this.items += count;
    };
    tunnel.onEnd = () => this.#open.delete(tunnel);
    tunnel.open();
  }

  /** The server takes no more calls: every tunnel ends once it has answered what it took. */
  drain(): void {
    for (const tunnel of this.#open) tunnel.drain();
  }
}
