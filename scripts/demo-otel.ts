/**
 * `npm run demo:otel`: acts 3 and 4 of the atlas example, their traces and metrics through a real OpenTelemetry Collector, and a
 * viewer to look at them. `--help` says the rest.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { startSink } from '../test/support/otlp-sink.ts';
import { type Collector, startCollector } from './otelcol.ts';
import { ROOT } from './process.ts';
import { type MetricSummary, metricsByName, SpanLog, treeOf } from './span-tree.ts';
import { PortError, startZipkin, type Zipkin } from './zipkin.ts';

/** Exit codes: 0 done, 1 something went wrong, 2 a wrong command line or no collector to be had, 128 + n stopped by a signal. */
const WRONG = 1;
const MISUSED = 2;
const SIGNALLED = 128;
const DEFAULT_VIEWER_PORT = 9411;
/** More than some ten thousand spans help nobody in a viewer. */
const KEEP_ONE_IN = 8;
const MOST_NAMES = 20;

const HELP = `Usage: npm run demo:otel -- [flags]        (or: node scripts/demo-otel.ts [flags])

Plays acts 3 and 4 of the atlas example (npm start). What they record goes to a real OpenTelemetry Collector: the official one if
\`npm run otelcol\` has built it, else rotel from PyPI. What the collector passes on is summed up here and shown in Zipkin, if there is
Java and Maven.

  --short            shorter acts
  --keep             leaves the viewer open until Ctrl-C
  --json             the summary as JSON on stdout, progress on stderr
  --viewer NAME      zipkin or none                                    [zipkin]
  --viewer-port N    its port on 127.0.0.1                             [${DEFAULT_VIEWER_PORT}]
  --rate N           pages per second                                  [see npm start]
  --port N           first of four ports for the replicas              [see npm start]
  --help             this text
`;

/** The command line can't be followed, or there is no collector. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

type Say = (line?: string) => void;

interface Flags {
  readonly short: boolean;
  readonly keep: boolean;
  readonly json: boolean;
  readonly help: boolean;
  readonly viewer: 'zipkin' | 'none';
  readonly viewerPort: number;
  readonly rate: string | undefined;
  readonly port: string | undefined;
}

function readFlags(args: readonly string[]): Flags {
  const flag = { type: 'boolean', default: false } as const;
  const text = { type: 'string' } as const;
  const options = {
    short: flag,
    keep: flag,
    json: flag,
    help: { ...flag, short: 'h' },
    viewer: text,
    'viewer-port': text,
    rate: text,
    port: text,
  } as const;
  const values = parsed(() => parseArgs({ args: [...args], options }).values);
  const { viewer = 'zipkin', 'viewer-port': viewerPort = String(DEFAULT_VIEWER_PORT), rate, port } = values;
  if (viewer !== 'zipkin' && viewer !== 'none') throw new UsageError(`--viewer ${viewer}: must be zipkin or none`);
  if (!/^\d+$/.test(viewerPort) || Number(viewerPort) < 1 || Number(viewerPort) > 65_535)
    throw new UsageError(`--viewer-port ${viewerPort}: must be a whole number from 1 to 65535`);
  const { short, keep, json, help } = values;
  return { short, keep, json, help, viewer, viewerPort: Number(viewerPort), rate, port };
}

function parsed<Values>(read: () => Values): Values {
  try {
    return read();
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)} (see --help)`);
  }
}

async function main(): Promise<number> {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const say: Say = (line = '') => void (flags.json ? process.stderr : process.stdout).write(`${line}\n`);
  const spans = new SpanLog(KEEP_ONE_IN);
  const sink = await startSink((some) => spans.add(some));
  const collector = await startCollector(sink.url);
  if ('missing' in collector) {
    await sink.close();
    throw new UsageError(`no collector: ${collector.missing}. \`npm run otelcol\` builds the official one (Go, some two minutes)`);
  }
  try {
    return await show(flags, say, collector, spans, () => metricsByName(sink.metrics.all()));
  } finally {
    await collector.stop();
    await sink.close();
  }
}

async function show(
  flags: Flags,
  say: Say,
  collector: Collector,
  spans: SpanLog,
  metrics: () => readonly MetricSummary[],
): Promise<number> {
  say(`Collector: ${collector.name}, ${collector.url}`);
  if (collector.name.startsWith('rotel')) say('  (not the official one: `npm run otelcol` builds that, with Go, in some two minutes)');
  const viewer = flags.viewer === 'none' ? { missing: '--viewer none' } : await startZipkin(flags.viewerPort, say);
  say('missing' in viewer ? `Viewer: none, because ${viewer.missing}; the trace below is text` : `Viewer: ${viewer.name}, ${viewer.url}`);
  try {
    const code = await playAtlas(flags, collector.url);
    if (code !== 0) {
      say(`the atlas example ended with exit code ${code}`);
      return WRONG;
    }
    await collector.stop(); // what it still holds comes out when it ends
    const report = sumUp(spans, metrics(), say);
    const shown = 'missing' in viewer ? null : await showIn(viewer, spans, report.traceId);
    if (shown !== null) say(`\nThe same in the viewer: ${shown}`);
    if (flags.json) process.stdout.write(`${JSON.stringify({ collector: collector.name, viewer: shown, ...report }, null, 2)}\n`);
    if (shown !== null && !flags.keep) say('  (it ends now; --keep leaves it open)');
    if (shown !== null && flags.keep) await untilStopped(say);
    return spans.total > 0 && report.metrics.length > 0 ? 0 : WRONG;
  } finally {
    if ('stop' in viewer) viewer.stop();
  }
}

/** What came out of the collector; the form of `--json`. */
interface Report {
  readonly spans: { readonly total: number; readonly byName: Readonly<Record<string, number>> };
  readonly metrics: readonly MetricSummary[];
  readonly traceId: string;
  readonly tree: readonly string[];
  readonly carrierTree: readonly string[];
}

