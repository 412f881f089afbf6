/**
 * Every fault of the matrix, with coalescing off and on. Without environment: once each, shorter, and judged by what holds on a busy
 * machine. `scripts/faults.ts` sets it for the whole matrix.
 */
import { appendFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { envoyIsThere } from './envoy.ts';
import { inPeace } from './peace.ts';
import { type Played, play } from './play.ts';
import { type Row, worst } from './report.ts';
import { broken, type Scene, scenes } from './scenes.ts';
import { callerOf, type Kind, Stage } from './stage.ts';

/** A file that takes a line of JSON for each scene and kind of caller: play everything, in full length. */
const RESULTS = process.env['INMESH_FAULTS_RESULTS'];
const RUNS = RESULTS === undefined ? 1 : Number(process.env['INMESH_FAULTS_RUNS'] ?? 3);
/** Only these kinds of caller, with commas between them. */
const KINDS = process.env['INMESH_FAULTS_KINDS']?.split(',');
const FACTOR = RESULTS === undefined ? 0.4 : 1;

/** Kinds that play together: in the whole matrix each alone, for its figures to be its own. */
function castsOf({ network }: Scene): readonly (readonly Kind[])[] {
  if (RESULTS === undefined) return [['mesh', 'coalesced']];
  // Envoy asks the system for names, not this process.
  const envoy = envoyIsThere() && network !== 'named';
  const all: readonly Kind[] = ['bare', ...(envoy ? (['envoy'] as const) : []), 'mesh', 'coalesced', 'hedging'];
  return all.filter((kind) => KINDS?.includes(kind) ?? true).map((kind) => [kind]);
}

describe('a mesh while replicas fail', { timeout: RESULTS === undefined ? 90_000 : 900_000 }, () => {
  test.each(scenes)('$id: $name', async (scene) => {
    const said: Record<string, readonly string[]> = {};
    for (const cast of castsOf(scene)) {
      const runs: (readonly Played[])[] = [];
      const isKept = (played: readonly Played[]): boolean => played.every((one) => complain(scene, one).length === 0);
      for (let run = 0; run < RUNS; run++) {
        runs.push(await inPeace(`${scene.id} ${scene.name}`, () => play(scene, cast, FACTOR), isKept));
      }
      for (const [index, kind] of cast.entries()) {
        const played = runs.flatMap((run) => run[index] ?? []);
        const complaints = [...new Set(played.flatMap((one) => complain(scene, one)))];
        if (complaints.length > 0) said[kind] = complaints;
        if (RESULTS !== undefined) note(RESULTS, scene, kind, played, complaints);
      }
    }
    expect(said).toEqual({});
  });
});

/** Limits that are broken; those that ours is compared with have none. */
function complain(scene: Scene, played: Played): readonly string[] {
  return played.kind === 'bare' || played.kind === 'envoy' ? [] : broken(scene, played, RESULTS !== undefined);
}

function note(file: string, { id, name }: Scene, kind: Kind, played: readonly Played[], complaints: readonly string[]): void {
  const ejected = played.map(({ watched }) => watched.ejectedMs).filter((ms) => ms !== undefined);
  const { calls, errors, failed, slow, firstErrorMs, lastErrorMs, goodAgainMs, attemptsPerCall, shares, p50Ms, p99Ms } = worst(played);
  const figures = { calls, errors, failed, slow, firstErrorMs, lastErrorMs, goodAgainMs, attemptsPerCall, shares, p50Ms, p99Ms };
  const row: Row = { id, name, kind, ...figures, ejectedMs: ejected.length === 0 ? undefined : Math.max(...ejected), broken: complaints };
  appendFileSync(file, `${JSON.stringify(row)}\n`);
}

describe('a peer that accepts and stays silent', { timeout: 30_000 }, () => {
  test('X3: alone it costs a call five seconds at most and ends in a clear status, and it is used when it speaks', async () => {
    const stage = await Stage.start({ count: 1, network: 'proxied' });
    stage.proxy(0).blackhole();
    const clients = (['mesh', 'coalesced'] as const).map((kind) => callerOf(kind, stage.target).client);
    const sinceMs = performance.now();
    const first = await Promise.all(clients.map((client) => client.say('one 0', { deadline: Date.now() + 15_000 })));
    expect(performance.now() - sinceMs).toBeLessThan(5_500);
    expect(first.map(({ code }) => code)).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
    stage.proxy(0).heal();
    for (const client of clients) {
      const say = (): Promise<string> => client.say('two 0', { deadline: Date.now() + 3_000 }).then(({ code }) => code);
      await expect.poll(say, { timeout: 12_000 }).toBe('OK');
    }
  });
});
