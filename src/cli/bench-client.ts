/**
 * The client of `bench`: one method, its request made once.
 *
 * @packageDocumentation
 */
import { Client } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Mesh } from '../mesh.ts';
import { CliError, Exit, usageError } from './exit.ts';
import { isRecord } from './http.ts';
import type { Io } from './io.ts';
import type { SendOne } from './load.ts';
import { loadProtos } from './policy-source.ts';
import { clientCredentials } from './probe.ts';

/** What is to be called, and how. */
export interface MethodOptions {
  readonly target: string;
  /** `pkg.Service/Method`. */
  readonly method: string;
  readonly protos: readonly string[];
  readonly data: string;
  readonly tls: boolean;
  readonly ca: string | undefined;
  readonly deadlineMs: number;
  readonly mesh: Mesh | undefined;
}

const CONNECT_MS = 5000;
const asIs = (bytes: Buffer): Buffer => bytes;

/** Connects. @throws CliError with exit code 2 for a request that can't be made, 3 for a server that is not there. */
export async function openMethod(io: Io, options: MethodOptions): Promise<{ readonly send: SendOne; close(): void }> {
  const { target, method, deadlineMs, mesh } = options;
  const request = await requestBytes(io, options);
  const client = new Client(target, clientCredentials(options), mesh?.client() ?? {});
  const problem = await new Promise<Error | undefined>((resolve) => client.waitForReady(io.clock.wallMs() + CONNECT_MS, resolve));
  if (problem !== undefined) {
    client.close();
    throw new CliError(Exit.unreachable, `${target} is not ready within ${CONNECT_MS / 1000} s`, 'Does it run? Does it want TLS (--tls)?');
  }
  return {
    send: () =>
      new Promise((resolve) => {
        client.makeUnaryRequest(`/${method}`, asIs, asIs, request, { deadline: io.clock.wallMs() + deadlineMs }, (error) =>
          resolve(error === null ? Code.OK : error.code),
        );
      }),
    close: () => client.close(),
  };
}

async function requestBytes(io: Io, { protos, method, data }: MethodOptions): Promise<Buffer> {
  if (protos.length === 0) return Buffer.alloc(0);
  const [service = '', name = ''] = method.split('/');
  const loaded = await loadProtos(io, protos);
  const methods = loaded[service];
  const found = isRecord(methods) ? Object.values(methods).find((one) => isRecord(one) && one['path'] === `/${method}`) : undefined;
  if (!isRecord(found)) throw usageError(`the .proto files have no method ${service}/${name}`, 'inmesh lint tells near names');
  if (found['requestStream'] === true || found['responseStream'] === true) throw usageError(`${method} streams; bench calls unary methods`);
  const serialize: unknown = found['requestSerialize'];
  if (typeof serialize !== 'function') throw usageError(`${method} can't be written`);
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (error) {
    throw usageError(`--data is no JSON: ${error instanceof Error ? error.message : ''}`);
  }
  const bytes: unknown = Reflect.apply(serialize, undefined, [value]);
  return bytes instanceof Uint8Array ? Buffer.from(bytes) : Buffer.alloc(0);
}
