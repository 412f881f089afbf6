/** The application's process: renders pages at a fixed rate, whatever becomes of them (open loop), and reports. */
import diagnostics from 'node:diagnostics_channel';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Mesh } from 'inmesh';
import type { AtlasClient } from './atlas.ts';
import { type AppConfig, type ToApp, tell } from './messages.ts';
import { publish, registerNames, TARGET } from './names.ts';
import { planPage, WARM_UP } from './pages.ts';
import { Records } from './records.ts';
import { Renderer } from './render.ts';
import { telemetry } from './telemetry.ts';

/** What an act's client file exports. */
interface ClientFile {
  readonly connect: (target: string) => AtlasClient;
  readonly mesh?: Mesh;
}

const config = JSON.parse(process.argv[2] ?? '{}') as AppConfig;
const CONNECT_MS = 10_000;
/** Where the faults take longer than planned, pages go on; but not without end. */
const MOST = 3;
const PAGES_AT_A_TIME = 10_000;
/** Pages that are rendered at the same time while the code gets hot. */
const READERS = 6;

// Node publishes every HTTP/2 stream that the process opens: a count of RPCs on the wire that asks neither grpc-js nor the mesh.
let streams = 0;
diagnostics.subscribe('http2.client.stream.created', () => streams++);

let records = new Records();
let healthyCpuUs = 0;
let finishing = false;
let base = process.cpuUsage();

registerNames();
const { connect, mesh } = (await import(config.clientFile)) as ClientFile;
const client = connect(TARGET);

process.on('message', (message: ToApp) => {
  if (message.kind === 'names') publish(message.addresses);
  else if (message.kind === 'warm-up') void warmUp();
  else if (message.kind === 'measure') void measure();
  else if (message.kind === 'finish') finishing = true;
  else if (message.kind === 'open') void open(message.port);
  else {
    if (records.phase === 'healthy') healthyCpuUs = cpuUs();
    records.phase = message.phase;
  }
});
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => {}); // Ctrl-C reaches the whole group; the runner decides.
tell({ kind: 'loaded' });
client.waitForReady(Date.now() + CONNECT_MS, (error) => {
  if (error !== undefined) throw error;
  tell({ kind: 'connected' });
});

/** Page after page as fast as it goes, some at a time: code gets hot by its calls, not by its time. */
async function warmUp(): Promise<void> {
  const renderer = new Renderer(client, records, config.deadlineMs);
  const endMs = performance.now() + config.warmUpMs;
  let number = WARM_UP;
  const reader = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const page = number++;
      await renderer.render(page, planPage(config.seed, page, config.fanout, config.places), performance.now());
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  tell({ kind: 'warm' });
}

async function measure(): Promise<void> {
  records = new Records();
  const streamsBefore = streams;
  const meshBefore = meshCounters();
  base = process.cpuUsage();
  const progress = setInterval(() => tell({ kind: 'progress', ...counted() }), 500);
  await renderPages((page) => page < config.pages || (!finishing && page < MOST * config.pages));
  clearInterval(progress);
  const used = cpuUs();
  const meshAfter = meshCounters();
  const meshUsed =
    meshAfter && Object.fromEntries(Object.entries(meshAfter).map(([name, value]) => [name, value - (meshBefore?.[name] ?? 0)]));
  const result = { ...records.result(), streams: streams - streamsBefore, cpuUs: used, healthyCpuUs, mesh: meshUsed };
  client.close();
  await mesh?.close();
  await telemetry()?.flush();
  process.send?.({ kind: 'done', result }, () => process.exit(0));
}

/** Pages for as long as the process lives, and the mesh to be looked at. */
async function open(port: number): Promise<void> {
  if (mesh === undefined) throw new Error('this act has no mesh to look at');
  const { admin } = mesh;
  const { url } = await admin.listen({ port }).catch(() => admin.listen({ port: 0 }));
  tell({ kind: 'open', url });
  for (;;) {
    records = new Records(); // nobody reads them: they must not grow
    await renderPages((page) => page < PAGES_AT_A_TIME);
  }
}

/** Starts pages, one each 1/rate seconds, while `more` says so, and waits for the last to end. */
async function renderPages(more: (page: number) => boolean): Promise<void> {
  const renderer = new Renderer(client, records, config.deadlineMs);
  const everyMs = 1000 / config.rate;
  const startMs = performance.now();
  const running: Promise<void>[] = [];
  for (let number = 0; more(number); number++) {
    const dueMs = startMs + number * everyMs;
    const waitMs = dueMs - performance.now();
    // Late, on a machine that is too busy: the loop goes round all the same, or nothing would ever be answered.
    await (waitMs > 0 ? sleep(waitMs) : turn());
    const render = (): Promise<void> => renderer.render(number, planPage(config.seed, number, config.fanout, config.places), dueMs);
    running.push(telemetry()?.inPage(number, render) ?? render());
  }
  await Promise.all(running);
}

function cpuUs(): number {
  const used = process.cpuUsage(base);
  return used.user + used.system;
}

function counted(): { pages: number; calls: number; lost: number } {
  return { pages: records.pages, calls: records.calls, lost: records.lost };
}

/** The mesh's own counters, as `client.attempts` and so on; null where there is no mesh. */
function meshCounters(): Record<string, number> | null {
  if (mesh === undefined) return null;
  const groups = Object.entries(mesh.stats()).filter(([group]) => group !== 'endpoints');
  const counters = groups.flatMap(([group, values]) => Object.entries(values).map(([name, value]) => [`${group}.${name}`, value]));
  return Object.fromEntries(counters.filter(([, value]) => typeof value === 'number'));
}
