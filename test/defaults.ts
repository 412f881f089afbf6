/**
 * What `createMesh()` without a policy changes, and what it leaves: the table that README shows. A test runs each row, and one
 * compares it with README.
 */

/** One row: what, what bare grpc-js does, what `createMesh()` does. */
export interface DefaultRow {
  readonly what: string;
  readonly bare: string;
  readonly mesh: string;
}

export const defaultRows: readonly DefaultRow[] = [
  {
    what: 'Telemetry',
    bare: 'none',
    mesh: 'on: a span and a duration for each call, through the OpenTelemetry API; nothing without an SDK',
  },
  {
    what: 'Deadlines',
    bare: 'only with `parent:`',
    mesh: 'handed on from a served call to the calls its handler makes; late calls are refused; none is invented',
  },
  {
    what: 'Resets',
    bare: 'of every call that is cancelled or late',
    mesh: 'of cancelled calls 500 at once and 16 a second for each endpoint, what Node servers bear; late calls are left to their server',
  },
  {
    what: 'Retries',
    bare: 'only what was never sent',
    mesh: 'up to 3 attempts, only for calls that provably never ran or are marked idempotent; at most 20 % of the calls and 10 a second',
  },
  {
    what: 'Balancing',
    bare: 'the first address that answers (`pick_first`)',
    mesh: 'the better of two by latency and load (P2C, peak EWMA), so it connects to every address; a policy in your service config stays',
  },
  {
    what: 'Endpoints',
    bare: 'a name is resolved again when a connection is lost; a peer that takes connections and is silent is waited for without end',
    mesh: 'names are resolved again every 1.5 s while there are calls; a connection has 5 s to be ready, and one that falls silent is rebuilt',
  },
  {
    what: 'Outliers',
    bare: 'none',
    mesh: 'an endpoint that fails five times in a row or falls silent gets no calls but probes, while half are left',
  },
  { what: 'Bulkheads', bare: 'none', mesh: 'off until policy sets slots' },
  { what: 'Coalescing', bare: 'none', mesh: 'off until policy says `coalesce`; a `MeshServer` serves batches of those who ask' },
  { what: 'Service config from DNS TXT', bare: 'used', mesh: 'ignored unless `grpc.service_config_disable_resolution` is 0' },
];
