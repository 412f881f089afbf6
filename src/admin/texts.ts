/**
 * The views of a mesh as text for terminals.
 *
 * @packageDocumentation
 */
import { policyTrouble, shortHash } from '../observe/policy-words.ts';
import type { EndpointView, ExplainView, OverviewView } from '../observe/views.ts';
import type { Policy } from '../policy/policy.gen.ts';
import { columns, number, percent, plain } from './text.ts';

/** Endpoints, a line each. */
export function clustersText(endpoints: readonly EndpointView[], atMs: number): string {
  if (endpoints.length === 0) return "no endpoints: nobody has called anything yet, or the balancing is not the mesh's\n";
  return columns(
    ['TARGET', 'ENDPOINT', 'STATE', 'IN FLIGHT', 'EWMA ms', 'SHARE', 'PICKS', 'DROPPED', 'EJECTED', 'TIMES', 'REBUILT'],
    endpoints.map((endpoint) => [
      endpoint.target,
      endpoint.address,
      endpoint.state,
      endpoint.inFlight,
      endpoint.latencyMs,
      percent(endpoint.share),
      endpoint.picks,
      percent(endpoint.dropShare),
      ejectedText(endpoint, atMs),
      endpoint.ejections,
      endpoint.rebuilds,
    ]),
  );
}

function ejectedText({ ejected, ejectedFor = 'yes', ejectedUntilMs }: EndpointView, atMs: number): string {
  if (!ejected) return '-';
  return ejectedUntilMs === undefined ? ejectedFor : `${ejectedFor}, ${number(Math.max(0, ejectedUntilMs - atMs) / 1000)} s more`;
}

/** What happens now: the process, then methods. */
export function overviewText({ process, methods, policy }: OverviewView): string {
  const { service, pid, node, inmesh, uptimeMs, draining } = process;
  const versions = `inmesh ${inmesh}  node ${node}  policy ${shortHash(policy.hash)}`;
  const trouble = policyTrouble(policy);
  const head = `${service}  pid ${pid}  up ${number(Math.floor(uptimeMs / 1000))} s  ${versions}${draining ? '  draining' : ''}${trouble === undefined ? '' : `  ${trouble}`}`;
  if (methods.length === 0) return `${plain(head)}\n\nno calls yet\n`;
  return `${plain(head)}\n\n${columns(
    ['SIDE', 'METHOD', 'CALLS', 'ACTIVE', 'SUCCESS', 'CALLS/s', 'ATTEMPTS/s', 'p50 ms', 'p95 ms', 'p99 ms', 'REFUSED', 'RETRIES', 'HEDGES'],
    methods.map((m) => [
      ...[m.side, m.method, m.calls, m.active, percent(m.success), m.callsPerSecond, m.attemptsPerSecond],
      ...[m.latencyMs.p50, m.latencyMs.p95, m.latencyMs.p99, m.refused, m.retries, m.hedges],
    ]),
  )}`;
}

/** The document, and methods that can be asked about. */
export interface PolicyView {
  readonly policy: Policy;
  readonly methods: readonly string[];
}

/** The document, or what holds for a method: a line for each field. */
export function configText(view: PolicyView | ExplainView): string {
  if ('policy' in view) return outline(view);
  const { method, values } = view;
  const rows = values.map(({ field, value, origin, where }) => [field, value === null ? '-' : asText(value), origin, where]);
  return `${plain(method)}\n\n${columns(['FIELD', 'VALUE', 'ORIGIN', 'WHERE'], rows)}`;
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Settings as indented lines, in the form of YAML. */
function outline(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${indent}${plain(asText(value))}\n`;
  return Object.entries(value)
    .map(([key, below]) => {
      const nested = typeof below === 'object' && below !== null && !Array.isArray(below) && Object.keys(below).length > 0;
      return nested ? `${indent}${plain(key)}:\n${outline(below, `${indent}  `)}` : `${indent}${plain(key)}: ${plain(asText(below))}\n`;
    })
    .join('');
}
