/**
 * Versions of a mesh's policy: a call keeps the one that it began with, to its last attempt.
 *
 * @packageDocumentation
 */
import { Bag } from './bag.ts';
import type { ClusterTarget } from './grpc/cluster-ways.ts';
import type { NativeCounts } from './grpc/native-batcher.ts';
import type { ServerLayer } from './grpc/server-call.ts';
import type { ServerRulesInForce } from './grpc/server-doors.ts';
import type { OpenCall } from './grpc/story-call.ts';
import { Answers, type AnswersHome } from './mesh-answers.ts';
import { type AuthorizationHome, MeshAuthorization } from './mesh-authorization.ts';
import type { ForwardVersion } from './mesh-forward.ts';
import { type Declared, type NativeBatching, nativeBatching } from './mesh-native.ts';
import type { StackSettings } from './mesh-stack.ts';
import { Traffic, type TrafficCounts } from './mesh-traffic.ts';
import type { MeshDependencies } from './mesh-types.ts';
import type { Tell } from './observe/event-log.ts';
import { Kept } from './policy/kept.ts';
import type { Policy } from './policy/policy.gen.ts';

/** What all versions share. */
export interface VersionHome {
  readonly dependencies: MeshDependencies;
  readonly declared: Declared;
  readonly settings: Omit<StackSettings, 'table' | 'native' | 'answers' | 'traffic' | 'kept'>;
  readonly answers: AnswersHome;
  readonly traffic: TrafficCounts;
  readonly native: NativeCounts;
  readonly authorization: AuthorizationHome;
  readonly tell: Tell;
  /** Says what does not get truer with the next version. */
  readonly warnOnce: (line: string) => void;
}

/** One version: everything that is made of the policy alone. */
export class Version implements ForwardVersion {
  readonly policy: Policy;
  /** Calls that began with it and have not ended. */
  readonly open: Bag<OpenCall> = new Bag<OpenCall>();
  readonly kept: Kept;
  readonly native: NativeBatching;
  readonly answers: Answers;
  readonly traffic: Traffic;
  /** Of clients. */
  readonly settings: StackSettings;
  readonly #home: VersionHome;
  #authorization: MeshAuthorization | undefined;

  /**
   * @param before - The version in force, of which this one takes over what the policy does not change.
   * @throws ConfigError when the policy does not fit the program that it is for. Nothing has changed then.
   */
  constructor(policy: Policy, home: VersionHome, before?: Version) {
    this.policy = policy;
    this.#home = home;
    this.kept = new Kept(before?.kept);
    try {
      const { dependencies, declared, settings, tell } = home;
      const { clock, random } = settings;
      this.native = nativeBatching(policy, declared, home.native);
      const { table } = this.native;
      this.answers = new Answers(policy, dependencies, table, home.answers, this.kept);
      const around = { ...dependencies, catalog: declared.catalog, clock, random, warn: home.warnOnce, tell, counts: home.traffic };
      this.traffic = new Traffic(policy, around, this.kept);
      this.settings = this.#settings(this.native, 'clients');
    } catch (error) {
      this.kept.abandon();
      throw error;
    }
  }

  get clusters(): Iterable<ClusterTarget> {
    return this.traffic.clusters.values();
  }

  settingsFor(policy: Policy, user: string): StackSettings {
    return this.#settings(nativeBatching(policy, this.#home.declared), user);
  }

  /** Who says what callers may do; undefined: they may call everything. Made when it is first asked for, for it reads a file. */
  get authorization(): MeshAuthorization | undefined {
    const { authorization: source } = this.native.table.server;
    if (source === undefined) return undefined;
    this.#authorization ??= this.kept.take('authorization', source, () => new MeshAuthorization(source, this.#home.authorization));
    return this.#authorization;
  }

  /** What servers are told. */
  serverRules(layer: ServerLayer): ServerRulesInForce {
    const { carriers, tunnels, maxItems } = this.native.table.server;
    return { layer, carriers, tunnels, limits: { maxItems }, guarded: this.authorization !== undefined };
  }

  #settings(native: NativeBatching, user: string): StackSettings {
    const { answers, traffic, kept } = this;
    return { ...this.#home.settings, table: native.table, native, answers, traffic, kept: kept.of(user) };
  }
}
