/**
 * Native coalescing: unary calls of a method (GetX) that wait together become one call of the service's own batch method
 * (BatchGetX), and every caller gets its own answer. The server needs nothing of ours.
 *
 * - Scope: per attempt, right above coalescing: what retry sends again joins a later batch. Methods that policy has a rule for.
 * - Joins only calls with one batch key (see coalesce.ts) and equal `groupBy` fields. A lone call goes out as it is; so does one
 *   with a field that the batch has no place for.
 * - Rejects nothing of its own; a call that the reply has no item for ends as the rule says.
 * - State: queues, one set per channel; for ten minutes, that a server has no such method.
 * - Source: AIP-231, 233, 234; facebook's dataloader, gax's bundling; cases K1-K8, K10, K13, K20, K22.
 *
 * @packageDocumentation
 */
import type { NativePlan } from '../src/batch/native/plan.ts';
import type { ResolvedCoalesceOptions } from '../src/batch/options.ts';
import type { Clock } from '../src/clock.ts';
import { BatchKeys } from '../src/grpc/batch-key.ts';
import type { CallInfo, ClientInterceptor, Door } from '../src/grpc/client-call.ts';
import { NativeBatcher, type NativeCounts, type NativePlainReason, type NativeShared } from '../src/grpc/native-batcher.ts';
import { NativeCall } from '../src/grpc/native-call.ts';
import { rehearseClients } from '../src/grpc/rehearsal.ts';
import type { StartCarrierSpan } from '../src/observe/carrier-span.ts';
import type { Random } from '../src/random.ts';

/** What the behaviour is told. */
export interface NativeBatchSettings {
  /** By path of the unary method. */
  readonly plans: ReadonlyMap<string, NativePlan>;
  readonly options: ResolvedCoalesceOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly carrierSpan: StartCarrierSpan;
  readonly counts: NativeCounts;
  readonly warn: (line: string) => void;
}

const NO_CHANNEL =
  'a batch rule is set, but this client came without mesh.options(), is a Connect client, or the call brought its own interceptors: no batch can be opened, so calls go alone';
const FOREIGN_BELOW =
  "a batch rule is set, but this client has other interceptors below inmesh's, which a batch would pass by: calls go alone; put inmesh's last";

/** The client half; there is no other. */
export function nativeBatchClient(settings: NativeBatchSettings): ClientInterceptor {
  const { plans, options, clock, random, carrierSpan, counts, warn } = settings;
  const shared: NativeShared = { options, clock, random, keys: new BatchKeys(options.itemMetadata), carrierSpan, counts };
  let warned = false;
  const byDoor = new WeakMap<Door, NativeBatcher>();
  const batcherOf = (door: Door, channel: NonNullable<Door['channel']>): NativeBatcher => {
    let batcher = byDoor.get(door);
    if (batcher === undefined) {
      rehearseClients();
      batcher = new NativeBatcher(shared, door, channel);
      byDoor.set(door, batcher);
    }
    return batcher;
  };
  return (info, next) => {
    const plan = plans.get(info.method);
    if (plan === undefined || (info.kind !== 'unary' && info.kind !== undefined)) return next(info);
    const { channel } = info.door;
    const reason = channel === undefined ? 'door' : plainReason(info);
    if (reason !== undefined || channel === undefined) {
      counts.plain[reason ?? 'door']++;
      if (!warned && (channel === undefined || info.door.foreignBelow === true)) {
        warned = true;
        warn(channel === undefined ? NO_CHANNEL : FOREIGN_BELOW);
      }
      return next(info);
    }
    return new NativeCall(batcherOf(info.door, channel), plan, info, next);
  };
}

/** Why a call can't wait for others at all. */
function plainReason({ options, attempt, door }: CallInfo): NativePlainReason | undefined {
  if (options?.coalesce === 'never' || options?.idempotent === false) return 'asked';
  // Interceptors of others below would be passed by; only a call that goes through them all shows that there are none.
  if (door.kind === 'interceptors' && door.foreignBelow !== false) return 'door';
  return (attempt?.avoid?.size ?? 0) > 0 || attempt?.pin !== undefined ? 'retry' : undefined;
}
