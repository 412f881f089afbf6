/**
 * What a busy mesh would show of itself, made up: for tests of those who draw or send it. Everything follows from the seed and the second.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { contentPolicy } from '../../src/admin/headers.ts';
import { PAGE } from '../../src/admin/page.gen.ts';
import type { EndpointView, EventView, HistoryView, MethodView, OverviewView, Side } from '../../src/observe/views.ts';

/** A number from 0 to 1 that follows from its arguments alone. */
function noise(seed: number, at: number): number {
  let x = Math.imul(seed + 0x9e37, 0x85ebca6b) ^ Math.imul(at + 1, 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  return ((x ^ (x >>> 12)) >>> 0) / 2 ** 32;
}

interface MethodShape {
  readonly side: Side;
  readonly method: string;
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly failing?: number;
  readonly retried?: number;
}

const METHODS: readonly MethodShape[] = [
  { side: 'client', method: 'atlas.v1.Atlas/GetPlace', perSecond: 1180, p99Ms: 9.4, retried: 0.03 },
  { side: 'client', method: 'atlas.v1.Atlas/SearchPlaces', perSecond: 30, p99Ms: 31, retried: 0.01 },
  { side: 'client', method: 'atlas.v1.Atlas/RecordView', perSecond: 29.5, p99Ms: 14 },
  { side: 'client', method: 'pricing.v2.PriceBook/QuoteForRegion', perSecond: 212, p99Ms: 184, failing: 0.07, retried: 0.34 },
  { side: 'client', method: 'accounts.v1.Sessions/Touch', perSecond: 0.4, p99Ms: 3.1 },
  { side: 'server', method: 'atlas.web.v1.Pages/RenderPage', perSecond: 30, p99Ms: 44 },
  { side: 'server', method: 'grpc.health.v1.Health/Check', perSecond: 0.2, p99Ms: 0.6 },
];

function history({ perSecond, p99Ms, failing = 0, retried = 0 }: MethodShape, seed: number, second: number): HistoryView {
  const seconds = Array.from({ length: 60 }, (_, index) => second - 60 + index);
  const calls = seconds.map((at) => Math.round(perSecond * (0.85 + 0.3 * noise(seed, at) + 0.15 * Math.sin(at / 7 + seed))));
  const trouble = seconds.map((at) => (Math.floor(at / 20) % 3 === 1 ? 1 : 0.15));
  return {
    calls,
    failed: calls.map((count, index) => Math.round(count * failing * (trouble[index] ?? 0))),
    attempts: calls.map((count, index) => Math.round(count * (1 + retried * 2 * (trouble[index] ?? 0)))),
    p99Ms: seconds.map((at, index) => p99Ms * (0.7 + 0.5 * noise(seed + 99, at)) * (1 + 0.8 * (trouble[index] ?? 0) * retried)),
  };
}

function methodView(shape: MethodShape, seed: number, second: number): MethodView {
  const own = history(shape, seed, second);
  const lastTen = (values: readonly number[]): number => values.slice(-10).reduce((sum, value) => sum + value, 0);
  const [calls10, failed10, attempts10] = [lastTen(own.calls), lastTen(own.failed), lastTen(own.attempts)];
  const calls = Math.round(shape.perSecond * (second % 100_000));
  const attempts = Math.round(calls * (1 + (shape.retried ?? 0)));
  const failed = Math.round(calls * (shape.failing ?? 0) * 0.4);
  return {
    side: shape.side,
    method: shape.method,
    calls,
    active: Math.round((shape.perSecond * shape.p99Ms) / 2500 + 3 * noise(seed, second)),
    failed,
    refused: Math.round(failed / 3),
    attempts,
    retries: attempts - calls,
    hedges: 0,
    byStatus:
      failed === 0
        ? { OK: calls }
        : { OK: calls - failed, UNAVAILABLE: failed - Math.floor(failed / 3), RESOURCE_EXHAUSTED: Math.floor(failed / 3) },
    callsPerSecond: calls10 / 10,
    attemptsPerSecond: attempts10 / 10,
    success: calls10 === 0 ? 1 : 1 - failed10 / calls10,
    attemptSuccess: attempts10 === 0 ? 1 : Math.max(0, 1 - (failed10 + attempts10 - calls10) / attempts10),
    latencyMs: { p50: shape.p99Ms / 4, p95: shape.p99Ms / 1.6, p99: own.p99Ms.at(-1) ?? 0 },
    history: own,
  };
}

const READY = { state: 'ready', ready: true, ejected: false, ejections: 0, rebuilds: 0, dropShare: 0 };

function endpointViews(atMs: number, second: number): readonly EndpointView[] {
  const share = 0.5 + 0.04 * (noise(7, second) - 0.5);
  const picks = (perSecond: number): number => Math.round(perSecond * (second % 100_000));
  const target = 'atlas:///places';
  const prices = 'dns:///prices.internal:443';
  const ejectedUntilMs = (Math.floor(atMs / 15_000) + 1) * 15_000;
  return [
    { ...READY, target, address: '127.0.0.1:27110', inFlight: 4, latencyMs: 2.6, picks: picks(600), share },
    { ...READY, target, address: '127.0.0.1:27111', inFlight: 5, latencyMs: 2.8, picks: picks(610), share: 1 - share },
    {
      ...READY,
      target,
      address: '127.0.0.1:27112',
      inFlight: 0,
      latencyMs: 61,
      ejected: true,
      ejectedFor: 'outlier',
      ejectedUntilMs,
      ejections: 3,
      picks: picks(90),
      share: 0,
    },
    { ...READY, target: prices, address: '10.20.0.17:443', inFlight: 11, latencyMs: 48, picks: picks(140), share: 0.66 },
    { ...READY, target: prices, address: '10.20.0.18:443', inFlight: 6, latencyMs: 71, picks: picks(70), share: 0.34 },
    {
      ...READY,
      target: prices,
      address: '[2001:db8:85a3::8a2e:370:7334]:443',
      ready: false,
      state: 'connecting',
      inFlight: 0,
      latencyMs: 0,
      picks: 0,
      share: 0,
    },
  ];
}

const EVENTS: readonly Pick<EventView, 'kind' | 'level' | 'subject' | 'text' | 'reason'>[] = [
  { kind: 'endpoint.added', level: 'info', subject: '10.20.0.18:443', text: 'is one of dns:///prices.internal:443 now' },
  {
    kind: 'endpoint.ejected',
    level: 'warn',
    subject: '127.0.0.1:27112',
    text: 'gets no calls for 15 s: it is an outlier',
    reason: 'outlier',
  },
  {
    kind: 'call.refused',
    level: 'warn',
    subject: 'pricing.v2.PriceBook/QuoteForRegion',
    text: 'was refused',
    reason: 'client.breaker/open',
  },
  { kind: 'breaker.state', level: 'warn', subject: 'pricing.v2.PriceBook/QuoteForRegion', text: 'closed → open' },
  { kind: 'endpoint.back', level: 'info', subject: '127.0.0.1:27112', text: 'gets calls again after 15 s' },
  {
    kind: 'mesh.said',
    level: 'info',
    subject: '',
    text: 'A lone call of accounts.v1.Sessions goes plain: its endpoint has not said that it takes batches.',
  },
];

/** Event number `seq`, one each three seconds. */
function eventView(seq: number, atMs: number): EventView {
  const shape = EVENTS[seq % EVENTS.length] ?? { kind: 'mesh.said', level: 'info', subject: '', text: '' };
  return { seq, atMs, times: shape.kind === 'call.refused' ? 1 + Math.floor(40 * noise(3, seq)) : 1, ...shape };
}

/** What the mesh shows at `atMs`. */
export function overviewFixture(atMs: number): OverviewView {
  const second = Math.floor(atMs / 1000);
  const newest = Math.floor((second % 100_000) / 3);
  const grown = (perSecond: number): number => Math.round(perSecond * (second % 100_000));
  return {
    atMs,
    process: { service: 'atlas-web', pid: 41_207, node: 'v24.21.0', inmesh: '0.1.0', uptimeMs: (second % 100_000) * 1000, draining: false },
    policy: { hash: '8f3a52c0d91be674', sinceMs: 0, reloads: 0, rejected: 0, pending: [] },
    methods: METHODS.map((shape, index) => methodView(shape, index, second)),
    endpoints: endpointViews(atMs, second),
    breakers: [
      { method: 'atlas.v1.Atlas/GetPlace', state: 'closed', opened: 0, refused: 0 },
      { method: 'pricing.v2.PriceBook/QuoteForRegion', state: 'open', opened: 4, refused: 1923 },
      { method: 'accounts.v1.Sessions/Touch', state: 'halfOpen', opened: 1, refused: 12 },
    ],
    limits: [
      { side: 'client', key: 'pricing.v2.PriceBook/QuoteForRegion', kind: 'bulkhead', limit: 32, inUse: 28, queued: 0, refused: 41 },
      { side: 'server', key: 'the whole server', kind: 'limit', limit: 120, inUse: 31, queued: 0, refused: 0 },
    ],
    budgets: [
      { service: 'atlas.v1.Atlas', balance: 87.4, max: 100 },
      { service: 'pricing.v2.PriceBook', balance: 9, max: 100 },
    ],
    batches: {
      client: {
        carriers: grown(52),
        items: grown(1210),
        tunnels: 4,
        sizes: { upTo: [1, 2, 4, 8, 16, 32, 64, 128], counts: [40, 210, 820, 1900, 3400, 2950, 610, 45] },
        waitMs: { p50: 0.21, p95: 1.4, p99: 3.9 },
        flushReasons: { lead: grown(0.7), tick: grown(31), answer: grown(17), full: grown(2.2), hold: grown(0.4) },
        bypassReasons: { alone: grown(2.4), 'no-peer': 12, key: 31 },
        turnedAway: 0,
        late: 3,
        ambiguous: 0,
      },
      server: { carriers: grown(3), tunnels: 2, items: grown(30) },
    },
    peers: [
      { peer: '10.1.4.20', calls: grown(18), callsPerSecond: 18.2 },
      { peer: '10.1.4.21', calls: grown(12), callsPerSecond: 11.9 },
    ],
    events: Array.from({ length: Math.min(100, newest) }, (_, index) => {
      const seq = newest - Math.min(100, newest) + 1 + index;
      return eventView(seq, (second - (newest - seq) * 3) * 1000);
    }),
  };
}

/** A page served over numbers of the test's own. */
export interface FixtureServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Sends an event to every page. */
  send(event: EventView): void;
  close(): Promise<void>;
}

/** Serves the page, what `overview` gives (nothing: no answer at all), and the events that are sent; on `port`, or any. */
export async function servePage(overview: () => OverviewView | undefined, port = 0): Promise<FixtureServer> {
  const streams = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    if (request.url === '/overview.json') {
      const view = overview();
      if (view === undefined) return;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(view));
    } else if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write('retry: 500\n\n');
      streams.add(response);
      response.once('close', () => streams.delete(response));
    } else if (request.url === '/') {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.setHeader('content-security-policy', contentPolicy(PAGE));
      response.end(PAGE);
    } else response.writeHead(404).end();
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
  };
  return {
    url: `http://127.0.0.1:${bound}/`,
    port: bound,
    send: (event) => {
      for (const stream of streams) stream.write(`event: event\ndata: ${JSON.stringify(event)}\n\n`);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
