/** Turns what an act measured into the numbers of the table. */
import { createHash } from 'node:crypto';
import type { Fault, Played } from './act.ts';
import { type Act, actOf, diffOf } from './acts.ts';
import type { Phase } from './messages.ts';

/** CPU time per call in microseconds. */
interface CpuPerCall {
  readonly client: number;
  readonly servers: number;
  readonly total: number;
}

/** Two points of a distribution, in milliseconds. */
interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** One act in numbers; the form of `--json`. */
export interface Summary {
  readonly act: number;
  readonly name: string;
  /** Lines of code that this act takes and brings, against act `comparedWith`. */
  readonly diff: {
    readonly comparedWith: number | null;
    readonly added: number;
    readonly removed: number;
    readonly lines: readonly string[];
  };
  readonly calls: number;
  readonly lost: number;
  readonly lostByStatus: Readonly<Record<string, number>>;
  readonly lostByPhase: Readonly<Record<Phase, number>>;
  readonly callMs: Percentiles;
  readonly callMsByPhase: Readonly<Record<Phase, Percentiles>>;
  readonly pageMs: Percentiles;
  /** HTTP/2 streams that the application opened: every RPC, carriers and retries included. */
  readonly rpcs: number;
  readonly rpcsPerCall: number;
  /** From `mesh.stats()` where there is a mesh; without one, every RPC is an attempt. */
  readonly attemptsPerCall: number;
  readonly cpuUsPerCall: CpuPerCall;
  /** The same for the first phase alone, without faults and restarted processes that warm up. */
  readonly healthyCpuUsPerCall: CpuPerCall;
  readonly pages: number;
  readonly wholePages: number;
  /** Whole pages that are not what the database says. */
  readonly wrongPages: number;
  /** Whole pages whose write is not in the database. */
  readonly unrecordedViews: number;
  /** Over the pages that were whole in every act of the run. */
  readonly checksum: string;
  readonly faults: readonly Fault[];
  readonly mesh: Readonly<Record<string, number>> | null;
}

/** Sums up one act. `rightDigest` tells the digest that a page must have. The checksum is set by `withChecksums`. */
export function summarize(act: Act, played: Played, rightDigest: (page: number) => string, fanout: number): Summary {
  const { app } = played;
  const digests = app.digests;
  const wholePages = digests.filter((digest) => digest !== null).length;
  const wrongPages = digests.filter((digest, page) => digest !== null && digest !== rightDigest(page)).length;
  const healthyCalls = app.callMs.healthy.length;
  return {
    act: act.number,
    name: act.name,
    diff: codeDiff(act),
    calls: app.calls,
    lost: app.lost,
    lostByStatus: app.lostByStatus,
    lostByPhase: app.lostByPhase,
    callMs: percentiles(Object.values(app.callMs).flat()),
    callMsByPhase: mapPhases(app.callMs, percentiles),
    pageMs: percentiles(app.pageMs),
    rpcs: app.streams,
    rpcsPerCall: round(app.streams / app.calls, 3),
    attemptsPerCall: round(attempts(played) / app.calls, 3),
    cpuUsPerCall: cpuPerCall(app.cpuUs, played.serversCpuUs, app.calls),
    healthyCpuUsPerCall: cpuPerCall(app.healthyCpuUs, played.serversHealthyCpuUs, healthyCalls),
    pages: digests.length,
    wholePages,
    wrongPages,
    unrecordedViews: fanout === 1 ? 0 : Math.max(0, wholePages - played.views),
    checksum: '',
    faults: played.faults,
    mesh: app.mesh,
  };
}

/** Which pages were whole in every act, and each act's checksum over them. */
export function withChecksums(summaries: readonly Summary[], digests: readonly (readonly (string | null)[])[]): readonly Summary[] {
  const common = (digests[0] ?? []).map((_, page) => digests.every((act) => typeof act[page] === 'string'));
  return summaries.map((summary, index) => {
    const hash = createHash('sha256');
    for (const [page, digest] of (digests[index] ?? []).entries()) if (common[page]) hash.update(`${page} ${digest}\n`);
    return { ...summary, checksum: hash.digest('hex').slice(0, 16) };
  });
}

/** Nearest-rank percentiles; zeroes where nothing was measured. */
function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort();
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50: round(rank(0.5), 2), p99: round(rank(0.99), 2) };
}

function codeDiff(act: Act): Summary['diff'] {
  if (act.comparedWith === null) return { comparedWith: null, added: 0, removed: 0, lines: [] };
  const { client, server } = diffOf(act, actOf(act.comparedWith));
  return {
    comparedWith: act.comparedWith,
    added: client.added.length + server.added.length,
    removed: client.removed.length + server.removed.length,
    lines: [...client.lines, ...server.lines],
  };
}

function attempts(played: Played): number {
  return played.app.mesh?.['client.attempts'] ?? played.app.streams;
}

function cpuPerCall(clientUs: number, serversUs: number, calls: number): CpuPerCall {
  const client = round(clientUs / calls, 1);
  const servers = round(serversUs / calls, 1);
  return { client, servers, total: round(client + servers, 1) };
}

function mapPhases<From, To>(values: Readonly<Record<Phase, From>>, map: (value: From) => To): Record<Phase, To> {
  const { healthy, slow, killed, restarts, replaced } = values;
  return { healthy: map(healthy), slow: map(slow), killed: map(killed), restarts: map(restarts), replaced: map(replaced) };
}

function round(value: number, digits: number): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}
