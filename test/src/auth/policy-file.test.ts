import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type FileReader, fileSystem, WatchedFile } from '../../../src/auth/policy-file.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A file that the test writes, and whose readings it ends. */
class FakeFile implements FileReader {
  content: string | Uint8Array | Error = 'one';
  readings = 0;
  held: Promise<void> | undefined;
  readNow(): Uint8Array {
    if (this.content instanceof Error) throw this.content;
    return Buffer.from(this.content as string);
  }
  async read(): Promise<Uint8Array> {
    this.readings++;
    await this.held;
    return this.readNow();
  }
}

function watch(file: FakeFile): { file: WatchedFile<string>; clock: FakeClock; said: string[]; again(): Promise<void> } {
  const clock = new FakeClock();
  const said: string[] = [];
  const parse = (text: string): string => {
    if (text.startsWith('bad')) throw new Error(text);
    return `value ${text}`;
  };
  const watched = new WatchedFile({ path: 'f', refreshMs: 1000, parse, clock, warn: (line) => said.push(line), reader: file });
  onTestFinished(() => {
    watched.stop();
    expect(clock.pending).toBe(0);
  });
  const again = async (): Promise<void> => {
    clock.advance(1000);
    await turn();
  };
  return { file: watched, clock, said, again };
}

describe('WatchedFile', () => {
  test('has its first value at once, and later ones after a reading', async () => {
    const source = new FakeFile();
    const { file, again } = watch(source);
    expect(file.value).toBe('value one');
    source.content = 'two';
    expect(file.value).toBe('value one');
    await again();
    expect(file.value).toBe('value two');
    await again();
    expect(file).toMatchObject({ reloads: 1, failedReloads: 0 });
    expect(source.readings).toBe(2);
  });

  test('keeps the last good value, and says each fault once while it lasts', async () => {
    const source = new FakeFile();
    const { file, said, again } = watch(source);
    source.content = 'bad one';
    await again();
    await again();
    source.content = new Error('ouch');
    await again();
    await again();
    source.content = Buffer.from([0xff]);
    await again();
    source.content = 'bad two';
    await again();
    source.content = 'two';
    await again();
    source.content = 'bad two';
    await again();
    expect(file.value).toBe('value two');
    expect(said.map((line) => line.replace(/.*: /, ''))).toEqual([
      'bad one',
      'cannot be read (undefined)',
      'expected UTF-8, got other bytes',
      'bad two',
      'bad two',
    ]);
    expect(file).toMatchObject({ reloads: 1, failedReloads: 6 });
  });

  test('the good text after a bad one is taken even if it is the one in force', async () => {
    const source = new FakeFile();
    const { file, again } = watch(source);
    source.content = 'bad';
    await again();
    source.content = 'one';
    await again();
    expect(file.value).toBe('value one');
  });

  test('never reads twice at a time', async () => {
    const source = new FakeFile();
    const { clock, again } = watch(source);
    const held = Promise.withResolvers<void>();
    source.held = held.promise;
    await again();
    await again();
    expect(source.readings).toBe(1);
    expect(clock.pending).toBe(0);
    held.resolve();
    await turn();
    expect(clock.pending).toBe(1);
  });

  test('stopped while it reads: takes nothing and plans nothing', async () => {
    const source = new FakeFile();
    const { file, clock, again } = watch(source);
    const held = Promise.withResolvers<void>();
    source.held = held.promise;
    source.content = 'two';
    await again();
    file.stop();
    held.resolve();
    await turn();
    expect(file.value).toBe('value one');
    expect(clock.pending).toBe(0);
  });

  test.each([
    ['cannot be read', new Error('no'), 'f: cannot be read'],
    ['is wrong', 'bad', 'bad'],
    ['is no UTF-8', Buffer.from([0xc0]), 'f: expected UTF-8'],
    ['is too large', Buffer.alloc(1024 * 1024 + 1, 'x'), 'f: expected at most 1048576 bytes, got 1048577'],
  ])('throws at the start when the file %s (F1)', (_what, content, message) => {
    const source = new FakeFile();
    source.content = content;
    expect(() => watch(source)).toThrow(message);
  });
});

describe('fileSystem', () => {
  test('takes files only, and no device', async () => {
    expect(() => fileSystem.readNow('/dev/zero')).toThrow('expected a file');
    await expect(fileSystem.read('/dev/zero')).rejects.toThrow('expected a file');
  });
});
