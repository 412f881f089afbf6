/**
 * A request to the admin server, from its headers to its answer.
 *
 * @packageDocumentation
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConfigError } from '../errors.ts';
import { nearest } from '../input/nearest.ts';
import { quote } from '../input/show.ts';
import type { Guard } from './guard.ts';
import { contentPolicy, setHeaders } from './headers.ts';
import { HttpError } from './http-error.ts';
import { Question } from './question.ts';
import { type Answer, ROUTES, type Route, routeList } from './routes.ts';
import type { AdminSource } from './source.ts';
import { CONTENT_TYPES, type Streams } from './streams.ts';
import { plain } from './text.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** What answers need. */
export interface HandlerParts {
  readonly source: AdminSource;
  readonly guard: Guard;
  readonly streams: Streams;
  /** The live page. */
  readonly page: string;
}

/** Answers requests. Whatever comes in, one answer goes out. */
export class Handler {
  readonly #parts: HandlerParts;
  readonly #pagePolicy: string;

  constructor(parts: HandlerParts) {
    this.#parts = parts;
    this.#pagePolicy = contentPolicy(parts.page);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    setHeaders(response);
    try {
      this.#send(this.#ask(request), request, response);
    } catch (error) {
      fail(response, error);
    }
  }

  #ask(request: IncomingMessage): Answer {
    const { guard, source } = this.#parts;
    guard.checkHost(request);
    guard.checkOrigin(request);
    const [path, query] = split(request.url ?? '');
    const route = routeFor(request.method ?? '', path);
    guard.check(request, route.access);
    const question = new Question(query, route.query);
    return route.answer(source, question, { trusted: guard.mayRead(request), lastEventId: lastEventId(request) });
  }

  #send(answer: Answer, request: IncomingMessage, response: ServerResponse): void {
    switch (answer.kind) {
      case 'json':
        write(response, answer.status ?? 200, JSON_TYPE, `${JSON.stringify(answer.value)}\n`);
        break;
      case 'text':
        write(response, answer.status ?? 200, answer.type ?? TEXT_TYPE, answer.text);
        break;
      case 'page':
        this.#sendPage(request, response);
        break;
      case 'stream':
        this.#parts.streams.checkRoom();
        response.writeHead(200, { 'content-type': CONTENT_TYPES[answer.format], 'x-accel-buffering': 'no' });
        if (request.method === 'HEAD') response.end();
        else this.#parts.streams.open(response, answer.format, answer.tell);
    }
  }

  #sendPage({ headers: { accept = '' } }: IncomingMessage, response: ServerResponse): void {
    response.setHeader('vary', 'accept');
    if (accept.includes('application/json') && !accept.includes('text/html')) {
      write(response, 200, JSON_TYPE, `${JSON.stringify({ routes: routeList() })}\n`);
      return;
    }
    response.setHeader('content-security-policy', this.#pagePolicy);
    write(response, 200, 'text/html; charset=utf-8', this.#parts.page);
  }
}

/** The path as it was sent, and the query. A URL would have its own ideas of what `//host` means. */
function split(url: string): readonly [path: string, query: string] {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}

function routeFor(method: string, path: string): Route {
  const here = ROUTES.filter((route) => route.path === path);
  const found = here.find((route) => route.method === (method === 'HEAD' ? 'GET' : method));
  if (found !== undefined) return found;
  const [other] = here;
  if (other !== undefined) {
    const allow = other.method === 'GET' ? 'GET, HEAD' : other.method;
    throw new HttpError('METHOD_NOT_ALLOWED', `${path} is asked with ${other.method}`, { allow });
  }
  const paths = ROUTES.map((route) => route.path);
  const meant = nearest(path, paths);
  throw new HttpError(
    'NOT_FOUND',
    `no route ${quote(path)}; ${meant === undefined ? `routes: ${paths.join(' ')}` : `did you mean ${meant}?`}`,
  );
}

function lastEventId({ headers }: IncomingMessage): number {
  const id = headers['last-event-id'];
  return typeof id === 'string' && /^\d{1,15}$/.test(id) ? Number(id) : 0;
}

function write(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function fail(response: ServerResponse, error: unknown): void {
  const told =
    error instanceof HttpError
      ? error
      : error instanceof ConfigError
        ? new HttpError('BAD_REQUEST', plain(error.message))
        : new HttpError('INTERNAL', plain(error instanceof Error ? error.message : 'something went wrong'));
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(told.headers)) if (value !== undefined) response.setHeader(name, value);
  write(response, told.status, 'application/json; charset=utf-8', `${JSON.stringify(told)}\n`);
}
