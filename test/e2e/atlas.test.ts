/** The main job in its short form, as a user starts it: what it shows, and what it does with bad input and Ctrl-C. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Summary } from '../../examples/atlas/summary.ts';

const RUN = fileURLToPath(new URL('../../examples/atlas/run.ts', import.meta.url));
/** The ports that one run needs, one after the other. */
const PORTS = 4;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('the atlas example, short form', () => {
  test('acts 3 and 4 lose no call, all acts show the same pages, and act 4 needs a fifth of the RPCs', { timeout: 120_000 }, async () => {
    const ended = await atlas('--short', '--json', '--rate', '8', '--port', String(await freePorts()));
    expect(ended.stderr).not.toContain('WRONG');
    expect(ended.code, ended.stderr).toBe(0);
    const { acts } = JSON.parse(ended.stdout) as { acts: readonly Summary[] };
    const [one, two, three, four] = acts;
    expect(acts.map((act) => act.act)).toEqual([1, 2, 3, 4]);
    expect(new Set(acts.map((act) => act.checksum)).size).toBe(1);
    expect(acts.map((act) => [act.wrongPages, act.unrecordedViews])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    expect([three?.lostByStatus, four?.lostByStatus]).toEqual([{}, {}]);
    expect([three?.lost, four?.lost]).toEqual([0, 0]);
    expect(four?.rpcsPerCall).toBeLessThanOrEqual((three?.rpcsPerCall ?? 0) / 5);
    expect([one?.diff.lines.length, two?.diff.removed, four?.diff.added]).toEqual([0, 1, 2]);
    expect(four?.faults.map((fault) => fault.what)).toEqual([
      'replica 1 answers 20 times slower',
      'replica 1 is as fast as before',
      'replica 1 is killed (SIGKILL)',
      'replica 1 is back on its port',
      'replica 1 has been restarted (tryShutdown)',
      'replica 2 has been restarted (tryShutdown)',
      'replica 3 has been restarted (tryShutdown)',
      expect.stringMatching(/^replica 1 has moved to port \d+$/),
    ]);
  });
});

describe('the atlas example, command line', () => {
  test('an unknown flag ends with exit code 2 and the nearest flag', async () => {
    const ended = await atlas('--sort');
    expect(ended).toEqual({ code: 2, stdout: '', stderr: 'atlas: unknown flag --sort; the nearest is --short (see --help)\n' });
  });

  test.each([
    [['--rate', 'fast'], '--rate fast: must be a whole number from 1 to 2000'],
    [['--acts', '2,5'], "--acts 2,5: '5' is no act; there are 1, 2, 3 and 4"],
    [['--otlp', 'localhost:4318'], '--otlp localhost:4318: must be an http or https address, e.g. http://127.0.0.1:4318'],
  ])('%j ends with exit code 2 and says what is allowed', async (args, message) => {
    expect(await atlas(...args)).toEqual({ code: 2, stdout: '', stderr: `atlas: ${message}\n` });
  });

  test('--help tells every flag', async () => {
    const { code, stdout } = await atlas('--help');
    expect(code).toBe(0);
    for (const flag of ['short', 'json', 'acts', 'fanout', 'rate', 'seed', 'port', 'otlp', 'ui', 'help'])
      expect(stdout).toContain(`--${flag}`);
  });

  test('a busy port ends with exit code 1 and names the port', async () => {
    const first = await freePorts();
    const busy = await listen(first + 2);
    const ended = await atlas('--short', '--acts', '1', '--port', String(first));
    busy.close();
    expect(ended.code).toBe(1);
    expect(ended.stderr).toBe(
      `atlas: port ${first + 2} is in use; the replicas need ${first} to ${first + 3}: free it or choose others with --port N\n`,
    );
  });
});

describe.skipIf(!existsSync('/proc'))('the atlas example, interrupted', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s stops every process, exit code %i', { timeout: 60_000 }, async (signal, code) => {
    const run = start('--short', '--acts', '1', '--port', String(await freePorts()));
    await until(() => run.stdout().includes(' calls, ')); // the first line of progress: everything serves
    const children = childrenOf(run.child.pid);
    expect(children).toHaveLength(4);
    run.child.kill(signal);
    expect((await run.ended).code).toBe(code);
    await until(() => children.every((pid) => !existsSync(`/proc/${pid}`)));
  });

  test('replicas and application end by themselves when the runner is killed', { timeout: 60_000 }, async () => {
    const run = start('--short', '--acts', '1', '--port', String(await freePorts()));
    await until(() => run.stdout().includes(' calls, ')); // the first line of progress: everything serves
    const children = childrenOf(run.child.pid);
    expect(children).toHaveLength(4);
    run.child.kill('SIGKILL');
    await run.ended;
    await until(() => children.every((pid) => !existsSync(`/proc/${pid}`)));
  });
});

function start(...args: string[]): { readonly child: ChildProcess; readonly stdout: () => string; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return { child, stdout: () => stdout, ended: once(child, 'exit').then(([code]) => ({ code, stdout, stderr })) };
}

function atlas(...args: string[]): Promise<Ended> {
  return start(...args).ended;
}

/** Polls: what other processes do has no event here. */
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries === 600) throw new Error('waited 30 s in vain');
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
  for (let first = 20_000 + 4 * (process.pid % 2_000); ; first = first >= 31_000 ? 20_000 : first + PORTS) {
    const probes = await Promise.allSettled(Array.from({ length: PORTS }, (_, index) => listen(first + index)));
    const servers = probes.flatMap((probe) => (probe.status === 'fulfilled' ? [probe.value] : []));
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    if (servers.length === PORTS) return first;
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
