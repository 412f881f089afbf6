import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CASES } from './cases.ts';
import { burst, CARRIERS, connectThrough, DOORS, type Peer, type RunningServer, runInCarriers, startServer } from './peers.ts';
import { recordEveryCall } from './telemetry.ts';

const spans = recordEveryCall();

const ways = DOORS.flatMap((door) => CARRIERS.map((carrier) => ({ door, carrier })));

describe.each(ways)('interop cases, our client (door: $door, carrier: $carrier) and our server, everything on', ({ door, carrier }) => {
  let server: RunningServer;
  let peer: Peer;

  beforeAll(async () => {
    server = await startServer('inmesh');
    peer = connectThrough(door, server.port, carrier);
  });
  afterAll(async () => {
    await peer.closeAll();
    await server.close();
  });

  test.each(CASES)('$name passes', ({ run }) => run(peer));

  test.each(CASES.filter(({ joinable }) => joinable))('$name passes when many callers make it at once, in batches', async (one) => {
    await one.run(peer); // the first answer tells that this server takes batches
    const before = spans();
    const { asked, carried } = await runInCarriers(peer, one);
    expect(carried).toBeGreaterThan(0);
    // Everything on: each item has a span of its call and one of its attempt, as if it had gone alone.
    expect(spans() - before).toBeGreaterThanOrEqual(2 * asked);
  });
});

describe.each(DOORS)('interop cases, our client (door: %s) and a server without inmesh', (door) => {
  let server: RunningServer;
  let peer: Peer;

  beforeAll(async () => {
    server = await startServer('bare grpc-js');
    peer = connectThrough(door, server.port);
  });
  afterAll(async () => {
    await peer.closeAll();
    await server.close();
  });

  test.each(CASES)('$name passes, and no call is lost to a batch that nobody serves', async (one) => {
    await one.run(peer);
    await burst(peer, one);
  });
});
