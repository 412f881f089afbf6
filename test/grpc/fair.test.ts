/**
 * Slots of a server are shared fairly by batches and calls of their own (K16; TensorFlow Serving's SharedBatchScheduler).
 */
import { describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { CarrierForm } from '../../src/policy/policy.gen.ts';
import { EchoClient, Gate, serve } from '../support/loopback.ts';

const carriers: readonly CarrierForm[] = ['envelope', 'auto'];

describe.each(carriers)('a bulkhead of one slot, carrier %s', (carrier) => {
  test('a batch of 64 does not hold a single call back, nor a second batch', async () => {
    const mesh = createMesh({ server: { bulkhead: { slots: 1, queue: 500 } } });
    const started: string[] = [];
    const gate = new Gate();
    await using running = await serve({
      server: new MeshServer({ mesh }),
      handlers: {
        say: (call, callback) => {
          if (call.request.text === 'learn') return callback(null, call.request);
          started.push(call.request.text);
          void gate.opened.then(() => callback(null, call.request));
        },
      },
    });
    const policy = { coalesce: { mode: 'auto', carrier } } as const;
    const meshes = [createMesh(policy), createMesh(policy)];
    const [first, second] = meshes.map((one) => new EchoClient({ address: running.address, mesh: one }));
    using plain = new EchoClient({ address: running.address });
    if (first === undefined || second === undefined) throw new Error('no clients');
    for (const client of [first, second, plain]) await client.learn();
    const active = (count: number) => expect.poll(() => mesh.stats().server.active, { timeout: 5000 }).toBe(count);

    const outcomes = [first.burst(Array.from({ length: 64 }, (_, n) => `a${n}`))];
    await active(64);
    outcomes.push(second.burst(Array.from({ length: 32 }, (_, n) => `b${n}`)));
    await active(96);
    outcomes.push(plain.burst(['single 1', 'single 2']));
    await active(98);
    expect(started).toEqual(['a0']);
    gate.open();
    const codes = (await Promise.all(outcomes)).flat().map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['OK']));
    expect(started).toHaveLength(98);
    // Single calls have every other turn, the two batches the rest by turns.
    expect(started.slice(0, 7)).toEqual(['a0', 'single 1', 'a1', 'single 2', 'b0', 'a2', 'b1']);
    for (const client of [first, second]) client[Symbol.dispose]();
    await Promise.all(meshes.map((one) => one.close()));
  });
});
