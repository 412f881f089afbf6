/**
 * `npm run interop`: the 14 standard gRPC interop cases between this package and grpc-go, both ways, and through both
 * doors against our own server, with batches in every carrier. Prints a table; exits with 1 when a case failed.
 *
 * Without Go the columns that need it are skipped aloud. `--bare` adds bare grpc-js both ways, to tell whose fault a
 * failure is. `--require-go` makes a missing Go a failure.
 */
import { parseArgs, styleText } from 'node:util';
import type { MeshStats } from '../src/index.ts';
import { CASES, type InteropCase, problemOf } from '../test/interop/grpc/cases.ts';
import { type GoPrograms, GRPC_GO_VERSION, goPrograms, runGoClient, startGoServer } from '../test/interop/grpc/go-peer.ts';
import {
  burst,
  CARRIERS,
  type CarrierName,
  connectThrough,
  DOORS,
  type DoorName,
  runInCarriers,
  startServer,
} from '../test/interop/grpc/peers.ts';
import { recordEveryCall } from '../test/interop/grpc/telemetry.ts';

/** One column: who calls whom, and what was wrong in which case. */
interface Column {
  readonly title: string;
  readonly problems: ReadonlyMap<string, string | undefined>;
  readonly note: string;
}

async function column(title: string, run: (one: InteropCase) => Promise<unknown>, note: () => string = () => ''): Promise<Column> {
  const problems = new Map<string, string | undefined>();
  for (const one of CASES) problems.set(one.name, await problemOf(() => run(one)));
  return { title, problems, note: note() };
}

/** grpc-go's client against a server of Node. */
async function goCalls(client: string, kind: 'bare grpc-js' | 'inmesh'): Promise<Column> {
  const server = await startServer(kind);
  try {
    return await column(`grpc-go -> ${kind} server`, (one) => runGoClient(client, server.port, one.name));
  } finally {
    await server.close();
  }
}

/** A client of Node against grpc-go's server: it serves no batches, so every call must find its plain way. */
async function callsGo(port: number, door: DoorName): Promise<Column> {
  const peer = connectThrough(door, port);
  try {
    const run = async (one: InteropCase): Promise<void> => {
      await one.run(peer);
      await burst(peer, one);
    };
    return await column(`${label(door)} -> grpc-go`, run, () => counts(peer.mesh?.stats()));
  } finally {
    await peer.closeAll();
  }
}

/** Our client against our server, with batches in one carrier. */
async function callsOwn(port: number, door: DoorName, carrier: CarrierName): Promise<Column> {
  const peer = connectThrough(door, port, carrier);
  try {
    const run = async (one: InteropCase): Promise<void> => {
      const { asked, carried } = await runInCarriers(peer, one);
      if (asked > 0 && carried === 0) throw new Error(`${asked} calls at once, and none travelled by ${carrier}`);
    };
    return await column(`${label(door)}, ${carrier} -> inmesh server`, run, () => counts(peer.mesh?.stats()));
  } finally {
    await peer.closeAll();
  }
}

function label(door: DoorName): string {
  return door === 'bare grpc-js' ? door : `inmesh, ${door}`;
}

function counts(stats: MeshStats | undefined): string {
  if (stats === undefined) return '';
  const { items, carriers, tunnels } = stats.coalesce;
  return `${stats.client.calls} calls, ${items} of them in ${carriers} envelopes, ${tunnels.items} in ${tunnels.opened} tunnels`;
}

async function withGo(programs: Exclude<GoPrograms, { missing: string }>, bare: boolean): Promise<Column[]> {
  const columns: Column[] = [];
  if (bare) columns.push(await goCalls(programs.client, 'bare grpc-js'));
  columns.push(await goCalls(programs.client, 'inmesh'));
  const server = await startGoServer(programs.server);
  try {
    for (const door of bare ? (['bare grpc-js', ...DOORS] as const) : DOORS) columns.push(await callsGo(server.port, door));
  } finally {
    await server.stop();
  }
  return columns;
}

async function withOurselves(): Promise<Column[]> {
  const server = await startServer('inmesh');
  try {
    const columns: Column[] = [];
    for (const door of DOORS) for (const carrier of CARRIERS) columns.push(await callsOwn(server.port, door, carrier));
    return columns;
  } finally {
    await server.close();
  }
}

function print(columns: readonly Column[]): void {
  const mark = (problem: string | undefined): string => (problem === undefined ? styleText('green', 'ok  ') : styleText('red', 'FAIL'));
  for (const [index, { title, problems, note }] of columns.entries()) {
    const passed = CASES.filter(({ name }) => problems.get(name) === undefined).length;
    console.log(`[${index + 1}] ${title.padEnd(51)} ${passed} of ${CASES.length} passed${note && ` (${note})`}`);
  }
  console.log(`\n${'case'.padEnd(30)}${columns.map((_, index) => `[${index + 1}]`.padEnd(6)).join('')}`);
  for (const { name } of CASES) console.log(`${name.padEnd(30)}${columns.map((one) => `${mark(one.problems.get(name))}  `).join('')}`);
  for (const { title, problems } of columns) {
    for (const [name, problem] of problems) if (problem !== undefined) console.log(`\n${title}, ${name}: ${problem}`);
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { bare: { type: 'boolean', default: false }, 'require-go': { type: 'boolean', default: false } },
  });
  const spans = recordEveryCall();
  const programs = await goPrograms((line) => console.log(line));
  const missing = 'missing' in programs ? programs.missing : undefined;
  const columns = [...('missing' in programs ? [] : await withGo(programs, values.bare)), ...(await withOurselves())];
  console.log(
    `interop: the ${CASES.length} standard cases, everything on, ${spans()} spans; grpc-go ${GRPC_GO_VERSION}; grpc-js on Node ${process.version}\n`,
  );
  print(columns);
  if (missing !== undefined) console.log(`\n${styleText('yellow', `SKIPPED: grpc-go both ways, because ${missing}.`)}`);
  const failed = columns.flatMap(({ problems }) => [...problems.values()]).filter((problem) => problem !== undefined).length;
  console.log(`\ninterop: ${columns.length * CASES.length - failed} passed, ${failed} failed${missing ? ', grpc-go skipped' : ''}`);
  return failed > 0 || (missing !== undefined && values['require-go']) ? 1 : 0;
}

/** An option that `parseArgs` does not know. */
function isUsageError(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143));
try {
  process.exitCode = await main();
} catch (error) {
  console.error(`interop: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = isUsageError(error) ? 2 : 1;
}
