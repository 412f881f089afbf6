/**
 * A client half of a mesh: its doors, what they keep, and what is in force for their calls.
 *
 * @packageDocumentation
 */
import type { Bag } from './bag.ts';
import type { EndpointChange } from './balance/changes.ts';
import type { BalanceTotals } from './balance/counts.ts';
import { ClientDoors } from './grpc/client-doors.ts';
import type { OpenCall } from './grpc/story-call.ts';
import { ClientState } from './mesh-client-state.ts';
import { buildClientStack, type ClientCounts, type StackSettings } from './mesh-stack.ts';
import type { ResetBudget } from './resets/reset-budget.ts';

/** What all client halves of a mesh share. */
export interface ClientHome {
  readonly counts: ClientCounts;
  readonly resets: ResetBudget;
  readonly totals: BalanceTotals;
  readonly onIdle: () => void;
  readonly onChange: (target: string, change: EndpointChange) => void;
}

export class ClientHalf {
  readonly doors: ClientDoors;
  readonly #home: ClientHome;
  readonly #state: ClientState;

  /** @param open - Holds the calls that begin while these settings are in force. */
  constructor(settings: StackSettings, open: Bag<OpenCall>, home: ClientHome) {
    const { counts, onIdle, resets, totals, onChange } = home;
    const { table, clock, random, warn, traffic } = settings;
    this.#home = home;
    this.#state = new ClientState(settings, counts);
    const stack = buildClientStack(settings, counts, onIdle, open, this.#state);
    this.doors = new ClientDoors({ table, stack, clock, random, warn, resets, totals, onChange, clusters: traffic?.clusters });
  }

  /**
   * Makes ready what is to be in force; nothing has changed before what it gives is called, which never throws.
   *
   * @throws ConfigError when the settings make no sense for calls that are known.
   */
  prepare(settings: StackSettings, open: Bag<OpenCall>): () => void {
    const { counts, onIdle } = this.#home;
    const { table, traffic } = settings;
    for (const path of this.#state.paths()) table.method(path);
    const stack = buildClientStack(settings, counts, onIdle, open, this.#state);
    return () => {
      this.#state.retune(settings);
      this.doors.take({ table, stack, clusters: traffic?.clusters });
    };
  }
}
