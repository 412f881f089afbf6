/** The verdict in plain words. Every sentence is made from the numbers it speaks of; where act 2 ties or wins, it says so. */
import type { Phase } from './messages.ts';
import type { Summary } from './summary.ts';

/** Two latencies closer than this are called equal: one step of a timer, or a tenth. */
const TIE_MS = 1;
const TIE_SHARE = 0.1;

/** Writes the verdict over the acts that were played; `short` for the short form. */
export function verdict(acts: readonly Summary[], short: boolean): readonly string[] {
  const two = acts.find((act) => act.act === 2);
  const three = acts.find((act) => act.act === 3);
  const four = acts.find((act) => act.act === 4);
  return [
    ...acts.map(lostCalls),
    ...(two && three ? [...noLossEither(two, three), slowReplica(two, three), wholeRun(two, three), cpu(two, three)] : []),
    ...(two && four ? [slowReplica(two, four), wholeRun(two, four), cpu(two, four)] : []),
    ...(three && four ? [wire(three, four)] : []),
    content(acts),
    ...(short ? ['This was the short form: the processes were still warming up, so its CPU figures say little.'] : []),
  ];
}

function lostCalls(act: Summary): string {
  if (act.lost === 0) return `Act ${act.act} lost none of ${count(act.calls)} calls.`;
  const phases = ALL_PHASES.filter((phase) => act.lostByPhase[phase] > 0).map(
    (phase) => `${count(act.lostByPhase[phase])} ${PHASE_WORDS[phase]}`,
  );
  const spoilt = act.pages - act.wholePages;
  return `Act ${act.act} lost ${count(act.lost)} of ${count(act.calls)} calls (${phases.join(', ')}), which spoilt ${count(spoilt)} of ${count(act.pages)} pages.`;
}

/** Where grpc-js, well set up, does as well: phases that cost neither act a call. */
function noLossEither(before: Summary, after: Summary): readonly string[] {
  const even = FAULTS.filter((phase) => before.lostByPhase[phase] === 0 && after.lostByPhase[phase] === 0);
  if (even.length === 0) return [];
  return [`Tie: ${even.map((phase) => PHASE_WORDS[phase]).join(', ')}: acts ${before.act} and ${after.act} both lose nothing.`];
}

const FAULTS: readonly Phase[] = ['slow', 'killed', 'restarts', 'replaced'];
const ALL_PHASES: readonly Phase[] = ['healthy', ...FAULTS];
const PHASE_WORDS: Readonly<Record<Phase, string>> = {
  healthy: 'with all replicas healthy',
  slow: 'while one replica was slow',
  killed: 'around the kill',
  restarts: 'during the restarts',
  replaced: 'during the move to a new address',
};

function slowReplica(before: Summary, after: Summary): string {
  const of = `p99 of calls while one replica is slow`;
  return compareMs(of, before, before.callMsByPhase.slow.p99, after, after.callMsByPhase.slow.p99);
}

function wholeRun(before: Summary, after: Summary): string {
  return compareMs(
    'p50 of calls with all replicas healthy',
    before,
    before.callMsByPhase.healthy.p50,
    after,
    after.callMsByPhase.healthy.p50,
  );
}

function compareMs(of: string, before: Summary, beforeMs: number, after: Summary, afterMs: number): string {
  const figures = `${ms(beforeMs)} in act ${before.act}, ${ms(afterMs)} in act ${after.act}`;
  const difference = Math.abs(beforeMs - afterMs);
  if (difference <= TIE_MS || difference <= TIE_SHARE * beforeMs) return `Tie: ${of}: ${figures}.`;
  if (afterMs < beforeMs) return `Act ${after.act} is ahead: ${of}: ${figures} (${times(beforeMs / afterMs)} less).`;
  return `Act ${before.act} is ahead: ${of}: ${figures} (act ${after.act} takes ${times(afterMs / beforeMs)} as long).`;
}

function cpu(before: Summary, after: Summary): string {
  const beforeUs = before.cpuUsPerCall.total;
  const afterUs = after.cpuUsPerCall.total;
  const of = `CPU per call, client and servers: ${us(beforeUs)} in act ${before.act}, ${us(afterUs)} in act ${after.act}`;
  if (Math.abs(beforeUs - afterUs) <= TIE_SHARE * beforeUs) return `Tie: ${of}.`;
  if (afterUs < beforeUs) return `Act ${after.act} is ahead: ${of} (${times(beforeUs / afterUs)} less).`;
  return `Act ${before.act} is ahead: ${of} (act ${after.act} costs ${Math.round((afterUs / beforeUs - 1) * 100)} % more).`;
}

function wire(three: Summary, four: Summary): string {
  const of = `RPCs on the wire per call: ${three.rpcsPerCall} in act 3, ${four.rpcsPerCall} in act 4`;
  return four.rpcs < three.rpcs * (1 - TIE_SHARE)
    ? `${of} (${times(three.rpcs / four.rpcs)} fewer).`
    : `${of}: coalescing merged little or nothing.`;
}

function content(acts: readonly Summary[]): string {
  const wrong = acts.reduce((sum, act) => sum + act.wrongPages, 0);
  const unrecorded = acts.reduce((sum, act) => sum + act.unrecordedViews, 0);
  const differ = new Set(acts.map((act) => act.checksum)).size > 1;
  if (wrong > 0 || differ) return `WRONG: ${count(wrong)} pages are not what the database says, or the acts' checksums differ.`;
  if (unrecorded > 0) return `WRONG: ${count(unrecorded)} pages were answered as recorded and are not in the database.`;
  return 'Every whole page of every act is what the database says, and its write is in it.';
}

/** `1234` as `1,234`. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

function ms(value: number): string {
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

function us(value: number): string {
  return `${value.toFixed(0)} µs`;
}

function times(value: number): string {
  return `${value.toFixed(1)}x`;
}
