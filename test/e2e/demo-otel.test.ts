/** `npm run demo:otel` as a user starts it. The viewer is left out: it takes Java, Maven and half a minute. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { startCollector } from '../../scripts/otelcol.ts';

const DEMO = fileURLToPath(new URL('../../scripts/demo-otel.ts', import.meta.url));
const found = await startCollector('http://127.0.0.1:9');
const missing = 'missing' in found ? found.missing : undefined;
if ('stop' in found) await found.stop();
if (missing !== undefined) console.log(`SKIPPED, no collector: ${missing}`);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('demo:otel, command line', () => {
  test.each([
    [['--sort'], "demo:otel: Unknown option '--sort'"],
    [['--viewer', 'jaeger'], 'demo:otel: --viewer jaeger: must be zipkin or none'],
    [['--viewer-port', '0'], 'demo:otel: --viewer-port 0: must be a whole number from 1 to 65535'],
  ])('%j ends with exit code 2 and says why', async (args, message) => {
    const { code, stdout, stderr } = await start(args).ended;
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  test('--help tells every flag', async () => {
    const { code, stdout } = await start(['--help']).ended;
    expect(code).toBe(0);
    for (const flag of ['short', 'keep', 'json', 'viewer', 'viewer-port', 'rate', 'port', 'help']) expect(stdout).toContain(`--${flag} `);
  });

  test('without a collector it ends with exit code 2 and says how to get one', async () => {
    const { code, stderr } = await start([], { INMESH_OTELCOL: 'off' }).ended;
    expect(code).toBe(2);
    expect(stderr).toBe(
      'demo:otel: no collector: INMESH_OTELCOL is off. `npm run otelcol` builds the official one (Go, some two minutes)\n',
    );
  });

  test.skipIf(missing !== undefined)('a busy port of the viewer ends with exit code 1 and names it', async () => {
    const busy = await listen(0);
    const address = busy.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { code, stderr } = await start(['--viewer-port', String(port)]).ended;
    busy.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`port ${port} is in use; Zipkin needs one: free it or choose another with --viewer-port N`);
  });
});

describe.skipIf(missing !== undefined || !existsSync('/proc'))('demo:otel, through a collector', () => {
  test('spans and metrics of acts 3 and 4 come out of it, and a page is a tree', { timeout: 120_000 }, async () => {
    const run = start(['--short', '--json', '--viewer', 'none', '--rate', '8', '--port', String(await freePorts())]);
    const { code, stdout, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.collector).toMatch(/^(OpenTelemetry Collector|rotel) /);
    expect(report.viewer).toBeNull();
    const { byName } = report.spans;
    expect(byName['atlas-app: page (internal)']).toBeGreaterThan(40);
    // Act 3's servers know nothing of the mesh, so it is act 4's replicas that show spans.
    expect(byName['atlas-app: atlas.v1.Atlas/GetPlace (client)']).toBeGreaterThan(
      byName['atlas-replica: atlas.v1.Atlas/GetPlace (server)'],
    );
    const metrics = new Map(report.metrics.map((metric: { name: string }) => [metric.name, metric]));
    for (const name of [
      'rpc.client.call.duration',
      'rpc.server.call.duration',
      'inmesh.client.batch.size',
      'inmesh.server.batch.item.duration',
    ]) {
      expect(metrics.get(name), name).toMatchObject({ count: expect.any(Number), value: expect.any(Number) });
    }
    expect(report.tree[0]).toMatch(/^page \[atlas-app\] [\d.]+ ms$/);
    expect(report.tree.join('\n')).toMatch(/atlas\.v1\.Atlas\/GetPlace \[atlas-app client\] .* batch of \d+/);
    expect(report.tree.join('\n')).toMatch(/atlas\.v1\.Atlas\/GetPlace \[atlas-replica server\] /);
  });

  test('Ctrl-C ends every process, exit code 130', { timeout: 60_000 }, async () => {
    const run = start(['--short', '--json', '--viewer', 'none', '--rate', '8', '--port', String(await freePorts())]);
    await until(() => run.stderr().includes(' calls, ')); // the atlas runs
    const children = childrenOf(run.child.pid);
    const all = [...children, ...children.flatMap(childrenOf)];
    expect(all.length).toBeGreaterThan(4); // collector, runner, application, replicas
    run.child.kill('SIGINT');
    expect((await run.ended).code).toBe(130);
    await until(() => all.every((pid) => !existsSync(`/proc/${pid}`)));
  });
});

interface Run {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return { child, stderr: () => stderr, ended: once(child, 'close').then(([code]) => ({ code, stdout, stderr })) };
}

/** Polls: what other processes do has no event here. */
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries === 800) throw new Error('waited 40 s in vain');
    await sleep(50);
  }
}

function childrenOf(pid: number | undefined): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((candidate) => candidate > 0 && parentOf(candidate) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined; // Gone in the meantime.
  }
}

/** The first of four ports in a row that nobody listens on. */
async function freePorts(): Promise<number> {
  for (let first = 20_000 + 4 * (process.pid % 2_000); ; first = first >= 31_000 ? 20_000 : first + 4) {
    const probes = await Promise.allSettled([0, 1, 2, 3].map((index) => listen(first + index)));
    const servers = probes.flatMap((probe) => (probe.status === 'fulfilled' ? [probe.value] : []));
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    if (servers.length === 4) return first;
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
