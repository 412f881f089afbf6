/**
 * An admin server over a mesh that is made up, and somebody who asks it anything in any form.
 */
import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';
import { type AdminOptions, resolveAdminOptions } from '../../src/admin/options.ts';
import { type AdminServer, openAdminServer } from '../../src/admin/server.ts';
import type { AdminSource, MeshState } from '../../src/admin/source.ts';
import type { BreakerHandle } from '../../src/breaker/breakers.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { TargetState } from '../../src/grpc/target-states.ts';
import { createMesh } from '../../src/mesh.ts';
import { EventLog } from '../../src/observe/event-log.ts';
import { CallStory } from '../../src/observe/story.ts';
import { Taps } from '../../src/observe/taps.ts';
import type { CallView } from '../../src/observe/views.ts';
import { explain } from '../../src/policy/explain.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { PolicyTable } from '../../src/policy/resolve.ts';
import { overviewFixture } from '../support/overview-fixture.ts';

export const TOKEN = 'a-token-that-nobody-knows';

/** What a test may do with the mesh behind the server. */
export interface FakeMesh extends AdminSource {
  readonly events: EventLog;
  readonly taps: Taps;
  /** Set by a test. */
  now: MeshState;
  known: TargetState[];
  /** Ends a call. */
  call(view?: Partial<CallView>): void;
}

export function fakeMesh(clock: Clock = systemClock): FakeMesh {
  const mesh = createMesh();
  const policy = parsePolicy({ defaults: { timeout: '2s' }, methods: { 'a.B/C': { breaker: {} } } });
  const taps = new Taps(clock);
  const fake: FakeMesh = {
    policy,
    events: new EventLog(clock),
    taps,
    now: 'open',
    known: [],
    state: () => fake.now,
    targets: () => fake.known,
    overview: () => overviewFixture(1_700_000_000_000),
    stats: () => mesh.stats(),
    explain: (method) => explain(new PolicyTable(policy), method),
    drain: () => {
      fake.now = 'draining';
    },
    breaker: (method): BreakerHandle => mesh.breaker(method),
    call: ({ side = 'client', method = 'a.B/C', status = 'OK', durationMs = 1 } = {}) => {
      const story = new CallStory(side, `/${method}`, 'dns:///b');
      story.code = status === 'OK' ? 0 : 14;
      const facts = { startedAtMs: 0, attempts: 1, hedges: 0, endpoints: [], queuedMs: 0, ride: 'plain' } as const;
      taps.offer(story, durationMs, () => ({ side, method, target: 'dns:///b', durationMs, status, ...facts }));
    },
  };
  return fake;
}

/** Listens at any port until the test is over. */
export async function open(options: AdminOptions = {}, mesh: AdminSource = fakeMesh(), clock: Clock = systemClock): Promise<AdminServer> {
  const server = await openAdminServer(mesh, resolveAdminOptions({ port: 0, ...options }, {}), clock);
  onTestFinished(() => server.close());
  return server;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Of JSON. */
  readonly value: unknown;
}

/** Sends a request in which everything may be wrong, and waits for the whole answer. */
export async function ask(server: Pick<AdminServer, 'url'>, path: string, asked: Asked = {}): Promise<Answered> {
  const { response } = await begin(server, path, asked);
  let text = '';
  for await (const chunk of response) text += chunk;
  const { statusCode = 0, headers } = response;
  return { status: statusCode, headers, text, value: /json/.test(headers['content-type'] ?? '') ? JSON.parse(text || 'null') : undefined };
}

/** The same, and gives the answer while it comes. */
export function begin(
  { url }: Pick<AdminServer, 'url'>,
  path: string,
  { method = 'GET', headers = {} }: Asked = {},
): Promise<{ readonly response: IncomingMessage; readonly request: ClientRequest }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const request = httpRequest({ host: hostname.replace(/^\[|\]$/g, ''), port, path, method, headers, agent: false });
    request.on('response', (response) => resolve({ response, request }));
    request.on('error', reject);
    request.end();
    onTestFinished(() => void request.destroy());
  });
}

/** Bearer. */
export const shows = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** Reads a stream until its text has what is waited for. */
export async function readUntil(response: IncomingMessage, wanted: RegExp): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += chunk;
    if (wanted.test(text)) return text;
  }
  throw new Error(`the stream ended before ${wanted}: ${text}`);
}
