/** Makes calls through a mesh, closes it, and must then end by itself: nothing here ends the process. */
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { EchoClient, serve } from '../support/loopback.ts';

const running = await serve({ server: new MeshServer() });
const mesh = createMesh({ coalesce: 'auto', defaults: { timeout: '60s', bulkhead: { slots: 2, queue: 50 } } });
const client = new EchoClient({ address: running.address, mesh, door: process.argv[2] === 'channel' ? 'channel' : 'interceptors' });
await client.learn();
await client.burst(Array.from({ length: 20 }, String));
const { text: said } = await client.say('a');
await mesh.close();
const { code: refused } = await client.say('late');
await new Promise<void>((resolve) => void running.server.tryShutdown(() => resolve()));
// Reached only when nothing is left that keeps a process alive.
process.on('exit', () => {
  const left = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap');
  console.log(JSON.stringify({ said, refused, left }));
});
