/**
 * What the typed client gains on the channel door, 256 callers: `node bench/typed.ts [--rounds 9] [--slice-ms 600]`.
 *
 * One client and one server process for each variant, warm before the first round; every variant in every round, in an order of its own;
 * ratios are those of one round. Exit code: 0 measured; 1 a call failed.
 *
 * @packageDocumentation
 */
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/random.ts';
import { Child, findCores } from './child.ts';
import type { RunOrder, RunResult } from './protocol.ts';
import { table } from './report.ts';
import { stopAll } from './rounds.ts';
import { ratios, type Spread, spread } from './stats.ts';
import type { VariantName } from './variants.ts';

const CALLERS = 256;
/** Code is compiled after so many calls; on a busy machine that takes a while. */
const WARM_CALLS = 60_000;
const WARM_MS = 20_000;
const GRACE_MS = 15_000;

/**
 * Calls per second of the typed client against the channel door: at least so much of one whose client keeps where each call was made, as
 * grpc-js does. By default ours does not while a method is calm, and is faster for it.
 */
const GAINS: readonly { readonly typed: VariantName; readonly channel: VariantName; readonly target: number | undefined }[] = [
  { typed: 'tunnel-typed', channel: 'tunnel-stacks', target: 2.5 },
  { typed: 'tunnel-typed', channel: 'tunnel-channel', target: undefined },
  { typed: 'coalesce-typed', channel: 'coalesce-stacks', target: 1.7 },
  { typed: 'coalesce-typed', channel: 'coalesce-channel', target: undefined },
];

/** What one variant showed, by round. */
interface Series {
  readonly variant: VariantName;
  readonly client: Child;
  readonly callsPerSecond: number[];
  readonly cpuUs: number[];
  readonly perBatch: number[];
}

const live = new Set<Child>();

async function start(file: string, args: readonly string[], core: string | undefined): Promise<{ child: Child; port: number }> {
  const child = new Child(file, args, core);
  live.add(child);
  const { port } = await child.hello();
  return { child, port };
}

async function open(variant: VariantName): Promise<Series> {
  const cores = findCores();
  const server = await start('server.ts', [variant], cores.server);
  const client = await start('client.ts', [variant, String(server.port)], cores.client);
  return { variant, client: client.child, callsPerSecond: [], cpuUs: [], perBatch: [] };
}

async function run({ variant, client }: Series, warmMs: number, sliceMs: number): Promise<RunResult> {
  const order: RunOrder = { do: 'run', callers: CALLERS, warmMs, sliceMs };
  const ran = await client.ask<RunResult>(order, warmMs + sliceMs + GRACE_MS);
  if (ran.failed > 0 || ran.calls === 0)
    throw new Error(`${variant}: ${ran.failed} calls failed, ${ran.calls} were answered: ${ran.firstError}`);
  return ran;
}

async function measure(series: readonly Series[], rounds: number, sliceMs: number): Promise<void> {
  for (const one of series)
    for (let calls = 0, ms = 0; calls < WARM_CALLS && ms < WARM_MS; ms += 1000) calls += (await run(one, 0, 1000)).calls;
  const random = seededRandom(1);
  for (let round = 0; round < rounds; round++) {
    const order = series.map((one) => ({ one, at: random() })).sort((a, b) => a.at - b.at);
    for (const { one } of order) {
      const ran = await run(one, sliceMs / 4, sliceMs);
      one.callsPerSecond.push((ran.calls * 1000) / ran.elapsedMs);
      one.cpuUs.push(ran.cpuUs / ran.calls);
      one.perBatch.push(ran.items / ran.carriers);
    }
  }
}

const words = ({ median, min, max }: Spread, digits: number): string =>
  `${median.toFixed(digits)} [${min.toFixed(digits)}..${max.toFixed(digits)}]`;

function report(series: readonly Series[]): void {
  const rows = series.map(({ variant, callsPerSecond, cpuUs, perBatch }) => [
    variant,
    words(spread(callsPerSecond), 0),
    words(spread(cpuUs), 1),
    words(spread(perBatch), 0),
  ]);
  console.log(`${table([`${CALLERS} callers`, 'calls/s', 'client us', 'per batch'], rows)}\n`);
  for (const { typed, channel, target } of GAINS) {
    const [mine, theirs] = [typed, channel].map((name) => series.find(({ variant }) => variant === name));
    if (mine === undefined || theirs === undefined) continue;
    const rate = spread(ratios(mine.callsPerSecond, theirs.callsPerSecond));
    const cpu = spread(ratios(theirs.cpuUs, mine.cpuUs));
    const verdict = target === undefined ? '' : `, >= ${target}: ${rate.median >= target ? 'holds' : 'MISSED'}`;
    console.log(`${typed} / ${channel}: calls/s x ${words(rate, 2)}${verdict}; client CPU per call / ${words(cpu, 2)}`);
  }
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' }, 'slice-ms': { type: 'string', default: '600' } } });
process.on('SIGINT', () => void stopAll(live).finally(() => process.exit(130)));
try {
  const series = await Promise.all([...new Set(GAINS.flatMap(({ typed, channel }) => [typed, channel]))].map(open));
  await measure(series, Number(values.rounds), Number(values['slice-ms']));
  report(series);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await stopAll(live);
}
