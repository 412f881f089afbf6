/**
 * Asks a gRPC server whether it is there, whether it is well, and what it serves.
 *
 * Source: grpc.health.v1 and grpc.reflection.v1 (and v1alpha), whose few messages are read and written by hand.
 *
 * @packageDocumentation
 */
import { readFileSync } from 'node:fs';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { Reader } from '../batch/wire.ts';
import { codeName } from '../call.ts';
import { type Checked, inGroup } from './check-types.ts';
import { usageError } from './exit.ts';
import type { Io } from './io.ts';

/** How to connect. */
export interface ProbeOptions {
  readonly tls: boolean;
  /** PEM file with the root certificates. */
  readonly ca: string | undefined;
  readonly timeoutMs: number;
}

const HEALTH = '/grpc.health.v1.Health/Check';
const REFLECTION: readonly string[] = [
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
];
const SERVING = 1;
const HEALTH_NAMES: readonly string[] = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const MAX_NAMED = 4;

const asIs = (bytes: Buffer): Buffer => bytes;

/** Credentials as the flags have them. @throws CliError when the file of root certificates can't be read. */
export function clientCredentials({ tls, ca }: Pick<ProbeOptions, 'tls' | 'ca'>): ReturnType<typeof credentials.createInsecure> {
  if (!tls && ca === undefined) return credentials.createInsecure();
  if (ca === undefined) return credentials.createSsl();
  try {
    return credentials.createSsl(readFileSync(ca));
  } catch {
    throw usageError(`--ca ${ca}: cannot be read, or has no certificates`);
  }
}

/** What is found out of one target. */
export async function checkTarget(io: Io, target: string, options: ProbeOptions): Promise<Checked[]> {
  const fact = inGroup(`target ${target}`);
  const client = new Client(target, clientCredentials(options));
  try {
    const deadline = (): number => io.clock.wallMs() + options.timeoutMs;
    const problem = await new Promise<Error | undefined>((resolve) => client.waitForReady(deadline(), resolve));
    if (problem !== undefined) {
      const hint = options.tls
        ? 'Does it run? Does it speak TLS, with a certificate for this name?'
        : 'Does it run? Does it want TLS (--tls)?';
      return [fact('fail', 'connection', `not within ${options.timeoutMs / 1000} s`, hint)];
    }
    const facts = [fact('ok', 'connection', 'ready')];
    facts.push(healthFact(await unary(client, HEALTH, deadline()), fact));
    facts.push(await reflectionFact(client, deadline, fact));
    return facts;
  } finally {
    client.close();
  }
}

type Answer = { readonly bytes: Buffer; readonly error?: never } | { readonly error: ServiceError; readonly bytes?: never };
type Fact = ReturnType<typeof inGroup>;

function unary(client: Client, path: string, deadline: number): Promise<Answer> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), { deadline }, (error, bytes) =>
      resolve(error === null ? { bytes: bytes ?? Buffer.alloc(0) } : { error }),
    );
  });
}

function healthFact({ error, bytes }: Answer, fact: Fact): Checked {
  if (error !== undefined) {
    if (error.code === status.UNIMPLEMENTED) return fact('skip', 'health', 'no grpc.health.v1.Health there');
    return fact('warn', 'health', `asking failed with ${codeName(error.code)}`);
  }
  const reader = new Reader(bytes);
  let state = 0;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === 8) state = reader.varint();
    else reader.skip(tag % 8);
  }
  const name = HEALTH_NAMES[state] ?? String(state);
  return state === SERVING ? fact('ok', 'health', name) : fact('fail', 'health', name, 'The server says that it should have no calls');
}

async function reflectionFact(client: Client, deadline: () => number, fact: Fact): Promise<Checked> {
  for (const path of REFLECTION) {
    const { error, bytes } = await listServices(client, path, deadline());
    if (error?.code === status.UNIMPLEMENTED) continue;
    if (error !== undefined) return fact('warn', 'reflection', `asking failed with ${codeName(error.code)}`);
    const names = servicesIn(bytes);
    const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
    return fact(
      'ok',
      'reflection',
      names.length === 0 ? 'there, and it names no service' : `${names.slice(0, MAX_NAMED).join(', ')}${more}`,
    );
  }
  return fact('skip', 'reflection', 'not there');
}

/** One question on the stream: `ServerReflectionRequest { list_services: "" }`. */
function listServices(client: Client, path: string, deadline: number): Promise<Answer> {
  return new Promise((resolve) => {
    const call = client.makeBidiStreamRequest(path, asIs, asIs, { deadline });
    call.on('data', (bytes: Buffer) => {
      resolve({ bytes });
      call.cancel();
    });
    call.on('error', (error: ServiceError) => resolve({ error }));
    call.on('end', () => resolve({ bytes: Buffer.alloc(0) }));
    call.write(Buffer.from([0x3a, 0]));
    call.end();
  });
}

/** `ServerReflectionResponse.list_services_response.service[].name`: fields 6, 1, 1. */
function servicesIn(bytes: Buffer): string[] {
  return nested(bytes, 6)
    .flatMap((list) => nested(list, 1))
    .flatMap((service) => nested(service, 1))
    .map((name) => name.toString('utf8'))
    .filter((name) => !/^grpc\.reflection\./.test(name));
}

function nested(bytes: Buffer, field: number): Buffer[] {
  const found: Buffer[] = [];
  const reader = new Reader(bytes);
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === field * 8 + 2) found.push(reader.bytes());
    else reader.skip(tag % 8);
  }
  return found;
}
