import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { MAX_WAIT_MS } from '../../../src/policy/watch.ts';
import { DEBOUNCE_MS, FakeFiles, POLL_MS, WatchRig } from './watched.ts';

/** A rig that has looked once. */
async function started(text?: string): Promise<WatchRig> {
  const rig = new WatchRig(text);
  await rig.pass(DEBOUNCE_MS);
  return rig;
}

describe('watched policy file', () => {
  test('F8 hands a new text on once its writer has been quiet for the debounce time', async () => {
    const rig = await started();
    rig.files.write('good 2');
    await rig.pass(DEBOUNCE_MS / 2);
    expect(rig.applied).toEqual([]);
    await rig.pass(DEBOUNCE_MS);
    expect(rig.applied).toEqual(['good 2']);
    expect(rig.problems).toEqual([]);
  });

  test('F8 does nothing where the text is the same, whatever happened in the directory', async () => {
    const rig = await started();
    rig.files.event();
    await rig.pass(DEBOUNCE_MS * 2);
    expect(rig.files.reads).toBe(2);
    expect(rig.applied).toEqual([]);
  });

  test('F8 a half-written file is no fault: what comes after it is taken, and nothing is told', async () => {
    const rig = await started();
    rig.files.write('');
    await rig.pass(DEBOUNCE_MS * 1.5);
    rig.files.write('go');
    await rig.pass(DEBOUNCE_MS * 1.5);
    rig.files.write('good 2');
    await rig.pass(DEBOUNCE_MS * 2);
    expect(rig.applied).toEqual(['good 2']);
    expect(rig.problems).toEqual([]);
  });

  test('F8 a storm of 100 changes a second is one reading a second, and its last text is in force', async () => {
    const rig = await started();
    const before = rig.files.reads;
    for (let i = 0; i < 1000; i++) {
      rig.files.write(`good ${i}`);
      rig.clock.advance(10);
      if (i % 10 === 0) await turn();
    }
    expect(rig.files.reads - before).toBeLessThanOrEqual(10_000 / MAX_WAIT_MS + 1);
    expect(rig.files.reads - before).toBeGreaterThanOrEqual(5); // it is not put off for ever
    await rig.pass(DEBOUNCE_MS * 2);
    expect(rig.applied.at(-1)).toBe('good 999');
    expect(rig.clock.pending).toBe(1); // the next reading without any event
  });

  test('F1 a bad text is told of once, the good one before stays, and the next good one is taken', async () => {
    const rig = await started();
    rig.files.write('nonsense');
    await rig.pass(POLL_MS * 3);
    expect(rig.problems).toEqual(['unreadable: no document: nonsense']);
    rig.files.write('refused 2');
    await rig.pass(POLL_MS * 2);
    expect(rig.problems.slice(1)).toEqual(['refused: refused 2']);
    expect(rig.applied).toEqual([]);
    expect(rig.good).toBe(0);
    rig.files.write('good 2');
    await rig.pass(DEBOUNCE_MS * 2);
    expect(rig.applied).toEqual(['good 2']);
    expect(rig.good).toBe(1);
  });

  test('F1 back to the text in force: it recovers without being put in force again', async () => {
    const rig = await started();
    rig.files.write('nonsense');
    await rig.pass(DEBOUNCE_MS * 4);
    rig.files.write('good 1');
    await rig.pass(DEBOUNCE_MS * 4);
    expect(rig.applied).toEqual([]);
    expect(rig.good).toBe(1);
  });

  test('F8 a file that vanishes and returns: one fault, then what it says', async () => {
    const rig = await started();
    rig.files.write(undefined);
    await rig.pass(POLL_MS * 2);
    expect(rig.problems).toEqual(['unreadable: /etc/mesh/policy.yaml: cannot be read (no such file)']);
    rig.files.write('good 2');
    await rig.pass(DEBOUNCE_MS * 2);
    expect(rig.applied).toEqual(['good 2']);
  });

  test('a rename that leaves a gap for a moment is no fault', async () => {
    const rig = await started();
    rig.files.write(undefined);
    await rig.pass(DEBOUNCE_MS * 1.5);
    rig.files.write('good 2');
    await rig.pass(DEBOUNCE_MS * 2);
    expect(rig.applied).toEqual(['good 2']);
    expect(rig.problems).toEqual([]);
  });

  test('what changed between the first reading and the first watch is noticed', async () => {
    const files = new FakeFiles('good 2');
    const rig = new WatchRig('good 1', files);
    await rig.pass(DEBOUNCE_MS);
    expect(rig.applied).toEqual(['good 2']);
  });

  test('what happens while it reads is read after that', async () => {
    const rig = await started();
    const { promise, resolve } = Promise.withResolvers<void>();
    rig.files.gate = promise;
    rig.files.write('good 2');
    await rig.pass(DEBOUNCE_MS * 2);
    rig.files.event(); // in the middle of a reading, and again while that one is still on its way
    await rig.pass(DEBOUNCE_MS * 2);
    rig.files.text = 'good 3';
    rig.files.event();
    rig.files.gate = undefined;
    resolve();
    await rig.pass(DEBOUNCE_MS * 4);
    expect(rig.applied.at(-1)).toBe('good 3');
  });

  test('where nothing can be watched it is read again and again, and that is told once', async () => {
    const files = new FakeFiles('good 1');
    files.unwatchable = true;
    const rig = new WatchRig('good 1', files);
    await rig.pass(POLL_MS);
    files.text = 'good 2';
    await rig.pass(POLL_MS * 1.5);
    expect(rig.applied).toEqual(['good 2']);
    expect(rig.unwatched).toBe(1);
  });

  test('F8 a directory that is replaced is watched anew, and the old one no more', async () => {
    const rig = await started();
    rig.files.places_ = [
      { directory: '/etc/mesh', id: '2' },
      { directory: '/etc/mesh/..data', id: '3' },
    ];
    rig.files.event();
    await rig.pass(DEBOUNCE_MS * 2);
    expect([...rig.files.watched.keys()].sort()).toEqual(['/etc/mesh', '/etc/mesh/..data']);
    expect(rig.files.ends).toBe(1);
    rig.files.write('good 2');
    await rig.pass(DEBOUNCE_MS * 2);
    expect(rig.applied).toEqual(['good 2']);
  });

  test('F6 once stopped it leaves no timer and no watch, not even in the middle of a reading', async () => {
    const rig = await started();
    const { promise, resolve } = Promise.withResolvers<void>();
    rig.files.gate = promise;
    rig.files.write('good 2');
    await rig.pass(DEBOUNCE_MS * 2);
    rig.watch.stop();
    resolve();
    await rig.pass(POLL_MS);
    expect(rig.clock.pending).toBe(0);
    expect(rig.files.watched.size).toBe(0);
    expect(rig.applied).toEqual([]);
  });
});
