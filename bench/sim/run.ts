/**
 * `npm run sim`: what our engines do to an outage, and what other ways of sending again do, in virtual time.
 */

import { amplification, goodput, recoversIn, runMetastable, type Scenario, type Trigger, type Way } from './metastable.ts';
import { quantile, runTail, type TailOptions } from './tail.ts';
import { runThrottle } from './throttle.ts';

const percent = (share: number): string => `${Math.round(share * 100)}`.padStart(4);

function metastable(): void {
  console.log('Metastable failure: 3 replicas of 2 slots x 10 ms, 80 % load, 200 ms timeout; the fault begins at 10 s.');
  console.log('goodput in % of calls at 20-30 s and 50-60 s; amplification: attempts a call at 12-60 s; s until 95 % for good\n');
  console.log(`${'fault'.padEnd(10)}${'client'.padEnd(20)}${'server'.padEnd(12)} 20-30 50-60  ampl  back`);
  const ways: readonly Way[] = ['none', 'loop 3', 'loop 4 + backoff', 'budget', 'mesh'];
  for (const trigger of ['stall', 'spike', 'replica', 'cold'] satisfies Trigger[]) {
    for (const way of ways) {
      for (const dropLate of [false, true]) {
        const scenario: Scenario = { way, trigger, dropLate };
        const seconds = runMetastable(scenario);
        const back = recoversIn(seconds, trigger);
        console.log(
          `${trigger.padEnd(10)}${way.padEnd(20)}${(dropLate ? 'drops late' : 'plain').padEnd(12)}` +
            ` ${percent(goodput(seconds, 20, 30))}  ${percent(goodput(seconds, 50, 60))}` +
            `  ${amplification(seconds, 12, 60).toFixed(2)}  ${back === Number.POSITIVE_INFINITY ? 'never' : `${back} s`}`,
        );
      }
    }
  }
}

function tail(): void {
  console.log('\nTail: 10 ms, one of a hundred 20 times slower; the last one ten times slower as a whole.\n');
  console.log(`${'client'.padEnd(30)}  p50   p99 p99.9  attempts`);
  const rows: readonly (readonly [string, TailOptions])[] = [
    ['alone', {}],
    ['hedged at p95', { hedge: { percentile: 0.95 } }],
    ['hedged at p98 (default)', { hedge: {} }],
    ['hedged at p99', { hedge: { percentile: 0.99 } }],
    ['hedged after 20 ms', { hedge: { delayMs: 20 } }],
    ['hedged, all slower', { hedge: {}, slowdown: 10 }],
  ];
  for (const [name, options] of rows) {
    const run = runTail(options);
    const ms = (q: number): string => quantile(run, q).toFixed(0).padStart(5);
    console.log(`${name.padEnd(30)}${ms(0.5)} ${ms(0.99)} ${ms(0.999)}  ${(run.attempts / run.calls).toFixed(3)}`);
  }
}

function throttle(): void {
  console.log(
    '\nClient-side throttling, k = 2: a service of 400 calls a second, with a limit.\n\n load  refused here  formula  sent/taken',
  );
  for (const load of [1, 2, 3, 5, 10]) {
    const { calls, sent, accepted } = runThrottle(load);
    const formula = Math.max(0, (calls - 2 * accepted) / (calls + 1));
    console.log(
      `${String(load).padStart(5)}${(1 - sent / calls).toFixed(2).padStart(14)}${formula.toFixed(2).padStart(9)}${(sent / accepted).toFixed(2).padStart(12)}`,
    );
  }
}

metastable();
tail();
throttle();
