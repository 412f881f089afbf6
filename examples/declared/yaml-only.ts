/** Everything is said in inmesh.yaml; the .proto file may say nothing of policy, or belong to others. */
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { loadMesh } from 'inmesh';
import { createOrdersClient } from './gen/orders_inmesh.ts';
import { serve, show } from './support.ts';

const { target, stop } = await serve();

// #region use
const mesh = await loadMesh(join(import.meta.dirname, 'inmesh.yaml'));
const orders = createOrdersClient(mesh, target, credentials.createInsecure());
const { state } = await orders.getOrder({ id: '4711' });
// #endregion

console.log(`order 4711 is ${state}`);
show(mesh.explain('orders.v1.Orders/GetOrder'));
show(mesh.explain('orders.v1.Orders/PlaceOrder'));

await mesh.close();
stop();
