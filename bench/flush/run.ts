/**
 * `npm run bench:flush`: the flush policies in a simulator, under many arrival processes, against an oracle that knows the
 * future. `--real` adds a short run over a real connection. Exit code: 0; 2 wrong flags.
 *
 * @packageDocumentation
 */
import { parseArgs } from 'node:util';
import { type RealRow, realRun } from './real.ts';
import { CARRIERS, type CarrierName, compare, type Score, score, type Table } from './score.ts';

const USAGE = `npm run bench:flush -- [flags]
  --short   a tenth of the calls
  --real    over 127.0.0.1 instead, client and server in one process, < 20 s
  --json    every figure, as JSON
  --seed N  another draw (default 1)`;

const CALLS = 10_000;
const REAL_PLAN = { callers: [1, 64], warmMs: 300, sliceMs: 600 };
const CARRIER_NAMES = Object.keys(CARRIERS) as CarrierName[];

const cell = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '-').padStart(9);

function renderTable({ carrier, workload, about, rows, best }: Table): string {
  const head = `${carrier}, ${workload}: ${about}. Cheapest rule: ${best[0]} (latency dear), ${best[1]} (latency cheap)`;
  const names = ['p50 ms', 'p99 ms', 'cpu us', 'carriers', 'wait ms', 'regret', 'regret/10', 'limit'];
  const lines = rows.map(
    (row) =>
      row.policy.padEnd(16) +
      cell(row.p50Ms, 2) +
      cell(row.p99Ms, 2) +
      cell(row.cpuUs, 0) +
      cell(row.carriers, 3) +
      cell(row.waitMs, 3) +
      cell(row.regret1Us, 0) +
      cell(row.regret10Us, 0) +
      cell(row.limit, 0),
  );
  return [head, ' '.repeat(16) + names.map((name) => name.padStart(9)).join(''), ...lines, ''].join('\n');
}

function renderScores(scores: readonly Score[]): string {
  const lines = scores.map(
    ({ policy, mean, worst }) =>
      policy.padEnd(16) +
      cell(mean[0] ?? Number.NaN, 3) +
      cell(worst[0] ?? Number.NaN, 2) +
      cell(mean[1] ?? Number.NaN, 3) +
      cell(worst[1] ?? Number.NaN, 2),
  );
  return [
    `${scores[0]?.carrier}: cost of an item over the cheapest policy's, mean and worst of the workloads, latency dear and cheap`,
    ...lines,
    '',
  ].join('\n');
}

function renderReal(rows: readonly RealRow[]): string {
  const head = `${'real'.padEnd(16)}${['callers', 'calls/s', 'p50 ms', 'p99 ms', 'cpu us', 'a carrier'].map((name) => name.padStart(10)).join('')}`;
  const lines = rows.map(
    ({ policy, callers, callsPerSecond, p50Ms, p99Ms, cpuUs, perCarrier }) =>
      policy.padEnd(16) +
      [callers, callsPerSecond.toFixed(0), p50Ms.toFixed(2), p99Ms.toFixed(2), cpuUs.toFixed(0), perCarrier.toFixed(1)]
        .map((value) => String(value).padStart(10))
        .join(''),
  );
  return [head, ...lines, ''].join('\n');
}

interface Flags {
  readonly short: boolean;
  readonly real: boolean;
  readonly json: boolean;
  readonly seed: number;
}

function readFlags(): Flags | undefined {
  try {
    const { values } = parseArgs({
      options: {
        short: { type: 'boolean', default: false },
        real: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        seed: { type: 'string', default: '1' },
      },
    });
    const seed = Number(values.seed);
    return Number.isInteger(seed) && seed >= 0 ? { ...values, seed } : undefined;
  } catch {
    return undefined;
  }
}

const flags = readFlags();
const print = (text: string): void => void process.stdout.write(`${text}\n`);
if (flags === undefined) {
  process.stderr.write(`${USAGE}\n`);
  process.exitCode = 2;
} else if (flags.real) {
  const rows = await realRun(REAL_PLAN);
  print(flags.json ? JSON.stringify({ real: rows }) : renderReal(rows));
} else {
  const tables = compare(flags.short ? CALLS / 10 : CALLS, flags.seed, CARRIER_NAMES);
  const scores = CARRIER_NAMES.map((carrier) => score(tables, carrier));
  if (flags.json) print(JSON.stringify({ tables, scores }));
  else {
    for (const table of tables) print(renderTable(table));
    print('cpu: of client and server. wait: in the queue. regret: us of CPU that an item cost more than with the best decisions,');
    print("a caller's time worth CPU time 1:1, and 1:10.\n");
    for (const one of scores) print(renderScores(one));
  }
}
