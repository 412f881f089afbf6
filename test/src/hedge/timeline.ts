/**
 * One hedged call in virtual time: attempts take as long, and end as, a script says.
 */
import { Code } from '../../../src/call.ts';
import { type HedgeOptions, resolveHedgeOptions } from '../../../src/hedge/options.ts';
import { type HedgeBudget, HedgePlan, type HedgeStep } from '../../../src/hedge/plan.ts';

/** How an attempt ends, `afterMs` after it began. Without `afterMs` it never does. */
export interface Script {
  readonly afterMs?: number;
  readonly code?: number;
  readonly pushback?: readonly string[];
  readonly unprocessed?: boolean;
}

export interface CallFacts {
  readonly deadlineMs?: number;
  readonly budget?: HedgeBudget;
  /** The app gives up then. */
  readonly cancelMs?: number;
}

export interface Played {
  /** When attempts began. */
  readonly startsMs: readonly number[];
  /** When the call ended, and with what; undefined: not within an hour. */
  readonly endMs: number | undefined;
  readonly code: number | undefined;
  /** Attempts that were out when the call ended. */
  readonly losers: number;
  /** The plan would still wake up then; Infinity: never. */
  readonly nextAtMs: number;
}

/** Lets `count` attempts through besides the original. */
export class CountingBudget implements HedgeBudget {
  withdrawn = 0;
  refused = 0;
  failures = 0;
  readonly #left: number;
  constructor(left: number = Number.POSITIVE_INFINITY) {
    this.#left = left;
  }
  tryJoin(): boolean {
    return this.tryWithdraw();
  }
  tryWithdraw(): boolean {
    if (this.withdrawn >= this.#left) {
      this.refused++;
      return false;
    }
    this.withdrawn++;
    return true;
  }
  failed(): void {
    this.failures++;
  }
}

/** The policy of the table: 4 attempts, 500 ms, UNAVAILABLE goes on. */
export const CORE: HedgeOptions = { maxAttempts: 4, delayMs: 500 };
const HOUR_MS = 3_600_000;

interface Out {
  readonly endMs: number;
  readonly script: Script;
}

/** Plays a call from time 0. Attempts beyond the scripts do as the last. `delayMs` undefined in `options`: not known. */
export function play(options: HedgeOptions, scripts: readonly Script[], call: CallFacts = {}): Played {
  const { maxAttempts, delayMs, nonFatalCodes } = resolveHedgeOptions(options, 'hedge');
  const { deadlineMs = Number.POSITIVE_INFINITY, cancelMs = Number.POSITIVE_INFINITY, budget = new CountingBudget() } = call;
  const plan = new HedgePlan({ maxAttempts, delayMs, nonFatalCodes, deadlineMs, budget });
  const startsMs: number[] = [];
  const out: Out[] = [];
  let nowMs = 0;
  const begin = (): void => {
    const script = scripts[Math.min(startsMs.length, scripts.length - 1)] ?? {};
    startsMs.push(nowMs);
    out.push({ endMs: Math.min(nowMs + (script.afterMs ?? Number.POSITIVE_INFINITY), deadlineMs), script });
  };
  const result = (endMs: number | undefined, code: number | undefined): Played => ({
    startsMs,
    endMs,
    code,
    losers: out.length,
    nextAtMs: plan.nextAtMs,
  });
  plan.start(nowMs);
  begin();
  let step: HedgeStep = plan.due(nowMs);
  let code: number | undefined;
  for (;;) {
    while (step === 'start') {
      begin();
      step = plan.due(nowMs);
    }
    if (step === 'end') return result(nowMs, code);
    out.sort((a, b) => a.endMs - b.endMs);
    const answerMs = out[0]?.endMs ?? Number.POSITIVE_INFINITY;
    const nextMs = Math.min(answerMs, plan.nextAtMs, cancelMs);
    if (nextMs > HOUR_MS) return result(undefined, undefined);
    nowMs = nextMs;
    if (cancelMs <= nowMs) {
      plan.stop();
      return result(nowMs, Code.CANCELLED);
    }
    if (answerMs <= nowMs) {
      const ended = out.shift();
      const late = nowMs >= deadlineMs;
      code = late ? Code.DEADLINE_EXCEEDED : (ended?.script.code ?? Code.OK);
      const { pushback = [], unprocessed = false } = late ? {} : (ended?.script ?? {});
      step = plan.ended({ code, pushback, unprocessed }, nowMs);
    } else step = plan.due(nowMs);
  }
}
