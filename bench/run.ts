/**
 * `npm run bench`: client and server in processes of their own, alternating rounds, ratios to bare grpc-js of the same
 * round. `npm run bench -- layers`: our own microseconds per call, over a fake channel;
 * `-- telemetry`: those of spans and metrics. `--help` lists the flags.
 *
 * Exit code: 0 measured (a missed budget is said, not punished); 1 a gate or a call failed; 2 wrong flags; 130 interrupted.
 *
 * @packageDocumentation
 */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { gate, type Measured, readBaseline, writeBaseline } from './baseline.ts';
import { type Child, findCores } from './child.ts';
import { FlagError, type Flags, parseFlags, USAGE } from './flags.ts';
import { runLayers } from './layers.ts';
import { judgeRows, legend, renderRows, renderVerdicts, summarise } from './report.ts';
import { runRounds, stopAll } from './rounds.ts';
import { runTelemetry } from './telemetry.ts';

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};
const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Runs what the flags say; the exit code. `live` holds the processes at any time. */
export async function bench(flags: Flags, live: Set<Child>): Promise<number> {
  const run = flags.suite === 'layers' ? runLayers : flags.suite === 'telemetry' ? runTelemetry : runCalls;
  const measured = await run(flags, live, say, print);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(measured.json, null, 2)}\n`);
  if (flags.writeBaseline) writeBaseline(measured.medians);
  const failures = flags.gate ? gate(readBaseline(), measured.medians) : [];
  for (const failure of failures) print(`GATE ${failure}`);
  for (const fault of new Set(measured.faults)) print(`FAULT ${fault}`);
  if (flags.gate && failures.length === 0) print('gate passed');
  return failures.length + measured.faults.length > 0 ? 1 : 0;
}

async function runCalls(flags: Flags, live: Set<Child>): Promise<Measured> {
  const cores = findCores();
  print(`node ${process.version}, ${describeCores(cores.client, cores.server)}, slices of ${flags.sliceMs} ms, message of 32 B\n`);
  const outcome = await runRounds({ ...flags, cores }, live, say);
  const rows = summarise(outcome, flags.callers);
  const judged = judgeRows(rows);
  print(renderRows(rows));
  print(
    `\nx bare: median [min..max] over ${outcome.rounds} rounds of the ratio to bare of the same round (in it, the median over its passes); us: CPU per call`,
  );
  print(`${legend(flags.variants)}\n`);
  print(renderVerdicts(judged, outcome.rounds));
  const rate = Object.fromEntries(
    rows.filter((row) => row.variant !== 'bare').map((row) => [`${row.variant}@${row.callers}`, row.rate.median]),
  );
  return {
    json: { node: process.version, flags, ...outcome, rows, judged },
    medians: { rate },
    faults: outcome.faults,
  };
}

function describeCores(client: string | undefined, server: string | undefined): string {
  return client === undefined ? 'processes not pinned' : `clients on core ${client}, servers on core ${server}`;
}

async function main(): Promise<void> {
  const live = new Set<Child>();
  const interrupt = (): void => {
    void stopAll(live).finally(() => process.exit(130));
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    const flags = parseFlags(process.argv.slice(2));
    if (flags.help) print(USAGE);
    else process.exitCode = await bench(flags, live);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    say(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  } finally {
    await stopAll(live);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
