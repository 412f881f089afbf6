/** An OTLP/HTTP endpoint that keeps the spans and metrics it is sent, whoever sends them: protobuf, plain or gzip. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { decodeMetrics, LatestPoints } from './otlp-metrics.ts';
import { attributesOf, bytesOf, type Fields, fieldsOf, hexOf, integerOf, messages, type SunkAttributes, textOf } from './otlp-wire.ts';

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
  readonly attributes: SunkAttributes;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly error: boolean;
}

export interface Sink {
  readonly url: string;
  /** All spans so far, unless they are handed on. */
  readonly spans: readonly SunkSpan[];
  readonly metrics: LatestPoints;
  close(): Promise<void>;
}

/** `onSpans`: takes the spans instead of keeping them here. */
export async function startSink(onSpans?: (spans: readonly SunkSpan[]) => void): Promise<Sink> {
  const spans: SunkSpan[] = [];
  const metrics = new LatestPoints();
  const take = onSpans ?? ((some: readonly SunkSpan[]) => spans.push(...some));
  const server = createServer((request, response) => {
    bodyOf(request)
      .then((body) => {
        if (request.url?.endsWith('/v1/metrics')) metrics.add(decodeMetrics(body));
        else take(decodeTraces(body));
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
  return { url: `http://127.0.0.1:${port}`, spans, metrics, close };
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
}

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
    kind: KINDS[Number(integerOf(span, 6))] ?? 'other',
    startNs: integerOf(span, 7),
    endNs: integerOf(span, 8),
    attributes: attributesOf(span, 9),
    links: messages(span, 13).map((link) => ({ traceId: hexOf(link, 1), spanId: hexOf(link, 2) })),
    error: integerOf(fieldsOf(bytesOf(span, 15)), 3) === 2n,
  };
}
