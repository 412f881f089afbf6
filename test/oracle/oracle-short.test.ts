/**
 * The oracle, short. The whole is `npm run oracle`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forms } from '../grpc/pair.ts';
import { oracleDoors, runOracle, verdict, type Way } from './oracle.ts';
import { type OracleServer, serveOracle } from './server.ts';

const CALLS = 3_000;
const SEED = 20_261;
const TIMEOUT_MS = 60_000;

let server: OracleServer;
beforeAll(async () => {
  server = await serveOracle();
});
afterAll(() => server.kill());

const ways: Way[] = [{ form: 'direct' }, ...forms.flatMap((form) => oracleDoors.map((door): Way => ({ form, door })))];

describe('oracle', () => {
  test.each(ways)(
    'calls of 2 to 50 tenants have the outcomes of bare calls: $form $door (K1, K3, K5, K21, Q8)',
    async (way) => {
      expect(verdict(await runOracle(server, way, CALLS, SEED))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test.each(forms)(
    'a tenant that is taken for the item’s own makes it red, in a carrier of the form %s',
    async (form) => {
      const { faults } = await runOracle(server, { form, door: 'channel' }, CALLS, SEED, { itemMetadata: ['tenant'] });
      expect(faults.mixed).toBeGreaterThan(0);
      // Each item said whose it was, so nothing but the carriers was wrong.
      expect({ ...faults, mixed: 0 }).toEqual({ mixed: 0, foreign: 0, bleed: 0, different: 0, untold: 0, ran: 0, left: 0 });
    },
    TIMEOUT_MS,
  );

  test('another call’s answer makes it red', async () => {
    const liar = await serveOracle('answers');
    const { faults } = await runOracle(liar, { form: 'envelope', door: 'channel' }, 500, SEED);
    liar.kill();
    expect(faults.foreign).toBeGreaterThan(100);
  });

  test('another call’s context makes it red', async () => {
    const leak = await serveOracle('context');
    const { faults } = await runOracle(leak, { form: 'tunnel', door: 'channel' }, 500, SEED);
    leak.kill();
    expect(faults.bleed).toBeGreaterThan(100);
    expect(faults.foreign).toBe(0);
  });
});
