/** Everything is said in proto/orders.proto: `buf generate` made the code in gen/, three lines use it. */
import { credentials } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { createOrdersClient, descriptors } from './gen/orders_inmesh.ts';
import { serve, show } from './support.ts';

const { target, stop } = await serve();

// #region use
const mesh = createMesh({}, { descriptors });
const orders = createOrdersClient(mesh, target, credentials.createInsecure());
const { state } = await orders.getOrder({ id: '4711' });
// #endregion

console.log(`order 4711 is ${state}`);
show(mesh.explain('orders.v1.Orders/GetOrder'));
show(mesh.explain('orders.v1.Orders/PlaceOrder'));

await mesh.close();
stop();
