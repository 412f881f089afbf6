/**
 * Mirror: copies of unary calls go to another cluster; nobody waits for their answers, which may be compared with the calls' own.
 *
 * - Scope: per call, not per attempt; below what answers or refuses calls on this side (cache, breaker, limits), so that only what goes
 *   out is copied; above retry.
 * - Never delays or fails a call: the copy is made at the end of the turn in which the call has gone out, has a deadline of its own, no
 *   retries, no batches, and is told to nobody. Bounded: beyond `maxInFlight` there is none.
 * - A copy is marked with `inmesh-mirror`; what carries that mark, or is called while serving a copy, is not copied.
 * - State: counts, the copies that are out, at most 64 names of fields that differed.
 * - Source: Envoy's `request_mirror_policies`, Twitter's Diffy (feature TM3).
 *
 * @packageDocumentation
 */
import type { Metadata } from '@grpc/grpc-js';
import { currentScope } from '../src/deadline/call-scope.ts';
import type { CallInfo, ClientInterceptor, Door } from '../src/grpc/client-call.ts';
import { type Chosen, MirroredCall, type MirrorHome } from '../src/grpc/mirrored-call.ts';
import { MIRROR_KEY } from '../src/grpc/traits.ts';
import type { Mirror, Mirrors } from '../src/mirror/mirrors.ts';

/** What the mirror behaviour is told. */
export interface MirrorSettings extends MirrorHome {
  readonly mirrors: Mirrors;
  /** The way of a client's copies to a cluster; undefined: it has none. */
  readonly wayTo: (info: CallInfo, cluster: string) => Door | undefined;
  readonly warn: (line: string) => void;
}

const NONE: readonly Chosen[] = Object.freeze([]);
const NO_WAY =
  "calls are not mirrored: this client's interceptors know no channel to copy them on. Use mesh.client(), or mesh.options() besides mesh.interceptors()";

/** The client half; a server has none. */
export function mirrorClient(settings: MirrorSettings): ClientInterceptor {
  const { mirrors, wayTo, warn } = settings;
  let warned = false;
  const chosenBy = (info: CallInfo, mirror: Mirror): Chosen | undefined => {
    const door = wayTo(info, mirror.cluster);
    if (door?.channel !== undefined) return { mirror, door, channel: door.channel };
    mirror.unsent();
    if (!warned) warn(NO_WAY);
    warned = true;
    return undefined;
  };
  return (info, next) => {
    if (info.kind !== 'unary' && info.kind !== undefined) return next(info);
    const candidates = mirrors.of(info.method);
    if (candidates.length === 0) return next(info);
    const choose = (metadata: Metadata): readonly Chosen[] => {
      if (metadata.get(MIRROR_KEY).length > 0 || currentScope.getStore()?.traits.mirrored === true) return NONE;
      return candidates.flatMap((mirror) => (mirror.chooses(metadata) ? (chosenBy(info, mirror) ?? []) : []));
    };
    return new MirroredCall(next(info), settings, info, choose);
  };
}
