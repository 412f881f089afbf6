/** A client in a time namespace: some calls that end well and one that is too slow for its deadline. Argument: the target. */
import { uptime } from 'node:os';
import { createMesh } from '../../../src/mesh.ts';
import { EchoClient } from '../../support/loopback.ts';

const [target = ''] = process.argv.slice(2);
const mesh = createMesh({ coalesce: 'auto' });
const client = new EchoClient({ address: target, mesh });
const fast = await client.burst(Array(20).fill('fast 1'), { deadline: Date.now() + 5_000 });
const sinceMs = performance.now();
const late = await client.say('late 2000', { deadline: Date.now() + 200 });
const tookMs = performance.now() - sinceMs;
process.stdout.write(
  JSON.stringify({
    fast: fast.map(({ code }) => code),
    late: late.code,
    inTime: tookMs > 190 && tookMs < 1_000,
    bootedEarlier: uptime() > 3_600,
  }),
);
await mesh.close(0);
client[Symbol.dispose]();
