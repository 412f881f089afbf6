/**
 * The mesh's numbers as Prometheus reads them, without any SDK: names and labels are those of the OpenTelemetry instruments, after
 * Prometheus's own rules for such names.
 *
 * Durations are histograms, which Prometheus can add up over processes; quantiles could not be.
 *
 * @packageDocumentation
 */
import type { Reading } from './metric-spec.ts';
import {
  BATCH_BYPASS_REASON,
  BATCH_FLUSH_REASON,
  CLIENT_BATCH_AMBIGUOUS,
  CLIENT_BATCH_BYPASSED,
  CLIENT_BATCH_LATE,
  CLIENT_BATCH_SIZE,
  CLIENT_BATCH_TUNNELS,
  CLIENT_BATCH_TURNED_AWAY,
  CLIENT_DURATION,
  DURATION_BOUNDARIES,
  RPC_METHOD,
  RPC_STATUS,
  SERVER_BATCH_TUNNELS,
  SERVER_DURATION,
} from './names.ts';
import { OWN, type ReadStats, readOwn } from './own-metrics.ts';
import { type HistogramPoint, PrometheusText } from './prometheus-text.ts';
import type { MethodView, OverviewView, Side } from './views.ts';

const SIDES = ['client', 'server'] as const satisfies readonly Side[];

/**
 * All metrics as text in the exposition format 0.0.4; serve it as `text/plain; version=0.0.4; charset=utf-8`.
 *
 * @param overview - `mesh.overview()`
 * @param stats - `mesh.stats()`
 */
export function renderPrometheus(overview: OverviewView, stats: ReadStats): string {
  const text = new PrometheusText();
  writeProcess(text, overview);
  writePolicy(text, overview);
  for (const side of SIDES) {
    writeCalls(
      text,
      side,
      overview.methods.filter((method) => method.side === side),
    );
  }
  writeReadings(text, readOwn(overview, stats));
  writeBatches(text, overview);
  return text.toString();
}

function writeProcess(text: PrometheusText, { process }: OverviewView): void {
  const labels = { 'service.name': process.service, 'inmesh.version': process.inmesh, 'process.runtime.version': process.node };
  text.numbers({ name: 'inmesh.info', type: 'gauge', unit: '', description: 'The process', attributes: Object.keys(labels) }, [
    { labels, value: 1 },
  ]);
  text.numbers({ name: 'inmesh.draining', type: 'gauge', unit: '', description: '1 while the mesh takes no more calls', attributes: [] }, [
    { labels: {}, value: process.draining ? 1 : 0 },
  ]);
}

function writePolicy(text: PrometheusText, { policy: { hash, sinceMs, reloads, rejected, problem, pending } }: OverviewView): void {
  const gauge = (name: string, unit: string, description: string, value: number, labels: Readonly<Record<string, string>> = {}): void => {
    text.numbers({ name, type: 'gauge', unit, description, attributes: Object.keys(labels) }, [{ labels, value }]);
  };
  gauge('inmesh.policy.info', '', 'The policy in force', 1, { 'inmesh.policy.hash': hash });
  gauge('inmesh.policy.since', 's', 'Since when it is in force, since 1970', sinceMs / 1000);
  gauge(
    'inmesh.policy.differs',
    '',
    '1 while what was last asked for is not, or not wholly, in force',
    problem !== undefined || pending.length > 0 ? 1 : 0,
  );
  const outcomes = Object.entries({ applied: reloads, refused: rejected });
  text.numbers(
    {
      name: 'inmesh.policy.reloads',
      type: 'counter',
      unit: '{reload}',
      description: 'Reloads that changed it or were refused',
      attributes: ['inmesh.policy.outcome'],
    },
    outcomes.map(([outcome, value]) => ({ labels: { 'inmesh.policy.outcome': outcome }, value })),
  );
}

