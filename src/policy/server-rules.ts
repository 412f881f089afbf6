/**
 * What the server half does, as the engines ask it: in milliseconds, with every default filled in.
 *
 * @packageDocumentation
 */
import type { AdaptiveLimitRules } from '../limit/options.ts';
import { durationMs } from './duration.ts';
import { type BulkheadRules, bulkheadRules, limitRules } from './limit-rules.ts';
import type { Policy } from './policy.gen.ts';

const DEFAULT_REFRESH_MS = 60_000;

/** The server half. */
export interface ServerRules {
  /** Undefined: no limit. */
  readonly bulkhead?: BulkheadRules;
  /** By path, `/pkg.Service/Method`. */
  readonly methodBulkheads: ReadonlyMap<string, BulkheadRules>;
  /** Undefined: no limit. */
  readonly limit?: AdaptiveLimitRules;
  /** Of calls without a deadline. Undefined: none. */
  readonly timeoutMs?: number;
  /** The same by path; undefined in it: none. */
  readonly methodTimeoutsMs: ReadonlyMap<string, number | undefined>;
  /** Of all calls, the fraction that may be refused for being late. */
  readonly lateRejectFraction: number;
  readonly trustTraits: boolean;
  readonly carriers: boolean;
  readonly tunnels: boolean;
  readonly maxItems: number;
  /** A file with a policy of gRFC A43. Undefined: everybody may call everything. */
  readonly authorization?: { readonly file: string; readonly refreshMs: number };
}

/** The rules of a document's `server`. */
export function serverRules({ server = {} }: Policy): ServerRules {
  const { authorization } = server;
  const bulkhead = bulkheadRules(server.bulkhead);
  const limit = limitRules(server.limit);
  const methodBulkheads = new Map<string, BulkheadRules>();
  for (const [name, limit] of Object.entries(server.methodBulkheads ?? {})) {
    const rules = bulkheadRules(limit);
    if (rules !== undefined) methodBulkheads.set(`/${name}`, rules);
  }
  const methodTimeoutsMs = new Map<string, number | undefined>();
  for (const [name, timeout] of Object.entries(server.methodTimeouts ?? {}))
    methodTimeoutsMs.set(`/${name}`, durationMs(timeout) || undefined);
  return {
    ...(server.defaultTimeout === undefined ? {} : { timeoutMs: durationMs(server.defaultTimeout) }),
    methodTimeoutsMs,
    lateRejectFraction: server.lateRejectFraction ?? 1,
    trustTraits: server.trustTraits ?? false,
    ...(bulkhead === undefined ? {} : { bulkhead }),
    methodBulkheads,
    ...(limit === undefined ? {} : { limit }),
    carriers: server.carriers ?? true,
    tunnels: server.tunnels ?? true,
    maxItems: server.maxItems ?? 1024,
    ...(authorization === undefined
      ? {}
      : {
          authorization: {
            file: authorization.file,
            refreshMs: authorization.refresh === undefined ? DEFAULT_REFRESH_MS : durationMs(authorization.refresh),
          },
        }),
  };
}
