/**
 * Zipkin as a viewer for `npm run demo:otel`: its own server from Maven, kept in node_modules/.cache, on 127.0.0.1, in memory.
 * The collector of the core build has no exporter for it, so what came through the collector is put in Zipkin's format here.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SunkSpan } from '../test/support/otlp-sink.ts';
import { ROOT } from './process.ts';

const VERSION = '3.6.1';
const CACHE = `${ROOT}node_modules/.cache/inmesh`;
const JAR = `${CACHE}/zipkin-server-${VERSION}-exec.jar`;
const START_MS = 120_000;
const MOST_SPANS_AT_ONCE = 500;

/** A viewer that runs. */
export interface Zipkin {
  readonly name: string;
  /** Its page. */
  readonly url: string;
  /** Shows these spans. */
  send(spans: readonly SunkSpan[]): Promise<void>;
  /** How many spans of a trace it has. */
  spansOf(traceId: string): Promise<number>;
  stop(): void;
}

/** The viewer's port is taken. */
export class PortError extends Error {
  override readonly name = 'PortError';
}

/** Starts Zipkin on `port`, or tells why there is none. @throws PortError */
export async function startZipkin(port: number, say: (line: string) => void): Promise<Zipkin | { readonly missing: string }> {
  if (!(await isFree(port)))
    throw new PortError(`port ${port} is in use; Zipkin needs one: free it or choose another with --viewer-port N`);
  if (!existsSync(JAR)) {
    say(`getting Zipkin ${VERSION} from Maven, once (some 130 MB)`);
    mkdirSync(CACHE, { recursive: true });
    const artifact = `io.zipkin:zipkin-server:${VERSION}:jar:exec`;
    const args = ['-q', '-B', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${CACHE}`, '-Dmdep.overWriteReleases=false'];
    const got = await runToEnd('mvn', args);
    if (got !== undefined || !existsSync(JAR)) return { missing: `Maven gave no Zipkin: ${got ?? 'no file'}` };
  }
  const env = { ...process.env, QUERY_PORT: String(port), SERVER_ADDRESS: '127.0.0.1' };
  const java = spawn('java', ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-jar', JAR], { stdio: 'ignore', env });
  const stop = killedAtExit(java);
  const url = `http://127.0.0.1:${port}`;
  const problem = await started(java, url);
  if (problem !== undefined) {
    stop();
    return { missing: problem };
  }
  const send = async (spans: readonly SunkSpan[]): Promise<void> => {
    for (let from = 0; from < spans.length; from += MOST_SPANS_AT_ONCE) {
      const body = JSON.stringify(spans.slice(from, from + MOST_SPANS_AT_ONCE).map(toZipkin));
      const response = await fetch(`${url}/api/v2/spans`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      if (!response.ok) throw new Error(`Zipkin took no spans: ${response.status} ${await response.text()}`);
      await response.arrayBuffer();
    }
  };
  const spansOf = async (traceId: string): Promise<number> => {
    const response = await fetch(`${url}/api/v2/trace/${traceId}`);
    const found = (await response.json()) as unknown;
    return response.ok && Array.isArray(found) ? found.length : 0;
  };
  return { name: `Zipkin ${VERSION}`, url: `${url}/zipkin/`, send, spansOf, stop };
}

/** A span in Zipkin's API v2. It knows no links: they are tags. */
export function toZipkin(span: SunkSpan): object {
  const { attributes, links, error } = span;
  const address = attributes['network.peer.address'];
  const tags = [
    ...Object.entries(attributes).map(([key, value]) => [key, String(value)]),
    ...links.slice(0, 8).map((link, index) => [`link.${index}`, `${link.traceId}/${link.spanId}`]),
    ...(error ? [['error', String(attributes['error.type'] ?? 'true')]] : []),
  ];
  return {
    traceId: span.traceId,
    id: span.spanId,
    parentId: span.parentSpanId === '' ? undefined : span.parentSpanId,
    name: span.name,
    kind: span.kind === 'client' ? 'CLIENT' : span.kind === 'server' ? 'SERVER' : undefined,
    timestamp: Number(span.startNs / 1000n),
    duration: Math.max(1, Number((span.endNs - span.startNs) / 1000n)),
    localEndpoint: { serviceName: span.service },
    remoteEndpoint: typeof address === 'string' ? { ipv4: address, port: Number(attributes['network.peer.port'] ?? 0) } : undefined,
    tags: Object.fromEntries(tags),
  };
}

/** Undefined when it serves; else why not. */
async function started(java: ChildProcess, url: string): Promise<string | undefined> {
  let failed: string | undefined;
  java.once('error', (error) => {
    failed = `java cannot be run: ${error.message}`;
  });
  java.once('exit', (code) => {
    failed ??= `Zipkin ended with exit code ${code}`;
  });
  const tooLate = AbortSignal.timeout(START_MS);
  while (failed === undefined && !tooLate.aborted) {
    if (await isHealthy(url)) return undefined;
    await sleep(200);
  }
  return failed ?? `Zipkin did not start within ${START_MS / 1000} s`;
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

/** Undefined when the program did its work; else its last line. */
async function runToEnd(command: string, args: readonly string[]): Promise<string | undefined> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const done = killedAtExit(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return code === 0 ? undefined : (said.trim().split('\n').at(-1) ?? `exit code ${code}`);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    done();
  }
}

/** However this process ends, the child does not outlive it. Returns what ends it now. */
function killedAtExit(child: ChildProcess): () => void {
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  return () => {
    process.removeListener('exit', kill);
    kill();
  };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
