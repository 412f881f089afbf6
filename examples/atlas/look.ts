/** `--ui`: a mesh act without an end, with the live page over it and a fault now and then. Ctrl-C ends it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Setting } from './act.ts';
import type { Act } from './acts.ts';
import { createViews, removeViews } from './data.ts';
import { Fleet } from './fleet.ts';
import { App } from './processes.ts';
import { DEADLINE_MS, SLOW_FACTOR } from './schedule.ts';

/** Where the live page is by default. */
const ADMIN_PORT = 9902;
const QUIET_MS = 12_000;
const SLOW_MS = 8_000;
/** Long enough to be seen, and to be looked at. */
const DOWN_MS = 6_000;

/** Plays on until the process is stopped. `opened` is told where the page is, `say` of each fault. */
export async function leaveOpen(act: Act, setting: Setting, opened: (url: string) => void, say: (what: string) => void): Promise<never> {
  const { flags, plan, placesFile, places, around } = setting;
  const { seed, rate, fanout } = flags;
  const viewsFile = createViews();
  process.once('exit', () => removeViews(viewsFile));
  const [fleet, app] = await Promise.all([
    Fleet.start({ entry: act.server, firstPort: flags.port, placesFile, viewsFile, seed, around }, say),
    App.start(
      { clientFile: act.client.href, seed, rate, fanout, warmUpMs: plan.warmUpMs, pages: 0, deadlineMs: DEADLINE_MS, places },
      { ...around, env: { ...around.env, OTEL_SERVICE_NAME: 'atlas-app' } },
    ),
  ]);
  const connected = app.next('connected');
  app.tell({ kind: 'names', addresses: fleet.addresses() });
  await connected;
  const open = app.next('open');
  app.tell({ kind: 'open', port: ADMIN_PORT });
  opened((await open).url);
  for (;;) {
    await sleep(QUIET_MS);
    fleet.slowDown(SLOW_FACTOR);
    await sleep(SLOW_MS);
    fleet.slowDown(1);
    await sleep(QUIET_MS);
    await fleet.killAndBringBack(DOWN_MS);
    await sleep(QUIET_MS);
    await fleet.restartInTurn(1_000);
  }
}
