/**
 * The ways from front nodes to back-end nodes of one mesh: each has a client stack of its own, for its batches are smaller and its
 * retry budget is no caller's.
 *
 * @packageDocumentation
 */
import type { ClientDoors } from './grpc/client-doors.ts';
import { Forward, type ForwardChannel, type ForwardOptions, resolveForwardOptions } from './grpc/forward.ts';
import type { Coalesce, Policy } from './policy/policy.gen.ts';

/** Makes the client half of a mesh with another policy. */
export type MakeDoors = (policy: Policy) => ClientDoors;

export class Forwards {
  readonly #policy: Policy;
  readonly #makeDoors: MakeDoors;
  readonly #doors: ClientDoors[] = [];
  #closed = false;

  constructor(policy: Policy, makeDoors: MakeDoors) {
    this.#policy = policy;
    this.#makeDoors = makeDoors;
  }

  make(options: ForwardOptions): Forward {
    const rules = resolveForwardOptions(options);
    const doors = this.#makeDoors(withBatchesOf(this.#policy, rules.maxItems));
    const channel = doors.channel(rules.target, rules.credentials, rules.options) as ForwardChannel;
    if (this.#closed) doors.refuse();
    this.#doors.push(doors);
    return new Forward(channel, rules.methods);
  }

  /** Adds the endpoints of all ways to those of the clients. */
  endpoints(clients: ReturnType<ClientDoors['endpoints']>): ReturnType<ClientDoors['endpoints']> {
    for (const doors of this.#doors) {
      for (const [target, endpoints] of Object.entries(doors.endpoints())) clients[target] = [...(clients[target] ?? []), ...endpoints];
    }
    return clients;
  }

  targets(): ReturnType<ClientDoors['targets']> {
    return this.#doors.flatMap((doors) => doors.targets());
  }
  rulesFor(target: string): ReturnType<ClientDoors['rulesFor']> {
    return this.#doors.map((doors) => doors.rulesFor(target)).find((rules) => rules !== undefined);
  }

  /** From now on every call is refused. */
  refuse(): void {
    this.#closed = true;
    for (const doors of this.#doors) doors.refuse();
  }
  close(): void {
    for (const doors of this.#doors) doors.close();
  }
}

/** The policy with batches of at most so many calls. Whether there are any stays as it is. */
function withBatchesOf(policy: Policy, maxItems: number): Policy {
  const coalesce: Coalesce = typeof policy.coalesce === 'string' ? { mode: policy.coalesce } : (policy.coalesce ?? {});
  return { ...policy, coalesce: { ...coalesce, maxItems: Math.min(coalesce.maxItems ?? maxItems, maxItems) } };
}
