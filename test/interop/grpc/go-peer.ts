/** grpc-go's own interop client and server: built once into .cache/interop, run on the loopback interface. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The release the programs are built from. */
export const GRPC_GO_VERSION = 'v1.85.0';

const BIN = fileURLToPath(new URL(`../../../.cache/interop/grpc-go-${GRPC_GO_VERSION}`, import.meta.url));
const BUILD_TIMEOUT_MS = 10 * 60_000;
const CASE_TIMEOUT_MS = 30_000;
const START_TIMEOUT_MS = 10_000;

/** The two programs, or why there are none. */
export type GoPrograms = { readonly client: string; readonly server: string } | { readonly missing: string };

/** Builds the programs unless an earlier run did (about a minute the first time). `say` hears that it takes a while. */
export async function goPrograms(say: (line: string) => void): Promise<GoPrograms> {
  const programs = { client: join(BIN, 'client'), server: join(BIN, 'server') };
  if (existsSync(programs.client) && existsSync(programs.server)) return programs;
  const go = spawnSync('go', ['version'], { encoding: 'utf8' });
  if (go.status !== 0) return { missing: 'Go is not installed' };
  say(`building grpc-go ${GRPC_GO_VERSION} interop client and server with ${go.stdout.trim()} (once, about a minute) ...`);
  const packages = ['client', 'server'].map((name) => `google.golang.org/grpc/interop/${name}@${GRPC_GO_VERSION}`);
  const built = await execute('go', ['install', ...packages], BUILD_TIMEOUT_MS, { ...process.env, GOBIN: BIN });
  return built.code === 0 ? programs : { missing: `go install failed: ${lastLine(built.output)}` };
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

function execute(file: string, args: readonly string[], timeout: number, env: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout, env, encoding: 'utf8' }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, output: stdout + stderr + (error?.killed ? `\nkilled after ${timeout} ms` : '') });
    });
  });
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}

/** Runs one case of grpc-go's client against a port of this machine; throws with its last line when it fails. */
export async function runGoClient(client: string, port: number, caseName: string): Promise<void> {
  const args = ['-server_host=127.0.0.1', `-server_port=${port}`, '-use_tls=false', `-test_case=${caseName}`];
  const { code, output } = await execute(client, args, CASE_TIMEOUT_MS);
  if (code !== 0) throw new Error(lastLine(output) || `exit code ${code}`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

/** grpc-go's server, running. */
export interface GoServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts grpc-go's server on a free port and waits for the line that says it listens. It dies with this process. */
export async function startGoServer(server: string): Promise<GoServer> {
  const port = await freePort();
  const child = spawn(server, [`-port=${port}`, '-use_tls=false'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  await listening(child, port);
  return {
    port,
    stop: async () => {
      process.off('exit', kill);
      const gone = new Promise((resolve) => child.once('exit', resolve));
      kill();
      await gone;
    },
  };
}

/** Resolves when something accepts connections on `port`; rejects when the program ends first or the time is over. */
function listening(child: ChildProcess, port: number): Promise<void> {
  const giveUpAt = Date.now() + START_TIMEOUT_MS;
  let output = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`grpc-go's server ${why}: ${lastLine(output)}`));
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code) => fail(`ended with code ${code}`));
    const probe = (): void => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve();
      });
      socket.once('error', () => {
        if (Date.now() < giveUpAt) setTimeout(probe, 50);
        else fail(`did not start in ${START_TIMEOUT_MS} ms`);
      });
    };
    probe();
  });
}
