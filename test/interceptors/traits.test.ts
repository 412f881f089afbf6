import { Metadata, Server } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { currentScope } from '../../src/deadline/call-scope.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { coalesceIn, forms } from '../grpc/pair.ts';
import { doors, EchoClient, type Handlers, metadataOf, serve } from '../support/loopback.ts';

/** Says what its server knows of the call. */
const tell: Handlers['say'] = (call, callback) => {
  const { priority = '-', tenant = '-', attempt = '-' } = currentScope.getStore() ?? {};
  const own = Object.keys(call.metadata.getMap()).filter((key) => key.startsWith('inmesh-'));
  callback(null, { text: [priority, tenant, attempt, ...own].join(' ') });
};

async function server(policy: Policy, say: Handlers['say'] = tell) {
  const mesh = createMesh(policy);
  const running = await serve({ server: new MeshServer({ mesh }), handlers: { say } });
  return { mesh, running, address: running.address, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

describe.for(doors)('priority and tenant behind %s', (door) => {
  test.for(['alone', ...forms] as const)('reach a server that trusts its callers, %s, and no handler’s metadata', async (how) => {
    await using trusting = await server({ server: { trustTraits: true } });
    const mesh = createMesh(how === 'alone' ? {} : { coalesce: coalesceIn(how) });
    const client = new EchoClient({ address: trusting.address, mesh, door });
    await client.learn();
    const mine = new Metadata();
    const told = await Promise.all([
      client.say('x', { inmesh: { priority: 'critical', tenant: 'acme' }, metadata: mine }),
      client.say('x', { inmesh: { tenant: 'other' } }),
      client.say('x'),
    ]);
    expect(told.map(({ text }) => text)).toEqual(['critical acme 0', '- other 0', '- - 0']);
    expect(mine.getMap()).toEqual({}); // the caller's object is not ours to write in
    await mesh.close();
  });

  test('Q15: a forged value is nothing to a server that does not', async () => {
    await using wary = await server({});
    const mesh = createMesh();
    const client = new EchoClient({ address: wary.address, mesh, door });
    expect((await client.say('x', { inmesh: { priority: 'critical', tenant: 'acme' } })).text).toBe('- - 0');
    using bare = new EchoClient({ address: wary.address });
    const forged = metadataOf({ 'inmesh-priority': 'critical', 'inmesh-tenant': 'root' });
    expect((await bare.say('x', { metadata: forged })).text).toBe('- - 0');
    await mesh.close();
  });

  test('are handed on from server to server, until policy keeps them back', async () => {
    await using last = await server({ server: { trustTraits: true } });
    const onward = async (policy: Policy): Promise<string | undefined> => {
      const mesh = createMesh({ server: { trustTraits: true }, ...policy });
      const toLast = new EchoClient({ address: last.address, mesh, door });
      const say: Handlers['say'] = (_call, callback) => void toLast.say('x').then(({ text }) => callback(null, { text: text ?? '' }));
      await using middle = await serve({ server: new MeshServer({ mesh }), handlers: { say } });
      const first = createMesh();
      const client = new EchoClient({ address: middle.address, mesh: first, door });
      const { text } = await client.say('x', { inmesh: { priority: 'sheddable', tenant: 'acme' } });
      await first.close();
      await mesh.close();
      return text;
    };
    expect(await onward({})).toBe('sheddable acme 0');
    expect(await onward({ propagation: { tenant: false } })).toBe('sheddable - 0');
    expect(await onward({ propagation: { priority: false, tenant: false } })).toBe('- - 0');
  });

  test('a wrong one throws where the call is made', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const client = new EchoClient({ address: running.address, mesh, door });
    const options = { inmesh: { tenant: 'a\nb' } };
    expect(() => client.stub.say({ text: 'x' }, new Metadata(), options, () => {})).toThrow('options.inmesh.tenant');
    await mesh.close(0);
  });
});

test('the number of the attempt is known where a retry is served', async () => {
  const seen: unknown[] = [];
  await using running = await server({}, (_call, callback) => {
    seen.push(currentScope.getStore()?.attempt);
    if (seen.length < 3) callback({ code: 14, details: 'again' });
    else callback(null, { text: 'done' });
  });
  const mesh = createMesh({ defaults: { idempotent: true } });
  const client = new EchoClient({ address: running.address, mesh });
  expect((await client.say('x')).code).toBe('OK');
  expect(seen).toEqual([0, 1, 2]);
  await mesh.close();
});

test('a server that is none of ours sees them as metadata', async () => {
  const say: Handlers['say'] = (call, callback) => callback(null, { text: JSON.stringify(call.metadata.get('inmesh-tenant')) });
  await using running = await serve({ server: new Server(), handlers: { say } });
  const mesh = createMesh();
  const client = new EchoClient({ address: running.address, mesh });
  expect((await client.say('x', { inmesh: { tenant: 'acme' } })).text).toBe('["acme"]');
  await mesh.close();
});
