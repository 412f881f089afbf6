/** Plays a scene to callers of several kinds at once: 200 calls a second each, 20 ms of work, a second's deadline, idempotent. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SayOptions } from '../../support/loopback.ts';
import { type Ended, Load } from '../coalescing/load.ts';
import { startEnvoy } from './envoy.ts';
import { type Report, report } from './report.ts';
import type { Scene } from './scenes.ts';
import { type Caller, callerOf, type Kind, type Mark, Stage } from './stage.ts';

/** What a mesh said of one endpoint while it went on. */
export interface Watched {
  /** From the fault until it was left alone; undefined: it never was. */
  readonly ejectedMs: number | undefined;
  /** Looked at last: it is. */
  readonly ejectedAtEnd: boolean;
}

export interface Played extends Report {
  readonly kind: Kind;
  readonly ended: readonly Ended[];
  readonly faultMs: number;
  readonly overMs: number;
  readonly ranOn: ReadonlyMap<string, readonly number[]>;
  readonly marks: readonly Mark[];
  readonly watched: Watched;
  /** Look-ups of the name while the fault lasted, by all callers. */
  readonly lookups: number;
}

export const WORKLOAD = { pace: { perSecond: 200 }, idempotent: true, takesMs: 20, deadlineMs: 1_000 } as const;

/** Of the workload before the fault. */
const WARM_MS = 1_500;
/** The short form's share of the times before and after, but for those that something is given to come back. */
const SHORT = 0.6;
const LOOK_MS = 10;

/** Plays a scene once. @param factor - 1: as long as in the whole matrix. */
export async function play(scene: Scene, kinds: readonly Kind[], factor: number): Promise<readonly Played[]> {
  const { count = 3, network = 'direct' } = scene;
  const stage = await Stage.start({ count, network });
  scene.prepare?.(stage);
  const callers: Caller[] = [];
  for (const kind of kinds) callers.push(callerOf(kind, kind === 'envoy' ? await startEnvoy(stage.addresses) : stage.target));
  await Promise.all(callers.map(warm));
  // The short form shares its cores with others: half of the calls show the same.
  const pace = factor < 1 ? { perSecond: WORKLOAD.pace.perSecond / 2 } : WORKLOAD.pace;
  const loads = callers.map((caller) => {
    const attemptsBefore = caller.mesh?.stats().client.attempts ?? 0;
    return { caller, attemptsBefore, load: new Load(caller.client, { ...WORKLOAD, pace, ...scene.workload, name: caller.kind }) };
  });
  const share = factor < 1 ? SHORT : 1;
  await sleep(WARM_MS * share);
  const [address = ''] = stage.addresses;
  const faultMs = performance.now();
  const watches = callers.map((caller) => watch(caller, address, faultMs));
  const before = stage.lookups;
  await scene.strike(stage, factor, callers);
  const lookups = stage.lookups - before;
  const overMs = performance.now();
  await sleep(scene.limits?.backMs === undefined ? scene.afterMs * share : scene.afterMs);
  return Promise.all(
    loads.map(async ({ caller: { kind, mesh }, attemptsBefore, load }, index) => {
      const ended = await load.stop();
      const ranOn = stage.ranOn();
      const attempts = mesh === undefined || scene.calls === true ? undefined : mesh.stats().client.attempts - attemptsBefore;
      const watched = watches[index]?.() ?? { ejectedMs: undefined, ejectedAtEnd: false };
      const replicas = stage.replicas.length;
      const { marks } = stage;
      return {
        ...report({ calls: ended, faultMs, attempts, ranOn, replicas }),
        kind,
        ended,
        faultMs,
        overMs,
        ranOn,
        marks,
        watched,
        lookups,
      };
    }),
  );
}

/** A process's first calls are slow, and a mesh would take them for what is usual; so it would calls that take less than those to come. */
export async function warm({ client }: Caller): Promise<void> {
  const options = (): SayOptions => ({ deadline: Date.now() + 10_000, inmesh: { idempotent: true } });
  // One by one at first: what a connection takes must stay below a hundredth of all.
  for (let i = 0; i < 5; i++) await client.say('warm 0', options());
  for (let i = 0; i < 60; i++) await client.burst(Array(10).fill(`warm ${WORKLOAD.takesMs}`), options());
}

/** Looks at an endpoint all the time; the function tells what was seen and ends it. */
function watch({ mesh }: Caller, address: string, faultMs: number): () => Watched {
  let ejectedMs: number | undefined;
  const ejected = (): boolean =>
    mesh !== undefined &&
    Object.values(mesh.stats().endpoints)
      .flat()
      .some((endpoint) => endpoint.address === address && 'ejected' in endpoint && endpoint.ejected === true);
  const timer = setInterval(() => {
    if (ejectedMs === undefined && ejected()) ejectedMs = performance.now() - faultMs;
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    return { ejectedMs, ejectedAtEnd: ejected() };
  };
}
