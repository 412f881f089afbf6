/**
 * What the admin server can be asked.
 *
 * @packageDocumentation
 */

import { renderPrometheus } from '../observe/prometheus.ts';
import { PROMETHEUS_TYPE } from '../observe/prometheus-text.ts';
import type { ExplainView } from '../observe/views.ts';
import type { Access } from './guard.ts';
import type { Question } from './question.ts';
import { readinessOf, readinessText } from './readiness.ts';
import type { AdminSource } from './source.ts';
import type { StreamFormat, Telling } from './streams.ts';
import { clustersText, configText, overviewText, type PolicyView } from './texts.ts';

/** What a route has to say. */
export type Answer =
  | { readonly kind: 'json'; readonly value: unknown; readonly status?: number }
  | { readonly kind: 'text'; readonly text: string; readonly status?: number; readonly type?: string }
  | { readonly kind: 'page' }
  | { readonly kind: 'stream'; readonly format: StreamFormat; readonly tell: Telling };

/** Who asks. */
export interface Asker {
  /** May see more than a probe's verdict. */
  readonly trusted: boolean;
  /** Of a stream that broke off: the last event that it had. */
  readonly lastEventId: number;
}

/** One thing that can be asked. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** For the list of routes. */
  readonly about: string;
  /** Parameters that it knows. */
  readonly query: readonly string[];
  readonly access: Access;
  readonly answer: (source: AdminSource, question: Question, asker: Asker) => Answer;
}

const METHOD_EXAMPLE = 'pkg.Service/Method';
const CONFIG_OF = ['method', 'target'];
const TAP_FILTER = ['side', 'method', 'status', 'slowMs', 'reason', 'target'] as const;

const json = (value: unknown, status?: number): Answer => ({ kind: 'json', value, ...(status === undefined ? {} : { status }) });
const text = (value: string, status?: number): Answer => ({ kind: 'text', text: value, ...(status === undefined ? {} : { status }) });

const get = (path: string, about: string, answer: Route['answer'], query: readonly string[] = [], access: Access = 'read'): Route => ({
  ...{ method: 'GET', path, about, query, access, answer },
});
const post = (path: string, about: string, answer: Route['answer'], query: readonly string[] = []): Route => ({
  ...{ method: 'POST', path, about, query, access: 'write', answer },
});

/** In the order in which they are listed. */
export const ROUTES: readonly Route[] = [
  get('/', 'the live page; this list with Accept: application/json', () => ({ kind: 'page' })),
  get('/overview', 'methods: calls, success, rates, latency', (mesh) => text(overviewText(mesh.overview()))),
  get('/overview.json', 'everything at once', (mesh) => json(mesh.overview())),
  get('/events', 'what happens, as server-sent events', tellEvents, ['since']),
  get('/events.json', 'what has happened', (mesh, ask) => json(mesh.events.since(ask.number('since') ?? 0)), ['since']),
  get('/tap', 'calls that end, as server-sent events or lines of JSON', tellCalls, [...TAP_FILTER, 'format']),
  get('/metrics', "Prometheus' text format", (mesh) => {
    return { kind: 'text', text: renderPrometheus(mesh.overview(), mesh.stats()), type: PROMETHEUS_TYPE };
  }),
  get('/metrics.json', 'mesh.stats()', (mesh) => json(mesh.stats())),
  get('/clusters', 'endpoints by target', (mesh) => {
    const { endpoints, atMs } = mesh.overview();
    return text(clustersText(endpoints, atMs));
  }),
  get('/clusters.json', 'the same', (mesh) => json(mesh.overview().endpoints)),
  get('/config', 'the policy; with method what holds for it, and why', (mesh, ask) => text(configText(config(mesh, ask))), CONFIG_OF),
  get('/config.json', 'the same', (mesh, ask) => json(config(mesh, ask)), CONFIG_OF),
  get('/livez', 'whether the event loop turns', () => text('ok\n'), [], 'open'),
  get('/livez.json', 'the same', () => json({ live: true }), [], 'open'),
  get('/readyz', 'whether to send calls here: 503 if not', ready(readinessText), ['exclude'], 'open'),
  get(
    '/readyz.json',
    'the same',
    ready((readiness) => readiness),
    ['exclude'],
    'open',
  ),
  post('/drain', 'not ready from now on; connections to its servers are told to go elsewhere', (mesh) => {
    mesh.drain();
    return json({ state: mesh.state() });
  }),
  post('/breakers/isolate', "refuse a method's calls", (mesh, ask) => turn(mesh, ask, 'isolate'), ['method']),
  post('/breakers/release', 'undo that', (mesh, ask) => turn(mesh, ask, 'release'), ['method']),
];

/** The list of routes, for `/`. */
export function routeList(): readonly Pick<Route, 'method' | 'path' | 'about' | 'query'>[] {
  return ROUTES.map(({ method, path, about, query }) => ({ method, path, about, query }));
}

/** With a method what holds for it; else the document, and the methods that there is something to say of. */
function config(mesh: AdminSource, ask: Question): ExplainView | PolicyView {
  const target = ask.text('target');
  const method = target === undefined ? ask.text('method') : ask.required('method', METHOD_EXAMPLE);
  if (method !== undefined) return mesh.explain(method, target);
  const { policy } = mesh;
  const called = mesh.overview().methods.map((view) => view.method);
  const methods = [...new Set([...Object.keys(policy.methods ?? {}), ...called])].filter((name) => name.includes('/')).sort();
  return { policy, methods };
}

function ready(show: (readiness: ReturnType<typeof readinessOf>) => unknown): Route['answer'] {
  return (mesh, ask, { trusted }) => {
    const readiness = readinessOf(mesh, ask.all('exclude'));
    // Whoever reaches a probe's address need not learn what this process calls.
    const shown = show(trusted ? readiness : { ready: readiness.ready, checks: [] });
    const status = readiness.ready ? 200 : 503;
    return typeof shown === 'string' ? text(shown, status) : json(shown, status);
  };
}

function tellEvents(mesh: AdminSource, ask: Question, { lastEventId }: Asker): Answer {
  const since = ask.number('since') ?? lastEventId;
  return {
    kind: 'stream',
    format: 'sse',
    tell: (sink) => {
      const end = mesh.events.subscribe((event) => void sink.send('event', event, event.seq));
      for (const event of mesh.events.since(since)) void sink.send('event', event, event.seq);
      return end;
    },
  };
}

function tellCalls(mesh: AdminSource, ask: Question): Answer {
  const filter = {
    side: ask.oneOf('side', ['client', 'server']),
    method: ask.text('method'),
    status: ask.text('status'),
    slowMs: ask.number('slowMs'),
    reason: ask.text('reason'),
    target: ask.text('target'),
  };
  // A filter that makes no sense is to be answered, not to break a stream off.
  mesh.taps.subscribe(filter, () => {})();
  return {
    kind: 'stream',
    format: ask.oneOf('format', ['sse', 'ndjson']) ?? 'sse',
    tell: (sink) =>
      mesh.taps.subscribe(filter, (call) => sink.send('call', call), { onLost: (calls) => void sink.send('lost', { lost: calls }) }),
  };
}

function turn(mesh: AdminSource, ask: Question, what: 'isolate' | 'release'): Answer {
  const method = ask.required('method', METHOD_EXAMPLE);
  const breaker = mesh.breaker(method);
  breaker[what]();
  return json({ method, state: breaker.state });
}
