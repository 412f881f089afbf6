/** An OTLP/HTTP endpoint that keeps the spans it is sent, whoever sends them: protobuf, plain or gzip. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { BinaryReader } from '@bufbuild/protobuf/wire';

/** A span as it came over the wire. Ids are hex. */
export interface SunkSpan {
  readonly service: string;
  readonly scope: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'other';
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly error: boolean;
}

export interface Sink {
  readonly url: string;
  readonly spans: readonly SunkSpan[];
  close(): Promise<void>;
}

export async function startSink(): Promise<Sink> {
  const spans: SunkSpan[] = [];
  const server = createServer((request, response) => {
    bodyOf(request)
      .then((body) => {
        spans.push(...decodeTraces(body));
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      })
      .catch((error: unknown) => response.writeHead(400).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, spans, close };
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
}

type Fields = ReadonlyMap<number, readonly unknown[]>;

/** One message, field by field: bytes, bigint (varint and fixed64) or number (fixed32). */
function fieldsOf(bytes: unknown): Fields {
  const fields = new Map<number, unknown[]>();
  const reader = new BinaryReader(bytes instanceof Uint8Array ? bytes : new Uint8Array());
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    const values = fields.get(field) ?? [];
    fields.set(field, values);
    if (wire === 0) values.push(reader.uint64());
    else if (wire === 1) values.push(reader.fixed64());
    else if (wire === 2) values.push(reader.bytes());
    else values.push(reader.fixed32());
  }
  return fields;
}

const bytesOf = (fields: Fields, field: number): Uint8Array => (fields.get(field)?.[0] as Uint8Array | undefined) ?? new Uint8Array();
const textOf = (fields: Fields, field: number): string => Buffer.from(bytesOf(fields, field)).toString();
const hexOf = (fields: Fields, field: number): string => Buffer.from(bytesOf(fields, field)).toString('hex');
const numberOf = (fields: Fields, field: number): bigint => BigInt((fields.get(field)?.[0] as bigint | string | undefined) ?? 0);
const messages = (fields: Fields, field: number): Fields[] => (fields.get(field) ?? []).map(fieldsOf);

// Field numbers of opentelemetry/proto/{trace,common,resource}/v1.
function decodeTraces(body: Uint8Array): SunkSpan[] {
  return messages(fieldsOf(body), 1).flatMap((resourceSpans) => {
    const resource = fieldsOf(bytesOf(resourceSpans, 1));
    const service = String(attributesOf(resource, 1)['service.name']);
    return messages(resourceSpans, 2).flatMap((scopeSpans) => {
      const scope = textOf(fieldsOf(bytesOf(scopeSpans, 1)), 1);
      return messages(scopeSpans, 2).map((span) => decodeSpan(span, service, scope));
    });
  });
}

const KINDS = ['other', 'internal', 'server', 'client'] as const;

function decodeSpan(span: Fields, service: string, scope: string): SunkSpan {
  return {
    service,
    scope,
    traceId: hexOf(span, 1),
    spanId: hexOf(span, 2),
    parentSpanId: hexOf(span, 4),
    name: textOf(span, 5),
    kind: KINDS[Number(numberOf(span, 6))] ?? 'other',
    startNs: numberOf(span, 7),
    endNs: numberOf(span, 8),
    attributes: attributesOf(span, 9),
    links: messages(span, 13).map((link) => ({ traceId: hexOf(link, 1), spanId: hexOf(link, 2) })),
    error: numberOf(fieldsOf(bytesOf(span, 15)), 3) === 2n,
  };
}

function attributesOf(fields: Fields, field: number): Record<string, unknown> {
  return Object.fromEntries(messages(fields, field).map((pair) => [textOf(pair, 1), anyValueOf(fieldsOf(bytesOf(pair, 2)))]));
}

function anyValueOf(value: Fields): unknown {
  if (value.has(1)) return textOf(value, 1);
  if (value.has(2)) return numberOf(value, 2) === 1n;
  if (value.has(3)) return Number(numberOf(value, 3));
  return undefined;
}
