/** Plays one act: three replicas and the application as processes, a warm-up, then fault after fault. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Act } from './acts.ts';
import { countViews, createViews, removeViews } from './data.ts';
import type { Flags } from './flags.ts';
import { Fleet, REPLICAS } from './fleet.ts';
import type { AppResult } from './messages.ts';
import { App, type Surroundings } from './processes.ts';
import { AFTER_LAST_FAULT_MS, DEADLINE_MS, DOWN_MS, measuredMs, type Schedule, SLOW_FACTOR } from './schedule.ts';

/** Where an act tells what goes on. */
export interface Stage {
  /** Something happened, `atMs` after the first measured page. */
  fault(atMs: number, what: string): void;
  progress(atMs: number, pages: number, ofPages: number, calls: number, lost: number): void;
}

/** One fault and its time. */
export interface Fault {
  readonly atMs: number;
  readonly what: string;
}

/** What one act came to. */
export interface Played {
  readonly app: AppResult;
  readonly serversCpuUs: number;
  readonly serversHealthyCpuUs: number;
  readonly faults: readonly Fault[];
  /** How many different pages the replicas noted as viewed. */
  readonly views: number;
}

/** What all acts share. */
export interface Setting {
  readonly flags: Flags;
  readonly plan: Schedule;
  readonly placesFile: string;
  readonly places: number;
  readonly around: Surroundings;
}

/** How many pages the measured part of an act has. */
function pageCount(setting: Pick<Setting, 'plan' | 'flags'>): number {
  return Math.round((measuredMs(setting.plan) * setting.flags.rate) / 1000);
}

/** Plays `act` and returns what was measured. */
export async function playAct(act: Act, setting: Setting, stage: Stage): Promise<Played> {
  const viewsFile = createViews();
  try {
    const measured = await playWith(viewsFile, act, setting, stage);
    return { ...measured, views: countViews(viewsFile) };
  } finally {
    removeViews(viewsFile);
  }
}

async function playWith(viewsFile: string, act: Act, setting: Setting, stage: Stage): Promise<Omit<Played, 'views'>> {
  const { flags, plan, placesFile, places, around } = setting;
  const { seed, rate, fanout } = flags;
  const pages = pageCount(setting);
  const faults: Fault[] = [];
  let startMs = 0;
  const say = (what: string): void => {
    const atMs = performance.now() - startMs;
    faults.push({ atMs: Math.round(atMs), what });
    stage.fault(atMs, what);
  };

  const [fleet, app] = await Promise.all([
    Fleet.start({ entry: act.server, firstPort: flags.port, placesFile, viewsFile, seed, around }, say),
    App.start(
      {
        clientFile: act.client.href,
        seed,
        rate,
        fanout,
        warmUpMs: plan.warmUpMs,
        pages,
        deadlineMs: DEADLINE_MS,
        places,
      },
      around,
    ),
  ]);
  const connected = app.next('connected');
  app.tell({ kind: 'names', addresses: fleet.addresses() });
  await connected;
  const warm = app.next('warm');
  app.tell({ kind: 'warm-up' });
  await warm;

  app.onProgress(({ pages: done, calls, lost }) => stage.progress(performance.now() - startMs, done, pages, calls, lost));
  const cpuBefore = await fleet.cpuUs();
  let cpuHealthy = cpuBefore;
  const done = app.next('done');
  done.catch(() => {}); // Awaited below; if the application dies before that, the reason is thrown there.
  startMs = performance.now();
  app.tell({ kind: 'measure' });
  let dueMs = 0;
  for (const { phase, lastsMs } of plan.slots) {
    dueMs += lastsMs;
    const restMs = (): number => Math.max(0, dueMs - (performance.now() - startMs));
    if (phase !== 'healthy') app.tell({ kind: 'phase', phase });
    if (phase === 'slow') fleet.slowDown(SLOW_FACTOR);
    else if (phase === 'killed') await fleet.killAndBringBack(DOWN_MS);
    else if (phase === 'restarts') await fleet.restartInTurn(lastsMs / REPLICAS);
    else if (phase === 'replaced') await fleet.replace((addresses) => app.tell({ kind: 'names', addresses }));
    if (phase === 'replaced') {
      // As a rule before the last page is due; later only where the faults took longer than planned.
      await sleep(AFTER_LAST_FAULT_MS);
      app.tell({ kind: 'finish' });
    }
    await sleep(restMs());
    if (phase === 'slow') fleet.slowDown(1);
    if (phase === 'healthy') cpuHealthy = await fleet.cpuUs();
  }
  const { result } = await done;
  const serversCpuUs = (await fleet.cpuUs()) - cpuBefore;
  await app.ended();
  await fleet.stop();
  return { app: result, serversCpuUs, serversHealthyCpuUs: cpuHealthy - cpuBefore, faults };
}