function sumUp(spans: SpanLog, metrics: readonly MetricSummary[], say: Say): Report {
  const trace = spans.richest('page');
  const carrier = spans.trace(trace.flatMap(({ links }) => links).find(({ traceId }) => spans.trace(traceId).length > 0)?.traceId ?? '');
  const [tree, carrierTree] = [treeOf(trace), treeOf(carrier)];
  say(`\n${spans.total} spans came out of the collector:`);
  const names = [...spans.byName].sort(([, a], [, b]) => b - a);
  for (const [name, count] of names.slice(0, MOST_NAMES)) say(`${String(count).padStart(9)}  ${name}`);
  if (names.length > MOST_NAMES) say(`           and ${names.length - MOST_NAMES} more names`);
  say(`\n${metrics.length} metrics:`);
  for (const metric of metrics) say(`  ${describe(metric)}`);
  say('\nOne page as a tree (spans that look alike once):');
  for (const line of tree) say(`  ${line}`);
  if (carrier.length > 0) say('The batch that some of its calls were in, a trace of its own, linked with them:');
  for (const line of carrierTree) say(`  ${line}`);
  return { spans: { total: spans.total, byName: Object.fromEntries(names) }, metrics, traceId: trace[0]?.traceId ?? '', tree, carrierTree };
}

/** Hands the kept traces over; gives back where the trace is, once it is seen there. */
async function showIn(viewer: Zipkin, spans: SpanLog, traceId: string): Promise<string> {
  await viewer.send(spans.kept());
  const found = await viewer.spansOf(traceId);
  if (found !== spans.trace(traceId).length)
    throw new Error(`${viewer.name} has ${found} spans of ${spans.trace(traceId).length} of trace ${traceId}`);
  return `${viewer.url}traces/${traceId}`;
}

/** Runs the acts in a process of their own; gives back its exit code. */
async function playAtlas({ short, rate, port }: Flags, otlp: string): Promise<number> {
  const passedOn = Object.entries({ rate, port }).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  const args = ['--acts', '3,4', '--otlp', otlp, ...(short ? ['--short'] : []), ...passedOn];
  const child = spawn(process.execPath, [`${ROOT}examples/atlas/run.ts`, ...args], { stdio: ['ignore', 2, 2] });
  // It ends its own processes when it is told to stop.
  const stop = (): void => void child.kill('SIGTERM');
  process.once('exit', stop);
  const [code] = (await once(child, 'exit')) as [number | null];
  process.removeListener('exit', stop);
  return code ?? WRONG;
}

function describe({ name, unit, kind, series, count, value }: MetricSummary): string {
  const text = kind === 'histogram' ? `${count} values, mean ${readable(value)} ${unit}` : `${readable(value)} ${unit} in all`;
  return `${name.padEnd(40)} ${text}; ${series} series`;
}

const readable = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(3));

function untilStopped(say: Say): Promise<never> {
  say('  it stays open until Ctrl-C');
  setInterval(() => {}, 60_000);
  return new Promise(() => {});
}

function interrupted(signal: NodeJS.Signals): void {
  process.stderr.write(`\ndemo:otel: stopped by ${signal}\n`);
  process.exit(SIGNALLED + constants.signals[signal]); // whatever was started is killed at exit
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupted);
try {
  process.exitCode = await main();
} catch (error) {
  const problem = error instanceof Error ? error : new Error(String(error));
  const expected = problem instanceof UsageError || problem instanceof PortError;
  process.stderr.write(`demo:otel: ${expected ? problem.message : problem.stack}\n`);
  process.exitCode = problem instanceof UsageError ? MISUSED : WRONG;
}
