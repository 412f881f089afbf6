/**
 * A server with a policy, asked for its verdict in every form: a call of its own, a stream, an item of a batch.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChannelCredentials, type Metadata, ServerCredentials } from '@grpc/grpc-js';
import { expect, onTestFinished } from 'vitest';
import type { AuthorizationPolicy } from '../../src/auth/policy.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer, type MeshServerOptions } from '../../src/mesh-server.ts';
import type { MeshDependencies } from '../../src/mesh-types.ts';
import { type Form, openTunnel } from '../grpc/pair.ts';
import { type Certificates, type KeyPair, makeCertificates } from '../support/certificates.ts';
import { type Door, EchoClient, metadataOf, type Outcome, type RunningServer, serve } from '../support/loopback.ts';
import type { How } from './a43-cases.ts';

let made: Certificates | undefined;
export function certificates(): Certificates {
  made ??= makeCertificates();
  return made;
}

const pair = ({ key, cert }: KeyPair): { private_key: Buffer; cert_chain: Buffer } => ({ private_key: key, cert_chain: cert });

export function serverCredentials(how: How): ServerCredentials {
  const { ca, server } = certificates();
  if (how === 'plaintext') return ServerCredentials.createInsecure();
  return how === 'TLS' ? ServerCredentials.createSsl(null, [pair(server)]) : ServerCredentials.createSsl(ca, [pair(server)], true);
}

export function clientCredentials(how: How, client: KeyPair = certificates().client): ChannelCredentials {
  if (how === 'plaintext') return ChannelCredentials.createInsecure();
  const { ca } = certificates();
  return how === 'TLS' ? ChannelCredentials.createSsl(ca) : ChannelCredentials.createSsl(ca, client.key, client.cert);
}

/** A file of its own with this text, gone after the test. */
export function policyFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'inmesh-a43-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'policy.json');
  writeFileSync(file, text);
  return file;
}

/** A mesh with this policy, in a file. It is closed after the test. */
export function guarded(policy: AuthorizationPolicy | object, dependencies: MeshDependencies = {}): Mesh {
  const mesh = createMesh({ server: { authorization: { file: policyFile(JSON.stringify(policy)) } } }, dependencies);
  onTestFinished(() => mesh.close());
  return mesh;
}

export interface Stand {
  readonly options: MeshServerOptions;
  readonly how?: How;
  readonly client?: KeyPair;
}

/** A server of ours, running. */
export async function stand({ options, how = 'plaintext' }: Stand): Promise<RunningServer> {
  const running = await serve({ server: new MeshServer(options), credentials: serverCredentials(how) });
  onTestFinished(() => running.kill());
  return running;
}

/** What the caller sees of a verdict. */
export const verdict = ({ code, details, text, trailers }: Outcome): object => ({
  code,
  details,
  text,
  reason: trailers['inmesh-reason'],
});

export const DENIED: object = {
  code: 'PERMISSION_DENIED',
  details: 'inmesh: unauthorized request rejected',
  text: undefined,
  reason: ['server.authorization/denied'],
};
export const PASSED: object = { code: 'OK', details: 'OK', text: 'say subject', reason: undefined };

/** Metadata of a call. */
export const sent = (values: Readonly<Record<string, string>> = {}): Metadata => metadataOf(values);

/** Call and stream of a client that knows nothing of us; `calls`: how many calls, all alike. */
export async function askDirect(
  running: RunningServer,
  { how = 'plaintext', client: key }: Pick<Stand, 'how' | 'client'>,
  values?: Readonly<Record<string, string>>,
  calls = 1,
): Promise<{ unary: object; stream: string }> {
  using client = new EchoClient({ address: running.address, credentials: clientCredentials(how, key) });
  const unary = verdict(await client.say('subject', { metadata: sent(values) }));
  for (let i = 1; i < calls; i++) expect(verdict(await client.say('subject', { metadata: sent(values) }))).toEqual(unary);
  const stream = await new Promise<string>((resolve) => {
    const call = client.stub.collect(sent(values), {}, (error) => resolve(error === null ? 'OK' : `${error.code}: ${error.details}`));
    call.on('error', () => undefined);
    call.write({ text: 'hi' });
    call.end();
  });
  return { unary, stream };
}

/** How two calls travel together. */
export interface AskItems extends Pick<Stand, 'how' | 'client'> {
  /** Default: channel. */
  readonly door?: Door;
  /** Default: envelope. */
  readonly form?: Form;
}

/** Every form that an item has. */
export const ITEMS: readonly AskItems[] = [
  { door: 'channel', form: 'envelope' },
  { door: 'interceptors', form: 'envelope' },
  { door: 'channel', form: 'tunnel' },
];

/**
 * The same call as an item, beside one without its metadata: in one batch if `itemMetadata` says that they may differ.
 * The second verdict is that of the other.
 */
export async function askAsItems(
  running: RunningServer,
  { how = 'plaintext', client: key, door = 'channel', form = 'envelope' }: AskItems,
  values: Readonly<Record<string, string>> = {},
  other: Readonly<Record<string, string>> = {},
): Promise<object[]> {
  const mesh = createMesh({ coalesce: { mode: 'auto', carrier: form, itemMetadata: ['key-abc', 'key-xyz', 'key-bin'] } });
  using client = new EchoClient({ address: running.address, mesh, door, credentials: clientCredentials(how, key) });
  await client.learn();
  if (form === 'tunnel') await openTunnel(mesh, client);
  const before = mesh.stats().coalesce.tunnels.items;
  const outcomes = await Promise.all([values, other].map((one) => client.say('subject', { metadata: sent(one) })));
  if (form === 'tunnel') expect(mesh.stats().coalesce.tunnels.items).toBe(before + 2);
  else expect(mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 2 });
  await mesh.close();
  return outcomes.map(verdict);
}
