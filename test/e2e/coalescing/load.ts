/** Callers whose every call has an id, and a book of what became of each. */
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { EchoClient, Outcome } from '../../support/loopback.ts';

export interface LoadOptions {
  /** First part of every id: tells loads on one fleet apart. */
  readonly name: string;
  /** Calls that are out at a time, each caller's next one after the last; or calls a second, whatever is out. */
  readonly pace: { readonly callers: number } | { readonly perSecond: number };
  readonly idempotent: boolean;
  /** How long the handler takes. */
  readonly takesMs?: number;
  /** Every call's time. */
  readonly deadlineMs?: number;
}

/** One call and its end. */
export interface Ended extends Pick<Outcome, 'code' | 'details' | 'trailers'> {
  readonly id: string;
  readonly tookMs: number;
  /** On `performance.now`. */
  readonly atMs: number;
}

export class Load {
  readonly calls: Ended[] = [];
  readonly #client: EchoClient;
  readonly #options: LoadOptions;
  readonly #done: Promise<unknown>;
  #stopped = false;
  #next = 0;

  /** Starts at once. */
  constructor(client: EchoClient, options: LoadOptions) {
    this.#client = client;
    this.#options = options;
    const { pace } = options;
    // Callers whose client is closed are answered at once: they would spin for ever.
    onTestFinished(() => {
      this.#stopped = true;
    });
    this.#done =
      'callers' in pace ? Promise.all(Array.from({ length: pace.callers }, () => this.#caller())) : this.#steadily(pace.perSecond);
  }

  /** Makes no more calls; resolves when the last one has ended. */
  async stop(): Promise<readonly Ended[]> {
    this.#stopped = true;
    await this.#done;
    return this.calls;
  }

  async #caller(): Promise<void> {
    while (!this.#stopped) if (!(await this.#call())) await sleep(5);
  }

  /** Several at a time, as pages and jobs call: what is due since the last turn. */
  async #steadily(perSecond: number): Promise<void> {
    const startMs = performance.now();
    const out: Promise<unknown>[] = [];
    while (!this.#stopped) {
      await sleep(10);
      for (const due = ((performance.now() - startMs) * perSecond) / 1000; this.#next < due; ) out.push(this.#call());
    }
    await Promise.all(out);
  }

  /** True when it ended well. */
  async #call(): Promise<boolean> {
    const { name, idempotent, takesMs = 0, deadlineMs = 8_000 } = this.#options;
    const id = `${name}${this.#next++}`;
    const sinceMs = performance.now();
    const outcome = await this.#client.say(`${id} ${takesMs}`, { inmesh: { idempotent }, deadline: Date.now() + deadlineMs });
    const { details, trailers } = outcome;
    const code = outcome.code === 'OK' && outcome.text !== id ? `OK, but ${outcome.text}` : outcome.code;
    this.calls.push({ id, code, details, trailers, atMs: sinceMs, tookMs: performance.now() - sinceMs });
    return code === 'OK';
  }
}

/** Those that did not end well, in few words. */
export function failed(calls: readonly Ended[]): readonly string[] {
  return calls.filter(({ code }) => code !== 'OK').map(({ code, details, trailers }) => `${code} ${details} ${JSON.stringify(trailers)}`);
}
