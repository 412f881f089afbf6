/** A program that is looked at and has nothing else to do. It tells where. */
import { createMesh } from '../../src/mesh.ts';

const mesh = createMesh();
const { url } = await mesh.admin.listen({ port: 0, keepAlive: process.argv[2] === 'stay' });
process.send?.(url);
process.once('message', () => process.disconnect());
