import { ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { Echo, type Msg, makeClient, sayOf, TEXT } from '../../bench/echo.ts';
import { VARIANT_NAMES, VARIANTS } from '../../bench/variants.ts';

const CALLS = 40;

describe('variants over a real connection', () => {
  test.each(VARIANT_NAMES)('%s answers every call, and batches exactly where it says so', async (name) => {
    const server = await VARIANTS[name].server();
    server.addService(Echo.service, {
      Say: (call: ServerUnaryCall<Msg, Msg>, callback: sendUnaryData<Msg>) => callback(null, call.request),
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    const setup = await VARIANTS[name].client();
    const target = `127.0.0.1:${port}`;
    const client = makeClient(target, setup);
    try {
      const say = setup.open?.(target) ?? sayOf(client);
      const one = (id: number): Promise<Msg | undefined> =>
        new Promise((resolve, reject) => {
          say({ id, text: TEXT }, (error, answer) => (error === null ? resolve(answer) : reject(error)));
        });
      await one(1); // the first answer tells whether the server takes batches
      const ids = Array.from({ length: CALLS }, (_, i) => i);
      if (name.startsWith('tunnel-')) await Promise.all(ids.map(one)); // opens one
      expect(await Promise.all(ids.map(one))).toEqual(ids.map((id) => ({ id, text: TEXT })));
      const { carriers, items } = setup.counts?.() ?? { carriers: 0, items: 0 };
      if (/^(coalesce|tunnel)-/.test(name)) {
        expect(carriers).toBeGreaterThan(0);
        expect(items / carriers).toBeGreaterThan(5);
      } else {
        expect({ carriers, items }).toEqual({ carriers: 0, items: 0 });
      }
    } finally {
      client.close();
      server.forceShutdown();
    }
  });
});
