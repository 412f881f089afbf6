/**
 * gRFC A6's retry throttle: an alternative to the budget in which failures close retries, and answers open them again.
 *
 * A bucket of tokens, full at first. A failure that would be worth a retry, or one whose server says "not again", takes one out;
 * an answer with OK puts `tokenRatio` in. A call is sent again only while more than half of the tokens are there.
 *
 * @packageDocumentation
 */
import type { Budget } from './budget.ts';
import { resolveThrottleOptions, type ThrottleOptions } from './options.ts';

/** A6 keeps three decimals of the ratio; whole thousandths never drift. */
const THOUSAND = 1000;

/** One throttle for all that is re-sent to one service. */
export class RetryThrottle implements Budget {
  drawn = 0;
  refused = 0;
  #max: number;
  #ratio: number;
  readonly #onEmpty: () => void;
  #tokens: number;

  /** @param onEmpty - As for a budget. @throws ConfigError on a bad option. */
  constructor(options: ThrottleOptions, onEmpty: () => void = () => {}) {
    this.#onEmpty = onEmpty;
    ({ max: this.#max, ratio: this.#ratio } = thousandths(options));
    this.#tokens = this.#max;
  }

  /** Takes other numbers. As full as it was (F7; grpc-js does so, too). @throws ConfigError on a bad option. */
  retune(options: ThrottleOptions): void {
    const { max, ratio } = thousandths(options);
    this.#tokens = Math.round((this.#tokens * max) / this.#max);
    this.#max = max;
    this.#ratio = ratio;
  }

  /** Calls cost nothing here. */
  deposit(): void {}
  succeeded(): void {
    this.#tokens = Math.min(this.#max, this.#tokens + this.#ratio);
  }
  failed(): void {
    this.#tokens = Math.max(0, this.#tokens - THOUSAND);
  }
  /** Takes nothing out: what a retry costs is paid when it fails. */
  tryWithdraw(): boolean {
    const paid = this.#tokens * 2 > this.#max;
    if (paid) this.drawn++;
    else {
      this.refused++;
      this.#onEmpty();
    }
    return paid;
  }
  /** A slow attempt is a failure that has not ended: it costs a token at once. */
  tryJoin(): boolean {
    if (!this.tryWithdraw()) return false;
    this.failed();
    return true;
  }
  /** Failures in a row until retries stop. */
  balance(): number {
    return Math.max(0, Math.ceil((this.#tokens - this.#max / 2) / THOUSAND));
  }
  /** Tokens now, with a fraction. */
  get tokens(): number {
    return this.#tokens / THOUSAND;
  }
}

function thousandths(options: ThrottleOptions): { max: number; ratio: number } {
  const { maxTokens, tokenRatio } = resolveThrottleOptions(options, 'retryBudget.throttle');
  return { max: Math.round(maxTokens * THOUSAND), ratio: Math.floor(tokenRatio * THOUSAND + 1e-6) };
}
