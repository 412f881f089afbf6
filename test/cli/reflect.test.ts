import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { descriptors } from '../../examples/declared/gen/orders_inmesh.ts';
import { answering, honest, serveReflection } from '../support/reflection-server.ts';
import { inmesh } from './rig.ts';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'inmesh-reflect-'));
  writeFileSync(join(cwd, 'inmesh.yaml'), 'methods:\n  orders.v1.Orders/GetOrdr:\n    timeout: 2s\n');
  writeFileSync(join(cwd, 'good.yaml'), 'methods:\n  orders.v1.Orders/GetOrder:\n    timeout: 1s\n');
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

describe('inmesh --reflect', () => {
  test('lint knows the methods of a running server', async () => {
    await using server = await serveReflection(answering(honest(descriptors)));
    const { exit, out, err } = await inmesh(['lint', '--reflect', server.target, '--json'], { cwd });
    const { findings } = JSON.parse(out);
    expect(findings).toContainEqual(
      expect.objectContaining({
        line: 2,
        message: expect.stringContaining('GetOrdr'),
        fix: expect.stringContaining('orders.v1.Orders/GetOrder'),
      }),
    );
    expect(exit).toBe(1);
    // Generated descriptors have no imports in them; the server says so, and so does the command.
    expect(err).toBe(`${server.target}: the server does not know "inmesh/v1/options.proto", which it names itself: left out\n`);
  });

  test('explain tells what the server declares beside the policy', async () => {
    await using server = await serveReflection(answering(honest(descriptors)));
    const argv = ['explain', 'orders.v1.Orders/GetOrder', '--config', 'good.yaml', '--reflect', server.target, '--json'];
    const { values } = JSON.parse((await inmesh(argv, { cwd })).out);
    expect(values).toContainEqual(expect.objectContaining({ field: 'timeout', value: '1s', origin: 'methods' }));
    expect(values).toContainEqual(
      expect.objectContaining({ field: 'bulkhead.slots', where: 'orders.proto: option (inmesh.v1.service_policy) of orders.v1.Orders' }),
    );
  });

  test.each(['lint', 'explain orders.v1.Orders/GetOrder --config good.yaml'])(
    '%s: a server that is not there ends it with 3',
    async (command) => {
      const server = await serveReflection(() => {});
      await server[Symbol.asyncDispose]();
      const { exit, err } = await inmesh([...command.split(' '), '--reflect', server.target], { cwd });
      expect(exit).toBe(3);
      expect(err).toContain(`--reflect ${server.target}: UNAVAILABLE`);
      expect(err).toContain('Does it want TLS (--tls)?');
    },
  );

  test('explain refuses it without --config', async () => {
    const { exit, err } = await inmesh(['explain', 'a.B/C', '--reflect', '127.0.0.1:1'], { cwd });
    expect(exit).toBe(2);
    expect(err).toContain('--proto, --descriptors and --reflect go with --config');
  });
});
