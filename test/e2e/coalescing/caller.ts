/**
 * An application that calls through tunnels and then has nothing more to do. It never ends itself: it ends when nothing
 * keeps it alive. Arguments: the server's port, and `close` or `forget`.
 */
import { createMesh } from '../../../src/mesh.ts';
import { EchoClient } from '../../support/loopback.ts';

const [port, end] = process.argv.slice(2);
const mesh = createMesh({ coalesce: 'auto' });
const client = new EchoClient({ address: `127.0.0.1:${port}`, mesh });
for (let i = 0; i < 100 && mesh.stats().coalesce.tunnels.open === 0; i++) await client.burst(Array(20).fill('learn 0'));
const { length } = (await client.burst(Array(20).fill('last 0'))).filter(({ code }) => code === 'OK');
const { open, items } = mesh.stats().coalesce.tunnels;
// Before the wait begins, so that the test's watch and this process's end are what is measured.
await new Promise<void>((resolve) => void process.stdout.write(`${JSON.stringify({ ok: length, open, items })}\n`, () => resolve()));
if (end === 'close') await mesh.close();
