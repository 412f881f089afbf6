/**
 * gRFC A43, the policy in a file: grpc-go's file watcher tests, on a fake clock (F1).
 */
import { unlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { authorizationServerInterceptor } from '../../interceptors/standalone/authorization.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { RunningServer } from '../support/loopback.ts';
import { END_TO_END } from './a43-cases.ts';
import { askAsItems, askDirect, DENIED, PASSED, policyFile, stand } from './a43-stage.ts';

const textOf = (name: string): string => JSON.stringify(END_TO_END.find((row) => row.name === name)?.policy);
const DENIES = textOf('DeniesRPCMatchInDenyAndAllow');
const ALLOWS = textOf('AllowsRPCEmptyDenyMatchInAllow');

interface Watched {
  readonly file: string;
  readonly mesh: Mesh;
  readonly clock: FakeClock;
  readonly said: string[];
  readonly running: RunningServer;
  /** Lets one reading happen, and waits until it has ended. */
  reread(): Promise<void>;
}

async function watched(text: string, refresh: `${number}s` = '61s'): Promise<Watched> {
  const file = policyFile(text);
  const clock = new FakeClock();
  const said: string[] = [];
  const refreshMs = Number(refresh.slice(0, -1)) * 1000;
  // Readings alone are on the fake clock; what carries the calls is on the real one.
  const mixed: Clock = { ...systemClock, setTimer: (fn, ms) => (ms === refreshMs ? clock : systemClock).setTimer(fn, ms) };
  const mesh = createMesh({ server: { authorization: { file, refresh } } }, { clock: mixed, warn: (line) => said.push(line) });
  onTestFinished(async () => {
    await mesh.close();
    expect(clock.pending).toBe(0);
  });
  const running = await stand({ options: { mesh } });
  const reread = async (): Promise<void> => {
    clock.advance(refreshMs);
    // The next reading is planned when this one has ended.
    await expect.poll(() => clock.pending).toBe(1);
  };
  return { file, mesh, clock, said, running, reread };
}

const ask = async ({ running }: Watched): Promise<object[]> => [(await askDirect(running, {})).unary, ...(await askAsItems(running, {}))];
const ALL_DENIED = [DENIED, DENIED, DENIED];
const ALL_PASSED = [PASSED, PASSED, PASSED];

describe('a policy in a file', () => {
  test('ValidPolicyRefresh', async () => {
    const stage = await watched(DENIES);
    expect(await ask(stage)).toEqual(ALL_DENIED);
    writeFileSync(stage.file, ALLOWS);
    expect(await ask(stage)).toEqual(ALL_DENIED);
    await stage.reread();
    expect(await ask(stage)).toEqual(ALL_PASSED);
    expect(stage.mesh.stats().server.authorization).toMatchObject({ reloads: 1, failedReloads: 0 });
    expect(stage.said).toEqual([]);
  });

  test('InvalidPolicySkipReload', async () => {
    const stage = await watched(DENIES);
    writeFileSync(stage.file, '{}');
    await stage.reread();
    expect(await ask(stage)).toEqual(ALL_DENIED);
    await stage.reread();
    // A wrong text is told and counted once, however often it is read.
    expect(stage.said).toEqual([
      `authorization policy not reloaded, the last good one stays in force: ${stage.file}.name: expected text, got nothing`,
    ]);
    expect(stage.mesh.stats().server.authorization).toMatchObject({ reloads: 0, failedReloads: 1 });
  });

  test('RecoversFromReloadFailure', async () => {
    const stage = await watched(DENIES);
    writeFileSync(stage.file, '{}');
    await stage.reread();
    expect(await ask(stage)).toEqual(ALL_DENIED);
    writeFileSync(stage.file, ALLOWS);
    await stage.reread();
    expect(await ask(stage)).toEqual(ALL_PASSED);
    expect(stage.mesh.stats().server.authorization).toMatchObject({ reloads: 1, failedReloads: 1 });
  });

  test('a file that is gone changes nothing, is told once, and may come back', async () => {
    const stage = await watched(ALLOWS, '5s');
    unlinkSync(stage.file);
    await stage.reread();
    await stage.reread();
    expect(await ask(stage)).toEqual(ALL_PASSED);
    expect(stage.said).toHaveLength(1);
    expect(stage.said[0]).toContain('cannot be read (no such file)');
    writeFileSync(stage.file, DENIES);
    await stage.reread();
    expect(await ask(stage)).toEqual(ALL_DENIED);
    expect(stage.mesh.stats().server.authorization).toMatchObject({ reloads: 1, failedReloads: 2 });
  });

  test('mesh.close() leaves no timer, and the policy in force', async () => {
    const stage = await watched(DENIES);
    expect(stage.clock.pending).toBe(1);
    await stage.mesh.close();
    expect(stage.clock.pending).toBe(0);
    expect((await askDirect(stage.running, {})).unary).toEqual(DENIED);
  });
});

describe('NewStatic and NewFileWatcher', () => {
  const ALLOW_ALL = '{"name": "authz", "allow_rules": [{"name": "allow_all"}]}';

  test('InvalidPolicyFailsToCreateInterceptor', () => {
    expect(() => authorizationServerInterceptor({ policy: '{}' })).toThrow('policy.name: expected text, got nothing');
    const file = policyFile('{}');
    expect(() => authorizationServerInterceptor({ file })).toThrow(`${file}.name: expected text, got nothing`);
  });
  test('InvalidRefreshDurationFailsToCreateInterceptor', () => {
    const file = policyFile(ALLOW_ALL);
    expect(() => authorizationServerInterceptor({ file, refreshMs: 0 })).toThrow(
      'authorization.refreshMs: expected milliseconds as a number > 0, got 0',
    );
    expect(() => createMesh({ server: { authorization: { file, refresh: '0s' } } })).toThrow('policy.server.authorization.refresh');
  });
  test('ValidPolicyCreatesInterceptor', () => {
    const clock = new FakeClock();
    authorizationServerInterceptor({ policy: ALLOW_ALL, clock });
    expect(clock.pending).toBe(0);
    const { stop } = authorizationServerInterceptor({ file: policyFile(ALLOW_ALL), clock });
    expect(clock.pending).toBe(1);
    stop();
    expect(clock.pending).toBe(0);
  });
  test('a file that cannot be read: no server starts (F1)', () => {
    const file = policyFile(ALLOW_ALL);
    unlinkSync(file);
    expect(() => createMesh({ server: { authorization: { file } } })).toThrow(`${file}: cannot be read (no such file)`);
  });
});
