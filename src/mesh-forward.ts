/**
 * The ways from front nodes to back-end nodes of one mesh: each has a client stack of its own, for its batches are smaller and its
 * retry budget is no caller's.
 *
 * @packageDocumentation
 */
import type { Bag } from './bag.ts';
import type { ClientDoors } from './grpc/client-doors.ts';
import type { ClusterTarget } from './grpc/cluster-ways.ts';
import { Forward, type ForwardChannel, type ForwardOptions, resolveForwardOptions } from './grpc/forward.ts';
import type { OpenCall } from './grpc/story-call.ts';
import { ClientHalf, type ClientHome } from './mesh-client-half.ts';
import type { StackSettings } from './mesh-stack.ts';
import type { Coalesce, Policy } from './policy/policy.gen.ts';

/** A version of the policy, as ways onward are made of it. */
export interface ForwardVersion {
  readonly policy: Policy;
  readonly open: Bag<OpenCall>;
  /** The settings for a policy like this version's own. @param user - Whose they are. */
  settingsFor(policy: Policy, user: string): StackSettings;
}

interface Onward {
  readonly half: ClientHalf;
  readonly settings: (version: ForwardVersion) => StackSettings;
}

export class Forwards {
  readonly #home: ClientHome;
  readonly #ways: Onward[] = [];
  #version: ForwardVersion;
  #closed = false;

  constructor(version: ForwardVersion, home: ClientHome) {
    this.#version = version;
    this.#home = home;
  }

  make(options: ForwardOptions): Forward {
    const rules = resolveForwardOptions(options);
    const user = `forward ${this.#ways.length}`;
    const settings = (version: ForwardVersion): StackSettings => version.settingsFor(withBatchesOf(version.policy, rules.maxItems), user);
    const half = new ClientHalf(settings(this.#version), this.#version.open, this.#home);
    const channel = half.doors.channel(rules.target, rules.credentials, rules.options) as ForwardChannel;
    if (this.#closed) half.doors.refuse();
    this.#ways.push({ half, settings });
    return new Forward(channel, rules.methods);
  }

  /** As of {@link ClientHalf.prepare}, for all of them. */
  prepare(version: ForwardVersion): () => void {
    const commits = this.#ways.map(({ half, settings }) => half.prepare(settings(version), version.open));
    return () => {
      this.#version = version;
      for (const commit of commits) commit();
    };
  }

  /** Adds the endpoints of all ways to those of the clients. */
  endpoints(clients: ReturnType<ClientDoors['endpoints']>): ReturnType<ClientDoors['endpoints']> {
    for (const doors of this.#doors()) {
      for (const [target, endpoints] of Object.entries(doors.endpoints())) clients[target] = [...(clients[target] ?? []), ...endpoints];
    }
    return clients;
  }

  targets(): ReturnType<ClientDoors['targets']> {
    return this.#doors().flatMap((doors) => doors.targets());
  }
  rulesFor(target: string): ReturnType<ClientDoors['rulesFor']> {
    return this.#doors()
      .map((doors) => doors.rulesFor(target))
      .find((rules) => rules !== undefined);
  }

  /** As of `ClientDoors`, for all of them. */
  retainClusters(clusters: ReadonlySet<ClusterTarget>): void {
    for (const doors of this.#doors()) doors.retainClusters(clusters);
  }

  /** From now on every call is refused. */
  refuse(): void {
    this.#closed = true;
    for (const doors of this.#doors()) doors.refuse();
  }
  close(): void {
    for (const doors of this.#doors()) doors.close();
  }

  #doors(): readonly ClientDoors[] {
    return this.#ways.map(({ half }) => half.doors);
  }
}

/** The policy with batches of at most so many calls. Whether there are any stays as it is. */
function withBatchesOf(policy: Policy, maxItems: number): Policy {
  const coalesce: Coalesce = typeof policy.coalesce === 'string' ? { mode: policy.coalesce } : (policy.coalesce ?? {});
  return { ...policy, coalesce: { ...coalesce, maxItems: Math.min(coalesce.maxItems ?? maxItems, maxItems) } };
}
