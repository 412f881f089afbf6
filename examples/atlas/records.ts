/** Counts what the application saw: every call, every page, by the phase in which it began. */
import { status } from '@grpc/grpc-js';
import type { AppResult, Phase } from './messages.ts';

type Measured = Pick<AppResult, 'calls' | 'lost' | 'lostByStatus' | 'lostByPhase' | 'callMs' | 'pageMs' | 'digests'>;

/** An empty value for each phase. */
function byPhase<Value>(make: () => Value): Record<Phase, Value> {
  return { healthy: make(), slow: make(), killed: make(), restarts: make(), replaced: make() };
}

export class Records {
  phase: Phase = 'healthy';
  calls = 0;
  lost = 0;
  pages = 0;
  readonly #lostByStatus: Record<string, number> = {};
  readonly #lostByPhase = byPhase(() => 0);
  readonly #callMs = byPhase((): number[] => []);
  readonly #pageMs: number[] = [];
  readonly #digests: (string | null)[] = [];

  /** One call ended. `code` is its status, `begun` the phase in which the application made it. */
  call(begun: Phase, code: number, tookMs: number): void {
    this.calls++;
    this.#callMs[begun].push(Math.round(tookMs * 1000) / 1000);
    if (code === status.OK) return;
    this.lost++;
    this.#lostByPhase[begun]++;
    const name = status[code] ?? String(code);
    this.#lostByStatus[name] = (this.#lostByStatus[name] ?? 0) + 1;
  }

  /** One page ended. `digest` is null when a call of it was lost. */
  page(number: number, digest: string | null, tookMs: number): void {
    this.pages++;
    this.#digests[number] = digest;
    this.#pageMs.push(Math.round(tookMs * 1000) / 1000);
  }

  result(): Measured {
    return {
      calls: this.calls,
      lost: this.lost,
      lostByStatus: this.#lostByStatus,
      lostByPhase: this.#lostByPhase,
      callMs: this.#callMs,
      pageMs: this.#pageMs,
      digests: this.#digests,
    };
  }
}
