/** A small mesh in trouble, always the same: what the commands draw. */
import type { CallView, EventView, MethodView, OverviewView } from '../../src/observe/views.ts';

/** 2026-11-23T12:34:56.789Z */
export const AT_MS = 1_795_437_296_789;

const NO_HISTORY = { calls: [], failed: [], attempts: [], p99Ms: [] };

/** A method with nothing remarkable about it. */
export function methodView(own: Partial<MethodView> & Pick<MethodView, 'method'>): MethodView {
  return {
    side: 'client',
    calls: 100,
    active: 1,
    failed: 0,
    refused: 0,
    attempts: 100,
    retries: 0,
    hedges: 0,
    byStatus: { OK: 100 },
    callsPerSecond: 10,
    attemptsPerSecond: 10,
    success: 1,
    attemptSuccess: 1,
    latencyMs: { p50: 1.2, p95: 3.4, p99: 5.6 },
    history: { ...NO_HISTORY, calls: [1, 2, 3, 4, 5, 6, 7, 8, 0, 8] },
    ...own,
  };
}

const READY = { state: 'READY', ready: true, inFlight: 2, ejected: false, ejections: 0, rebuilds: 0, dropShare: 0 };

/** A method whose name a peer chose. */
export const HOSTILE = 'evil.\u001b[2J\u202eService/\u009b31mBoo\nnewline';

export const EVENTS: readonly EventView[] = [
  {
    seq: 1,
    atMs: AT_MS - 9000,
    kind: 'endpoint.added',
    level: 'info',
    subject: '10.0.0.3:50051',
    text: '10.0.0.3:50051 is there',
    times: 1,
  },
  {
    seq: 2,
    atMs: AT_MS - 4000,
    kind: 'endpoint.ejected',
    level: 'warn',
    subject: '10.0.0.3:50051',
    reason: 'failures',
    text: 'five failures in a row',
    times: 1,
  },
  {
    seq: 3,
    atMs: AT_MS - 1000,
    kind: 'call.refused',
    level: 'warn',
    subject: 'shop.v1.Cart/PlaceOrder',
    reason: 'client.bulkhead/queue-full',
    text: 'refused \u001b]0;title\u0007',
    times: 41,
  },
];

export const OVERVIEW: OverviewView = {
  atMs: AT_MS,
  process: { service: 'checkout', pid: 4242, node: 'v24.21.0', inmesh: '0.1.0', uptimeMs: 3_723_000, draining: false },
  policy: { hash: '8f3a52c0d91be674', sinceMs: AT_MS, reloads: 0, rejected: 0, pending: [] },
  methods: [
    methodView({ method: 'shop.v1.Cart/GetItem', calls: 123_456, callsPerSecond: 412.4, attemptsPerSecond: 412.9, active: 12 }),
    methodView({
      method: 'shop.v1.Cart/PlaceOrder',
      success: 0.9631,
      attemptSuccess: 0.81,
      callsPerSecond: 8.1,
      attemptsPerSecond: 11.7,
      failed: 31,
      refused: 12,
      retries: 240,
      hedges: 3,
      byStatus: { OK: 800, UNAVAILABLE: 19, RESOURCE_EXHAUSTED: 12 },
      latencyMs: { p50: 41, p95: 340, p99: 1480 },
    }),
    methodView({
      method: 'a.very.long.package.name.for.a.service.v1alpha1.InventoryReservations/ReleaseExpired',
      callsPerSecond: 0.02,
      success: 0.99994,
    }),
    methodView({
      method: HOSTILE,
      side: 'server',
      callsPerSecond: 3,
      attemptsPerSecond: 0,
      latencyMs: { p50: 0.04, p95: 0.09, p99: 12_345 },
    }),
    methodView({ method: 'shop.v1.Stock/Idle', callsPerSecond: 0, attemptsPerSecond: 0, latencyMs: { p50: 0, p95: 0, p99: 0 } }),
  ],
  endpoints: [
    { ...READY, target: 'dns:///shop:50051', address: '10.0.0.1:50051', latencyMs: 1.1, picks: 60_000, share: 0.52 },
    { ...READY, target: 'dns:///shop:50051', address: '10.0.0.2:50051', latencyMs: 1.3, picks: 58_000, share: 0.479 },
    {
      ...READY,
      target: 'dns:///shop:50051',
      address: '10.0.0.3:50051',
      latencyMs: 812,
      picks: 900,
      share: 0.001,
      ejected: true,
      ejectedFor: 'failures',
      ejectedUntilMs: AT_MS + 17_400,
      ejections: 3,
    },
    {
      ...READY,
      target: 'dns:///stock:50051',
      address: '10.0.1.1:50051',
      state: 'CONNECTING',
      ready: false,
      latencyMs: 0,
      picks: 0,
      share: 0,
    },
  ],
  breakers: [
    { method: 'shop.v1.Cart/PlaceOrder', state: 'open', opened: 2, refused: 17 },
    { method: 'shop.v1.Cart/GetItem', state: 'closed', opened: 0, refused: 0 },
  ],
  limits: [{ side: 'client', key: 'shop.v1.Cart/PlaceOrder', kind: 'bulkhead', limit: 20, inUse: 20, queued: 7, refused: 12 }],
  budgets: [{ service: 'shop.v1.Cart', balance: 71.5, max: 100 }],
  batches: {
    client: {
      carriers: 3100,
      items: 24_800,
      tunnels: 2,
      sizes: { upTo: [1, 2, 4, 8], counts: [0, 100, 1000, 2000] },
      waitMs: { p50: 0.1, p95: 0.4, p99: 1.2 },
      flushReasons: { tick: 3000, full: 100 },
      bypassReasons: { alone: 40, 'no-peer': 2 },
      turnedAway: 0,
      late: 0,
      ambiguous: 0,
    },
    server: { carriers: 10, tunnels: 1, items: 80 },
  },
  peers: [{ peer: '10.9.0.4', calls: 300, callsPerSecond: 3 }],
  events: EVENTS,
};

const CALL: CallView = {
  side: 'client',
  method: 'shop.v1.Cart/GetItem',
  target: 'dns:///shop:50051',
  startedAtMs: AT_MS,
  durationMs: 1.234,
  status: 'OK',
  attempts: 1,
  hedges: 0,
  endpoints: ['10.0.0.1:50051'],
  queuedMs: 0,
  ride: 'plain',
};

export const CALLS: readonly CallView[] = [
  CALL,
  { ...CALL, ride: 'tunnel', durationMs: 0.8, queuedMs: 0.3 },
  {
    ...CALL,
    method: 'shop.v1.Cart/PlaceOrder',
    status: 'UNAVAILABLE',
    durationMs: 2003,
    attempts: 3,
    hedges: 1,
    endpoints: ['10.0.0.1:50051', '10.0.0.2:50051', '10.0.0.1:50051'],
    metadata: { 'x-tenant': ['blue\u001b[31m'] },
  },
  {
    ...CALL,
    method: 'shop.v1.Cart/PlaceOrder',
    status: 'RESOURCE_EXHAUSTED',
    durationMs: 0.05,
    attempts: 0,
    endpoints: [],
    reason: 'client.bulkhead/queue-full',
  },
  { ...CALL, side: 'server', method: HOSTILE, endpoints: ['10.9.0.4:39112'], target: '' },
];
