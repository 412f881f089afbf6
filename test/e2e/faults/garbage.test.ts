/** Peers that answer with something other than gRPC (X13): the same code as bare grpc-js gives, or a better one, and no harm beyond the call. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { codeName } from '../../../src/call.ts';
import type { EchoClient } from '../../support/loopback.ts';
import { failed, Load } from '../coalescing/load.ts';
import { garbage, serveGarbage } from './garbage.ts';
import { WORKLOAD } from './play.ts';
import { callerOf, Stage } from './stage.ts';

/** What the callback of a call is told: an answer that is none has the status OK, and is an error all the same. */
function told(client: EchoClient): Promise<string> {
  return new Promise((resolve) => {
    client.stub.say({ text: 'one' }, new Metadata(), { deadline: Date.now() + 5_000 }, (error) => {
      resolve(error === null ? 'OK' : codeName(error.code));
    });
  });
}

const kinds = ['bare', 'mesh', 'coalesced'] as const;

describe('a peer that answers with garbage', { timeout: 30_000 }, () => {
  test.each(garbage)('X13: $what is $code, for each call', async (nonsense) => {
    const port = await serveGarbage(nonsense);
    for (const kind of kinds) {
      const { client, mesh } = callerOf(kind, `127.0.0.1:${port}`);
      expect(await Promise.all([1, 2, 3].map(() => told(client))), kind).toEqual(Array(3).fill(nonsense.code));
      expect(mesh?.stats().client.active ?? 0).toBe(0);
    }
  });

  const gateway = garbage.find(({ what }) => what === '502 with HTML');
  test('X13: one of three answers 502: no idempotent call fails, and it gets little', async () => {
    if (gateway === undefined) throw new TypeError('no such garbage');
    const stage = await Stage.start({ count: 2 });
    let asked = 0;
    const port = await serveGarbage({
      ...gateway,
      stream: (stream) => {
        asked++;
        gateway.stream?.(stream);
      },
    });
    for (const kind of ['mesh', 'coalesced'] as const) {
      const { client, mesh } = callerOf(kind, `ipv4:${[...stage.addresses, `127.0.0.1:${port}`].join(',')}`);
      const up = (): number =>
        Object.values(mesh?.stats().endpoints ?? {})
          .flat()
          .filter(({ ready }) => ready).length;
      await expect.poll(() => client.say('warm 0', { inmesh: { idempotent: true } }).then(up)).toBe(3);
      const before = asked;
      const load = new Load(client, { ...WORKLOAD, name: kind });
      await sleep(1_500);
      const calls = await load.stop();
      expect(failed(calls), kind).toEqual([]);
      expect(asked - before, kind).toBeGreaterThan(0);
      expect(asked - before, kind).toBeLessThan(calls.length / 10);
    }
  });
});
