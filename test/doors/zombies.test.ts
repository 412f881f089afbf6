import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { doors, EchoClient, Gate, serve } from '../support/loopback.ts';

/** Load on the endpoints of a mesh. */
const inFlight = (mesh: ReturnType<typeof createMesh>): number =>
  Object.values(mesh.stats().endpoints)
    .flat()
    .reduce((sum, endpoint) => sum + endpoint.inFlight, 0);

describe.for(doors)('calls that nobody waits for, behind %s', (door) => {
  test('a call that is cancelled in the turn it is made in never leaves (bare grpc-js sends it, and never ends it)', async () => {
    let served = 0;
    await using running = await serve({
      handlers: {
        count: (call) => {
          served++;
          call.write({ text: 'nobody reads this' });
        },
      },
    });
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.learn();
    const ended = Array.from({ length: 10 }, () => {
      const stream = client.stub.count({ text: 'a' }, new Metadata(), {}).on('error', () => {});
      const status = new Promise<number>((resolve) => void stream.on('status', ({ code }) => resolve(code)));
      stream.cancel();
      return status;
    });
    expect(await Promise.all(ended)).toEqual(ended.map(() => 1));
    await client.learn(); // what was sent before this has arrived by now
    expect(served).toBe(0);
    expect(inFlight(mesh)).toBe(0);
    await mesh.close();
  });

  test('a batch that still owes results to calls that were given up is ended', async () => {
    const held = new Gate();
    let cancelled = 0;
    const gone = new Gate();
    await using running = await serve({
      server: new MeshServer(),
      handlers: {
        say: (call, callback) => {
          call.on('cancelled', () => {
            if (call.request.text === 'given up' && ++cancelled === 1) gone.open();
          });
          if (call.request.text === 'good') void held.opened.then(() => callback(null, call.request));
          else if (call.request.text === 'learn') callback(null, call.request);
        },
      },
    });
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: running.address, mesh, door });
    await client.learn();
    let cancel = (): void => {};
    const sent = new Gate();
    const givenUp = client.say('given up', {
      onCall: (call) => {
        cancel = () => call.cancel();
      },
    });
    const good = client.say('good');
    while (mesh.stats().coalesce.carriers === 0) await new Promise(setImmediate);
    sent.open();
    cancel();
    expect((await givenUp).code).toBe('CANCELLED');
    held.open();
    expect((await good).code).toBe('OK');
    await gone.opened; // the server learns that the rest is not wanted
    expect(inFlight(mesh)).toBe(0);
    await mesh.close();
  });
});
