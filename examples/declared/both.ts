/** proto/orders.proto says something, conflict.yaml says otherwise: which wins, and where each value came from. */
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { createMesh, loadMesh } from 'inmesh';
import { createOrdersClient, descriptors } from './gen/orders_inmesh.ts';
import { serve, show } from './support.ts';

const { target, stop } = await serve();

// #region use
const mesh = await loadMesh(join(import.meta.dirname, 'conflict.yaml'), { descriptors });
const orders = createOrdersClient(mesh, target, credentials.createInsecure());
const { state } = await orders.getOrder({ id: '4711' });
// #endregion

console.log(`order 4711 is ${state}`);
const proto = createMesh({}, { descriptors });
const yaml = await loadMesh(join(import.meta.dirname, 'conflict.yaml'));
for (const method of ['orders.v1.Orders/GetOrder', 'orders.v1.Orders/PlaceOrder'])
  show(mesh.explain(method), proto.explain(method), yaml.explain(method));

await Promise.all([mesh, proto, yaml].map((one) => one.close()));
stop();
