/**
 * Asks an admin server.
 *
 * @packageDocumentation
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Flag, text } from './args.ts';
import { CliError, Exit, usageError } from './exit.ts';
import type { Io } from './io.ts';

/** Where `mesh.admin.listen()` listens unless told otherwise. */
export const DEFAULT_URL = 'http://127.0.0.1:9902';

/** The flag `--url` of every command that asks a running process. */
export const urlFlag: Flag<string | undefined> = text(`address of the admin server [INMESH_URL, else ${DEFAULT_URL}]`, 'URL', 'u');

const ANSWER_TIMEOUT_MS = 5000;
/** Far above what a mesh with every list full has to show. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** One admin server. */
export class AdminClient {
  /** As it is shown: without a user's name and password. */
  readonly url: string;
  readonly #base: string;
  readonly #io: Io;

  /** @throws CliError when the address is none. */
  constructor(io: Io, given: string | undefined) {
    const address = given ?? (io.env['INMESH_URL'] || DEFAULT_URL);
    const full = /^[a-z]+:\/\//i.test(address) ? address : `http://${address}`;
    if (!URL.canParse(full) || !/^https?:$/.test(new URL(full).protocol))
      throw usageError(`--url: expected an http or https address, got ${JSON.stringify(address)}`, `such as ${DEFAULT_URL}`);
    const { origin, pathname } = new URL(full);
    this.#base = full.replace(/\/+$/, '');
    this.url = (origin + pathname).replace(/\/+$/, '');
    this.#io = io;
  }

  /** The JSON at a path. `is` tells whether it is what was asked for. @throws CliError with exit code 3, 2 for a refused question. */
  async json<T>(path: string, is: (value: unknown) => value is T): Promise<T> {
    const response = await this.open(path, ANSWER_TIMEOUT_MS);
    const body = await bodyOf(response);
    let value: unknown;
    try {
      value = JSON.parse(body);
    } catch {
      throw this.#notOurs();
    }
    if (!is(value)) throw this.#notOurs();
    return value;
  }

  /** Opens a path: an answer with status 200, its body not read yet. */
  async open(path: string, timeoutMs?: number): Promise<IncomingMessage> {
    const url = new URL(this.#base + path);
    const token = this.#io.env['INMESH_ADMIN_TOKEN'] ?? '';
    const headers = { accept: 'application/json, text/event-stream', ...(token === '' ? {} : { authorization: `Bearer ${token}` }) };
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent: ClientRequest = send(url, { headers, agent: false, signal: this.#io.signal }, resolve);
      sent.on('error', (error: NodeJS.ErrnoException) => reject(this.#unreachable(error)));
      if (timeoutMs !== undefined)
        sent.setTimeout(timeoutMs, () =>
          sent.destroy(new CliError(Exit.unreachable, `${this.url} did not answer within ${timeoutMs / 1000} s`)),
        );
      sent.end();
    });
    if (response.statusCode !== 200) throw await this.#refused(response);
    return response;
  }

  #unreachable(error: NodeJS.ErrnoException): CliError {
    if (error instanceof CliError) return error;
    return new CliError(
      Exit.unreachable,
      `nobody answers at ${this.url} (${error.code ?? error.message})`,
      'Does the process run, and does it call mesh.admin.listen()? Another address: --url. Something to look at: inmesh demo',
    );
  }

  #notOurs(): CliError {
    return new CliError(Exit.unreachable, `${this.url} answers, but not as an admin server of inmesh`, 'Is the address right? --url');
  }

  async #refused(response: IncomingMessage): Promise<CliError> {
    const said = messageIn(await bodyOf(response).catch(() => ''));
    const status = response.statusCode ?? 0;
    if (said === undefined) return this.#notOurs();
    const hint = status === 401 || status === 403 ? 'a token is read from INMESH_ADMIN_TOKEN' : undefined;
    return new CliError(status === 400 || status === 404 ? Exit.usage : Exit.unreachable, `${this.url}: ${said}`, hint);
  }
}

/** The message of `{ error: { code, message } }`. */
function messageIn(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body);
    if (!isRecord(value) || !isRecord(value['error'])) return undefined;
    const { message } = value['error'];
    return typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > MAX_ANSWER_BYTES) throw new CliError(Exit.unreachable, `an answer of more than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(bytes);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(Exit.unreachable, `the answer broke off (${error instanceof Error ? error.message : 'unreadable'})`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** An object, of which nothing else is known. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
