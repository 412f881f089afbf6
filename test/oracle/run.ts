/**
 * The oracle in its long form: a million calls, in every form and at every door, each held against a bare call.
 *
 *     node test/oracle/run.ts [calls in all, default 1000000] [seed, default 1]
 *
 * Ends with one line, and with exit code 1 if anything differed.
 */
import { forms } from '../grpc/pair.ts';
import { oracleDoors, type Report, runOracle, verdict, type Way } from './oracle.ts';
import { serveOracle } from './server.ts';

const [total = 1_000_000, seed = 1] = process.argv.slice(2).map(Number);
if (!Number.isSafeInteger(total) || total < 1 || !Number.isSafeInteger(seed)) throw new Error('expected: calls in all, seed');

const ways: Way[] = forms.flatMap((form) => oracleDoors.map((door): Way => ({ form, door })));
const each = Math.ceil(total / ways.length);
const server = await serveOracle();
const reports: Report[] = [];
let peakMb = 0;

async function one(way: Way, calls: number): Promise<void> {
  const report = await runOracle(server, way, calls, seed);
  reports.push(report);
  peakMb = Math.max(peakMb, process.memoryUsage().rss / 2 ** 20);
  const { mixed, foreign, bleed, different } = report.faults;
  console.log(
    `${report.way}: ${calls} calls in ${report.seconds.toFixed(1)} s, ${report.items} items in ${report.messages} messages, ` +
      `${mixed} mixed carriers, ${foreign} foreign, ${bleed} bleeds, ${different} different`,
  );
}

await one({ form: 'direct' }, Math.min(10_000, each));
for (const way of ways) await one(way, each);
server.kill();

const wrong = reports.flatMap(verdict);
for (const line of wrong) console.error(line);
const sum = (count: (report: Report) => number): number => reports.reduce((all, report) => all + count(report), 0);
const coalesced = sum(({ way, calls }) => (way === 'direct' ? 0 : calls));
console.log(
  wrong.length === 0
    ? `oracle: ${coalesced} calls coalesced, all as direct; 0 mixed carriers, 0 foreign bytes, 0 context bleed; at most ${peakMb.toFixed(0)} MB`
    : `oracle: ${wrong.length} findings, seed ${seed}`,
);
process.exitCode = wrong.length === 0 ? 0 : 1;
