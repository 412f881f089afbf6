import { spawnSync } from 'node:child_process';
import { Client } from '@grpc/grpc-js';
import { expect, onTestFinished, test, vi } from 'vitest';
import { FROM_SOURCE } from '../support/from-source.ts';

const BURST = 256;

/** What V8 makes of the literals of a burst that is all in flight at a collection, in a process that has run `before`. */
function decisions(before: string): readonly string[] {
  const program = `
    import { Client, connectivityState, credentials } from '@grpc/grpc-js';
    import { createMesh } from 'inmesh';
    class Unanswered { start() {} sendMessageWithContext() {} startRead() {} halfClose() {} }
    const channelOverride = { createCall: () => new Unanswered(), getConnectivityState: () => connectivityState.READY };
    const call = (options) => new Client('127.0.0.1:1', credentials.createInsecure(), options)
      .makeUnaryRequest('/a.B/C', (it) => it, (it) => it, Buffer.alloc(0), () => {});
    ${before}
    gc({ type: 'minor' });
    const kept = Array.from({ length: ${BURST} }, () => call({ channelOverride }));
    gc({ type: 'minor' });
    console.log('in flight:', kept.length);
    process.exit();`;
  const flags = ['--no-warnings', '--trace-pretenuring-statistics', '--expose-gc', '--import', FROM_SOURCE, '--input-type=module'];
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', program], { encoding: 'utf8' });
  if (!stdout.includes(`in flight: ${BURST}`)) throw new Error(stderr);
  // Each collection says last what it has looked at in all.
  const last = stdout.split(/^.*threshold=.*$/m).at(-2) ?? '';
  return [...last.matchAll(/ => (.+)$/gm)].map(([, decision]) => decision ?? '');
}

test.each([
  ['nothing', ''],
  ['a mesh that does not coalesce', 'call(createMesh().client());'],
])('after %s V8 takes what a burst is made of for long-lived', (_, before) => {
  expect(decisions(before)).toContain('maybe tenure');
});

test.each([
  ['mesh.client()', "call(createMesh({ coalesce: 'auto' }).client());"],
  ['mesh.options()', "const mesh = createMesh({ coalesce: 'auto' }); call({ ...mesh.options(), interceptors: mesh.interceptors() });"],
])('%s: after the first call that may share a carrier it does not', (_, before) => {
  expect(new Set(decisions(before))).toEqual(new Set(["don't tenure"]));
});

test("nothing is rehearsed through a client of grpc-js's that somebody has wrapped", async () => {
  const { prototype } = Client;
  const wrapper = vi.spyOn(prototype, 'makeUnaryRequest');
  onTestFinished(() => wrapper.mockRestore());
  vi.resetModules();
  const { rehearseClients } = await import('../../src/grpc/rehearsal.ts');
  rehearseClients();
  expect(wrapper).not.toHaveBeenCalled();
});
