/** When what happens in an act: the same for every act. */
import type { Phase } from './messages.ts';

/** One phase of an act. */
interface Slot {
  readonly phase: Phase;
  readonly lastsMs: number;
}

/** The times of one act. */
export interface Schedule {
  readonly warmUpMs: number;
  readonly slots: readonly Slot[];
}

/** How slow the slow replica is. */
export const SLOW_FACTOR = 20;
/** How long a killed replica stays away before it is started again. */
export const DOWN_MS = 300;
/** How long the application goes on after the last fault at least. */
export const AFTER_LAST_FAULT_MS = 400;
/** Every call of every act gets this long. */
export const DEADLINE_MS = 2_000;

/** The full day, or the short one. */
export function schedule(short: boolean): Schedule {
  const lasts: readonly [Phase, number, number][] = [
    ['healthy', 4_000, 600],
    ['slow', 5_000, 900],
    ['killed', 4_000, 800],
    ['restarts', 5_000, 2_200],
    ['replaced', 3_000, 900],
  ];
  const slots = lasts.map(([phase, fullMs, shortMs]) => ({ phase, lastsMs: short ? shortMs : fullMs }));
  return { warmUpMs: short ? 400 : 3_000, slots };
}

/** How long the measured part lasts. */
export function measuredMs(plan: Schedule): number {
  return plan.slots.reduce((sum, slot) => sum + slot.lastsMs, 0);
}
