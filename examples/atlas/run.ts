/** The main job of the repository: `npm start`. Plays the acts, prints them side by side. `--help` says the rest. */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { playAct, type Setting } from './act.ts';
import { actOf, diffOf } from './acts.ts';
import { preparePlaces, Truth } from './data.ts';
import { FlagError, HELP, readFlags } from './flags.ts';
import { PORTS } from './fleet.ts';
import { leaveOpen } from './look.ts';
import { planPage } from './pages.ts';
import { killAll, type Surroundings } from './processes.ts';
import { Printer, table } from './report.ts';
import { DEADLINE_MS, measuredMs, schedule } from './schedule.ts';
import { AT_A_TIME, WAIT_MS } from './storage.ts';
import { type Summary, summarize, withChecksums } from './summary.ts';
import { tracedSurroundings } from './telemetry.ts';
import { count, verdict } from './verdict.ts';

/** Exit codes: 0 done, 1 something is wrong with the run or its pages, 2 a wrong command line, 128 + n stopped by a signal. */
const WRONG = 1;
const MISUSED = 2;
const SIGNALLED = 128;

/** Acts 1 and 2 make no traces: nothing in them could. */
const UNTRACED: Surroundings = { preload: [], env: {} };

/** Something stands in the way of the run; the message says what and how to mend it. */
class RunError extends Error {
  override readonly name = 'RunError';
}

async function main(): Promise<number> {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const out = new Printer(flags.json ? process.stderr : process.stdout);
  await checkPorts(flags.port);
  if (flags.ui || flags.acts.some((act) => act >= 3)) checkBuilt();
  const traced = flags.otlp === null ? UNTRACED : tracedSurroundings(flags.otlp);
  const placesFile = preparePlaces((line) => out.line(line));
  const truth = new Truth(placesFile);
  const setting = { flags, plan: schedule(flags.short), placesFile, places: truth.places };
  introduce(out, setting);
  if (flags.ui) {
    const act = actOf(flags.acts.findLast((number) => number >= 3) ?? 4);
    out.heading(`Act ${act.number}: ${act.name}, until Ctrl-C`);
    const opened = (url: string): void => out.line(`  the live page: ${url}`, 'bold');
    return leaveOpen(act, { ...setting, around: traced }, opened, (what) => out.line(`  ${what}`, 'yellow'));
  }

  const rightDigest = (page: number): string => truth.digest(planPage(flags.seed, page, flags.fanout, truth.places));
  const summaries: Summary[] = [];
  const digests: (readonly (string | null)[])[] = [];
  for (const number of flags.acts) {
    const { summary, seen } = await perform(number, { ...setting, around: number >= 3 ? traced : UNTRACED }, rightDigest, out);
    summaries.push(summary);
    digests.push(seen);
  }
  truth.close();
  const acts = withChecksums(summaries, digests);
  const words = verdict(acts, flags.short);
  out.heading('Side by side');
  for (const row of table(acts)) out.line(row);
  out.heading('Verdict');
  for (const sentence of words) out.line(`- ${sentence}`);
  if (flags.json) {
    const { seed, rate, fanout, short } = flags;
    process.stdout.write(`${JSON.stringify({ seed, rate, fanout, short, node: process.version, acts, verdict: words }, null, 2)}\n`);
  }
  const equal = new Set(acts.map((act) => act.checksum)).size === 1;
  return equal && acts.every((act) => act.wrongPages === 0 && act.unrecordedViews === 0) ? 0 : WRONG;
}

async function perform(
  number: number,
  setting: Setting,
  rightDigest: (page: number) => string,
  out: Printer,
): Promise<{ summary: Summary; seen: readonly (string | null)[] }> {
  const act = actOf(number);
  out.heading(`Act ${number}: ${act.name}`);
  if (act.comparedWith !== null) {
    const { client, server } = diffOf(act, actOf(act.comparedWith));
    for (const [side, diff] of [
      ['client', client],
      ['server', server],
    ] as const) {
      if (diff.lines.length === 0) out.line(`  ${side}: nothing changes`);
      else out.line(`  ${side}: +${diff.added.length} -${diff.removed.length} lines of code on act ${act.comparedWith}`);
      out.diffLines(diff.lines);
    }
  }
  const played = await playAct(act, setting, {
    fault: (atMs, what) => out.fault(atMs, what),
    progress: (atMs, pages, of, calls, lost) =>
      out.progress(atMs, `${count(pages)} of ${count(of)} pages, ${count(calls)} calls, ${count(lost)} lost`),
  });
  const summary = summarize(act, played, rightDigest, setting.flags.fanout);
  out.line(
    `  done: ${count(summary.calls)} calls, ${count(summary.lost)} lost, ${count(summary.wholePages)} of ${count(summary.pages)} pages whole`,
  );
  return { summary, seen: played.app.digests };
}

function introduce(out: Printer, setting: Omit<Setting, 'around'>): void {
  const { rate, fanout, seed } = setting.flags;
  const day = (measuredMs(setting.plan) / 1000).toFixed(1);
  const page = fanout === 1 ? 'a single GetPlace' : `${fanout} GetPlace, a SearchPlaces stream and a RecordView`;
  out.line(
    `${count(setting.places)} places; three replicas; ${rate} pages/s for ${day} s, each ${page}; ${DEADLINE_MS} ms for every call; seed ${seed}.`,
  );
  if (setting.flags.otlp !== null)
    out.line(`Acts 3 and 4 send the trace of every call and metrics to ${setting.flags.otlp}; that is part of their CPU.`);
  out.line(
    `The faults hit replica 1, which is where act 1 has all its calls. Each replica has ${AT_A_TIME} accesses to its storage at a time, of ${WAIT_MS} ms as a rule.`,
  );
}

/** Fails early and clearly when a port is taken. */
async function checkPorts(first: number): Promise<void> {
  for (let port = first; port < first + PORTS; port++) {
    const problem = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      const probe = createServer();
      probe.once('error', resolve);
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(null)));
    });
    if (problem?.code === 'EADDRINUSE') {
      throw new RunError(
        `port ${port} is in use; the replicas need ${first} to ${first + PORTS - 1}: free it or choose others with --port N`,
      );
    }
    if (problem !== null) throw new RunError(`port ${port} cannot be used: ${problem.message}`);
  }
}

function checkBuilt(): void {
  const built = fileURLToPath(import.meta.resolve('inmesh'));
  if (!existsSync(built))
    throw new RunError('inmesh is not built yet: run `npm run build` first (`npm start` does), or play only --acts 1,2');
}

function interrupted(signal: NodeJS.Signals): void {
  killAll();
  process.stderr.write(`\natlas: stopped by ${signal}\n`);
  process.exit(SIGNALLED + constants.signals[signal]);
}

process.on('SIGINT', interrupted);
process.on('SIGTERM', interrupted);
process.on('exit', killAll);
try {
  process.exitCode = await main();
} catch (error) {
  killAll();
  const problem = error instanceof Error ? error : new Error(String(error));
  const expected =
    problem instanceof FlagError || problem instanceof RunError || problem.name === 'ProcessError' || problem.name === 'TelemetryError';
  process.stderr.write(`atlas: ${expected ? problem.message : problem.stack}\n`);
  process.exitCode = problem instanceof FlagError ? MISUSED : WRONG;
}
