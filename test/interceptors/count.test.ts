import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { Code } from '../../src/call.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { Ear, Rig, succeed } from '../doors/rig.ts';
import { doors, EchoClient, serve } from '../support/loopback.ts';

describe.for(doors)('client counts behind %s', (door) => {
  test('a call counts once, by its last status, with all of its attempts', () => {
    const rig = new Rig(door, { policy: { defaults: { idempotent: true } } });
    rig.unary();
    rig.last.end(Code.UNAVAILABLE);
    rig.clock.advance(100);
    succeed(rig.last);
    rig.unary();
    rig.last.end(Code.NOT_FOUND);
    expect(rig.counts).toMatchObject({
      client: { calls: 2, active: 0, failed: 1, attempts: 3, byCode: { OK: 1, NOT_FOUND: 1 }, refused: {} },
      retries: 1,
    });
    expect(rig.clock.pending).toBe(0);
  });

  test('a call that we refused counts, with the reason and without an attempt', async () => {
    const rig = new Rig(door);
    rig.unary(rig.clock.nowMs() - 1);
    await turn();
    expect(rig.counts.client).toEqual({
      calls: 1,
      active: 0,
      failed: 1,
      attempts: 0,
      byCode: { DEADLINE_EXCEEDED: 1 },
      refused: { 'client.deadline/late': 1 },
    });
  });

  test('a call that throws at the call site is not counted as one that is out', () => {
    const rig = new Rig(door);
    rig.onLower = (lower) => {
      lower.onStart = () => {
        throw new Error('a fault of others');
      };
    };
    expect(() => rig.make().start(new Metadata(), new Ear())).toThrow('a fault of others');
    expect(rig.counts.client).toMatchObject({ calls: 0, active: 0 });
  });

  test('a client that was closed does not hold up the mesh', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const client = new EchoClient({ address: running.address, mesh, door });
    await client.say('a');
    client[Symbol.dispose]();
    expect(() => client.stub.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow('Channel has been shut down');
    expect(mesh.stats().client).toMatchObject({ calls: 1, active: 0 });
    await mesh.close();
  });
});

describe('server counts', () => {
  test('calls and items count alike, refused ones too', async () => {
    const mesh = createMesh({ coalesce: 'auto', server: { methodBulkheads: { 'loop.Echo/Tell': { slots: 1 } } } });
    await using running = await serve({
      server: new MeshServer({ mesh }),
      handlers: { say: (call, callback) => callback(call.request.text === 'bad' ? { code: 5 } : null, call.request) },
    });
    using client = new EchoClient({ address: running.address, mesh });
    await client.learn();
    await client.burst(['a', 'bad', 'c']);
    await turn();
    const { server, coalesce } = mesh.stats();
    expect(coalesce.items).toBe(3);
    expect(server).toMatchObject({ calls: 4, active: 0, failed: 1, byCode: { OK: 3, NOT_FOUND: 1 }, items: 3, carriers: 1 });
    await mesh.close();
  });
});
