/**
 * The connections to one endpoint: the one that calls use, and while that is suspected to be dead a second one, tried beside it.
 *
 * A half-open connection (the path is gone, nobody said so) heals only when TCP sends again, up to minutes later; grpc-js and
 * the kernel go on waiting (M10). So the second is tried with short attempts until one gets through; then calls go there, and
 * those on the first end in peace. A process that was stopped accepts connections but does not speak: the same attempts find
 * it when it goes on. If no attempt gets through for long, the endpoint counts as not connected.
 *
 * @packageDocumentation
 */
import { type ChannelOptions, type experimental, connectivityState as State } from '@grpc/grpc-js';
import type { CancelTimer } from '../clock.ts';
import { type Quiet, Suspicion } from '../endpoints/suspicion.ts';
import { Connection, type ConnectionHome, unshared } from './lb-connection.ts';

/** What a slot needs. */
export interface SlotHome extends Omit<ConnectionHome, 'changed' | 'timeoutMs'> {
  readonly connectTimeoutMs: number;
  /** The state of the connection in use has changed. */
  changed(slot: Slot, state: State, error: string | null): void;
  /** Another connection is in use now. Its state follows. */
  rebuilt(slot: Slot): void;
  /** Whether one more may be tried: a bound on how many are, over all endpoints. */
  mayTry(): boolean;
}

/** An attempt beside another: shorter than the kernel's own patience of a second, and so often that a healed path is found soon. */
const TRY_MS = 300;
/** Where nothing is known of the path. */
const UNKNOWN_TRY_MS = 1_000;
/** Such an attempt is given so many times what the last connection took. */
const TIMES_LAST = 4;
/** A connection in haste that is in use and not ready for so long makes place for one that takes its time. */
const HASTE_MS = 30_000;

export class Slot {
  readonly address: string;
  readonly #endpoint: experimental.Endpoint;
  readonly #home: SlotHome;
  readonly #suspicion = new Suspicion();
  #main: Connection;
  #spare: Connection | undefined;
  #spareSinceMs = 0;
  #hasty = false;
  #calm: CancelTimer | undefined;

  constructor(address: string, endpoint: experimental.Endpoint, home: SlotHome) {
    this.address = address;
    this.#endpoint = endpoint;
    this.#home = home;
    this.#main = this.#open(home.options, () => home.connectTimeoutMs);
  }
  /** The connection in use. */
  get connection(): Connection {
    return this.#main;
  }
  get state(): State {
    return this.#main.state;
  }
  /** A second connection is being tried. */
  get trying(): boolean {
    return this.#spare !== undefined;
  }
  start(): void {
    this.#main.start();
  }
  exitIdle(): void {
    if (this.#main.state === State.IDLE) this.#main.exitIdle();
  }
  /** Looks whether the connection in use is alive. `answeredAtMs`: when something last came back from the endpoint. */
  check(quiet: Quiet, answeredAtMs: number, nowMs: number): void {
    if (this.#main.state !== State.READY) this.#giveUp();
    else if (this.#spare === undefined) {
      if (this.#suspicion.rises(quiet, nowMs) && this.#main.wasUsed && this.#home.mayTry()) this.#try(nowMs);
    } else if (answeredAtMs > this.#spareSinceMs) this.#giveUp();
    else if (nowMs - this.#spareSinceMs >= this.#home.connectTimeoutMs) this.#swap(nowMs);
  }
  destroy(): void {
    this.#giveUp();
    this.#endCalm();
    this.#main.retire();
  }

  #open(options: ChannelOptions, timeoutMs: () => number): Connection {
    const { helper, note, clock, picked, counts } = this.#home;
    return new Connection(this.#endpoint, {
      ...{ helper, options, note, clock, timeoutMs, picked, counts },
      changed: (connection, state, error) => {
        if (connection === this.#main) this.#changed(state, error);
        else if (connection === this.#spare && state === State.READY) this.#swap(clock.nowMs());
      },
    });
  }
  #changed(state: State, error: string | null): void {
    if (state === State.READY) this.#endCalm();
    else if (this.#hasty) this.#calm ??= this.#home.clock.setTimer(() => this.#calmDown(), HASTE_MS);
    this.#home.changed(this, state, error);
  }
  #try(nowMs: number): void {
    const { connectTimeoutMs, options } = this.#home;
    const { tookMs } = this.#main.made;
    const tryMs = Math.min(connectTimeoutMs, tookMs === 0 ? UNKNOWN_TRY_MS : Math.max(TRY_MS, TIMES_LAST * tookMs));
    // Once it was ready it is a connection like any other.
    const spare = this.#open(unshared(options, true), () => (spare.wasReady ? connectTimeoutMs : tryMs));
    this.#spare = spare;
    this.#spareSinceMs = nowMs;
    spare.start();
  }
  #giveUp(): void {
    this.#spare?.retire();
    this.#spare = undefined;
  }
  #swap(nowMs: number): void {
    if (this.#spare === undefined) return;
    this.#suspicion.rebuilt(this.#spare.made.attempts, nowMs);
    this.#replace(this.#spare, true);
    this.#home.rebuilt(this);
    this.#changed(this.#main.state, null);
  }
  #calmDown(): void {
    this.#calm = undefined;
    if (this.#main.state === State.READY) return;
    this.#replace(
      this.#open(unshared(this.#home.options, false), () => this.#home.connectTimeoutMs),
      false,
    );
    this.#main.start();
  }
  #replace(next: Connection, hasty: boolean): void {
    const old = this.#main;
    this.#main = next;
    this.#spare = undefined;
    this.#hasty = hasty;
    this.#endCalm();
    old.retire();
  }
  #endCalm(): void {
    this.#calm?.();
    this.#calm = undefined;
  }
}
