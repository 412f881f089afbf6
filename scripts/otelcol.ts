/**
 * A real OpenTelemetry collector, for tests and `npm run demo:otel`: takes OTLP over HTTP and sends it on to a URL.
 *
 * In this order: the official collector, if `npm run otelcol` has built it (Go, some two minutes, kept in
 * node_modules/.cache); the Python wheel `rotel`, put beside it on first use; none, with the reason.
 * `INMESH_OTELCOL` says otherwise: `build` builds the official one if it is missing, `rotel` takes rotel, `off` takes none.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun, type Outcome, ROOT, run } from './process.ts';

// Newer releases of the OTLP receiver need modules that not every Go proxy has.
const OTELCOL_VERSION = '0.155.0';
const ROTEL_VERSION = '0.0.1a15';
const CACHE = `${ROOT}node_modules/.cache/inmesh`;
const OTELCOL = `${CACHE}/otelcol-${OTELCOL_VERSION}`;
const ROTEL_HOME = `${CACHE}/rotel-${ROTEL_VERSION}`;
const ROTEL = `${ROTEL_HOME}/rotel/rotel-agent`;
const START_MS = 15_000;
const STOP_MS = 3_000;

/** A collector that runs. */
export interface Collector {
  /** Which one it is. */
  readonly name: string;
  /** Where it takes OTLP over HTTP: traces below it at `/v1/traces`, metrics at `/v1/metrics`. */
  readonly url: string;
  /** Where it takes traces: POST, protobuf. */
  readonly tracesUrl: string;
  /** Where it takes metrics. */
  readonly metricsUrl: string;
  /** Sends on what it still holds, and ends it. */
  stop(): Promise<void>;
}

/** Starts a collector that sends all traces and metrics to `sinkUrl` (an OTLP/HTTP base URL); or tells why there is none. */
export async function startCollector(sinkUrl: string): Promise<Collector | { readonly missing: string }> {
  const wish = process.env['INMESH_OTELCOL'] ?? '';
  if (!['', 'build', 'rotel', 'off'].includes(wish))
    throw new Error(`INMESH_OTELCOL is ${JSON.stringify(wish)}; it may be build, rotel or off`);
  if (wish === 'off') return { missing: 'INMESH_OTELCOL is off' };
  if (wish === 'build' && !existsSync(OTELCOL)) buildOtelcol();
  const port = await freePort();
  const command = wish !== 'rotel' && existsSync(OTELCOL) ? otelcolCommand(port, sinkUrl) : rotelCommand(port, sinkUrl);
  return 'missing' in command ? command : launch(command, port);
}

/** A program to run. */
interface Command {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
}

function otelcolCommand(port: number, sinkUrl: string): Command {
  const pipeline = { receivers: ['otlp'], processors: ['batch'], exporters: ['otlphttp'] };
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    processors: { batch: { timeout: '200ms' } },
    exporters: { otlphttp: { endpoint: sinkUrl, compression: 'gzip' } },
    // It would serve its own metrics on a fixed port.
    service: { telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } }, pipelines: { traces: pipeline, metrics: pipeline } },
  };
  // YAML is a superset of JSON.
  return { name: `OpenTelemetry Collector ${OTELCOL_VERSION}`, path: OTELCOL, args: ['--config', `yaml:${JSON.stringify(config)}`] };
}

function rotelCommand(port: number, sinkUrl: string): Command | { readonly missing: string } {
  if (!existsSync(ROTEL)) {
    const pip = run('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', ROTEL_HOME, `rotel==${ROTEL_VERSION}`]);
    if (!pip.ok || !existsSync(ROTEL)) {
      rmSync(ROTEL_HOME, { recursive: true, force: true });
      return { missing: `no official collector (npm run otelcol builds it), and no rotel: ${pip.output.trim().split('\n').at(-1)}` };
    }
  }
  const args = ['start', '--exporter', 'otlp', '--otlp-exporter-protocol', 'http', '--otlp-exporter-endpoint', sinkUrl];
  args.push('--otlp-http-endpoint', `127.0.0.1:${port}`, '--otlp-grpc-endpoint', '127.0.0.1:0', '--batch-timeout', '200ms');
  return { name: `rotel ${ROTEL_VERSION}`, path: ROTEL, args };
}

/** What the official collector says of a configuration file, or why nobody can say. `env`: what the file takes from it. */
export function checkConfig(file: string, env: Readonly<Record<string, string>>): Outcome | { readonly missing: string } {
  if (!existsSync(OTELCOL)) return { missing: 'the official collector is not built (npm run otelcol)' };
  return run('env', [...Object.entries(env).map(([name, value]) => `${name}=${value}`), OTELCOL, 'validate', '--config', file]);
}

async function launch({ name, path, args }: Command, port: number): Promise<Collector> {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    await stopChild(child);
    process.removeListener('exit', kill);
  };
  const url = `http://127.0.0.1:${port}`;
  const tracesUrl = `${url}/v1/traces`;
  const giveUp = AbortSignal.timeout(START_MS);
  while (!(await takesTraces(tracesUrl))) {
    if (child.exitCode !== null || giveUp.aborted) {
      await stop();
      throw new Error(`${name} did not start:\n${said.join('')}`);
    }
    await sleep(50);
  }
  return { name, url, tracesUrl, metricsUrl: `${url}/v1/metrics`, stop };
}

/** An empty protobuf message is an export without spans. */
async function takesTraces(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/x-protobuf' }, body: new Uint8Array() });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const tooLong = AbortSignal.timeout(STOP_MS);
  tooLong.addEventListener('abort', () => child.kill('SIGKILL'));
  await ended;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

/** Builds the official collector from its own modules with its own builder; needs Go. */
function buildOtelcol(): void {
  const home = `${CACHE}/otelcol-build`;
  mkdirSync(home, { recursive: true });
  const core = 'go.opentelemetry.io/collector';
  const manifest = `dist: { name: otelcol, output_path: ${JSON.stringify(`${home}/out`)}, version: ${OTELCOL_VERSION} }
receivers: [{ gomod: ${core}/receiver/otlpreceiver v${OTELCOL_VERSION} }]
processors: [{ gomod: ${core}/processor/batchprocessor v${OTELCOL_VERSION} }]
exporters: [{ gomod: ${core}/exporter/otlphttpexporter v${OTELCOL_VERSION} }]
`;
  writeFileSync(`${home}/manifest.yaml`, manifest);
  mustRun('env', [`GOBIN=${home}`, 'go', 'install', `${core}/cmd/builder@v${OTELCOL_VERSION}`]);
  mustRun(`${home}/builder`, ['--config', `${home}/manifest.yaml`]);
  renameSync(`${home}/out/otelcol`, OTELCOL);
  rmSync(home, { recursive: true });
}

if (import.meta.main) {
  if (existsSync(OTELCOL)) {
    console.log(`the collector is there: ${OTELCOL}`);
  } else {
    console.log(`building the OpenTelemetry collector ${OTELCOL_VERSION}; this takes some two minutes`);
    buildOtelcol();
    console.log(`built ${OTELCOL}`);
  }
}
