/** Commands run in this process, against an admin server that says what a test wants. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import type { Io, Screen } from '../../src/cli/io.ts';
import { run } from '../../src/cli/run.ts';
import { plainStyle } from '../../src/cli/style.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { CALLS, EVENTS, OVERVIEW } from './overview.ts';

export interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly width?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly clock?: Clock;
  readonly screen?: Screen;
  readonly style?: Io['style'];
  readonly signal?: AbortSignal;
  readonly onOut?: (text: string) => void;
}

/** Runs a command line. */
export async function inmesh(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const { width = 80, env = {}, cwd = process.cwd(), clock = systemClock, style = plainStyle, screen } = options;
  const io: Io = {
    out(text) {
      out += text;
      options.onOut?.(text);
    },
    err(text) {
      err += text;
    },
    screen,
    width,
    style,
    env,
    cwd,
    clock,
    signal: options.signal ?? new AbortController().signal,
  };
  const exit = await run(argv, io);
  return { exit, out, err };
}

/** An admin server of a test. */
export interface FakeAdmin {
  readonly url: string;
  /** Paths that were asked, with their queries, and the tokens that came with them. */
  readonly asked: string[];
  readonly tokens: (string | undefined)[];
  close(): Promise<void>;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export const sendJson =
  (value: unknown, status = 200): Answer =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };

/** Server-sent events; the stream stays open unless it is told to end. */
export const sendEvents =
  (event: string, values: readonly unknown[], end = false): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('retry: 1000\n\n:heartbeat\n\n');
    for (const value of values) response.write(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`);
    if (end) response.end();
  };

const DEFAULTS: Readonly<Record<string, Answer>> = {
  '/overview.json': sendJson(OVERVIEW),
  '/metrics.json': sendJson({
    coalesce: {
      partitions: [
        { method: '/shop.v1.Cart/GetItem', waiting: 0, carriers: 100, items: 900, meanSize: 9 },
        { method: '/shop.v1.Cart/GetItem', waiting: 0, carriers: 100, items: 500, meanSize: 5 },
        { method: '/shop.v1.Cart/PlaceOrder', waiting: 0, carriers: 0, items: 0, meanSize: 0 },
      ],
    },
  }),
  '/events.json': sendJson(EVENTS),
  '/tap': sendEvents('call', CALLS),
};

/** Serves the overview of this folder; `answers` by path come first. */
export async function fakeAdmin(answers: Readonly<Record<string, Answer>> = {}): Promise<FakeAdmin> {
  const asked: string[] = [];
  const tokens: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    asked.push(url);
    tokens.push(request.headers.authorization);
    const path = url.replace(/\?.*/, '');
    const answer = answers[path] ?? DEFAULTS[path] ?? sendJson({ error: { code: 'NOT_FOUND', message: `no ${path} here` } }, 404);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    tokens,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Compares with a file in `golden/`. */
export async function expectGolden(name: string, text: string): Promise<void> {
  await expect(text).toMatchFileSnapshot(`golden/${name}`);
}