function writeCalls(text: PrometheusText, side: Side, methods: readonly MethodView[]): void {
  const timed = methods.flatMap(({ method, durationCounts, durationSumMs }): HistogramPoint[] =>
    durationCounts === undefined ? [] : [{ labels: { [RPC_METHOD]: method }, counts: durationCounts, sum: (durationSumMs ?? 0) / 1000 }],
  );
  text.histograms(
    {
      name: side === 'client' ? CLIENT_DURATION : SERVER_DURATION,
      type: 'histogram',
      unit: 's',
      description: side === 'client' ? 'Duration of outgoing calls' : 'Duration of incoming calls',
      attributes: [RPC_METHOD],
      boundaries: DURATION_BOUNDARIES,
    },
    timed,
  );
  text.numbers(
    {
      name: `inmesh.${side}.calls`,
      type: 'counter',
      unit: '{call}',
      description: 'Calls ended, by status',
      attributes: [RPC_METHOD, RPC_STATUS],
    },
    methods.flatMap(({ method, byStatus }) =>
      Object.entries(byStatus).map(([status, value]) => ({ labels: { [RPC_METHOD]: method, [RPC_STATUS]: status }, value })),
    ),
  );
  text.numbers(
    {
      name: `inmesh.${side}.active`,
      type: 'gauge',
      unit: '{call}',
      description: 'Calls that have begun and not ended',
      attributes: [RPC_METHOD],
    },
    methods.map(({ method, active }) => ({ labels: { [RPC_METHOD]: method }, value: active })),
  );
}

function writeReadings(text: PrometheusText, readings: readonly Reading[]): void {
  for (const metric of Object.values(OWN))
    text.numbers(
      metric,
      readings.filter((reading) => reading.metric === metric),
    );
}

function writeBatches(text: PrometheusText, { batches: { client, server } }: OverviewView): void {
  const count = (name: string, unit: string, description: string, value: number): void => {
    text.numbers({ name, type: 'counter', unit, description, attributes: [] }, [{ labels: {}, value }]);
  };
  const byReason = (name: string, unit: string, reason: string, description: string, counts: Readonly<Record<string, number>>): void => {
    const points = Object.entries(counts).map(([key, value]) => ({ labels: { [reason]: key }, value }));
    text.numbers({ name, type: 'counter', unit, description, attributes: [reason] }, points);
  };
  const open = (name: string, description: string, value: number): void => {
    text.numbers({ name, type: 'gauge', unit: '{tunnel}', description, attributes: [] }, [{ labels: {}, value }]);
  };
  if (client.carriers + client.tunnels + client.turnedAway > 0) {
    const { upTo, counts } = client.sizes;
    const sizes = { name: CLIENT_BATCH_SIZE, unit: '{item}', description: 'Calls of a batch sent', attributes: [], boundaries: upTo };
    text.histograms({ ...sizes, type: 'histogram' }, [{ labels: {}, counts: cumulative(counts, upTo.length + 1), sum: client.items }]);
    byReason('inmesh.client.batch.flushed', '{batch}', BATCH_FLUSH_REASON, 'Batches sent, by what sent them', client.flushReasons);
    count(CLIENT_BATCH_LATE, '{item}', 'Results for calls that had ended', client.late);
    count(CLIENT_BATCH_AMBIGUOUS, '{item}', 'Calls of broken batches that may have run', client.ambiguous);
    count(CLIENT_BATCH_TURNED_AWAY, '{batch}', 'Batches that an endpoint did not take', client.turnedAway);
    open(CLIENT_BATCH_TUNNELS, 'Tunnels open', client.tunnels);
  }
  byReason(CLIENT_BATCH_BYPASSED, '{call}', BATCH_BYPASS_REASON, 'Calls that may be coalesced and went alone', client.bypassReasons);
  if (server.carriers + server.tunnels + server.items === 0) return;
  count('inmesh.server.batch.carriers', '{batch}', 'Batches taken', server.carriers);
  count('inmesh.server.batch.items', '{item}', 'Calls of batches taken', server.items);
  open(SERVER_BATCH_TUNNELS, 'Tunnels served at present', server.tunnels);
}

/** Counts of buckets as counts of all up to each. */
function cumulative(counts: readonly number[], length: number): readonly number[] {
  let total = 0;
  return Array.from({ length }, (_, i) => {
    total += counts[i] ?? 0;
    return total;
  });
}
