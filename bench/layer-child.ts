/**
 * Process of one layer: `node bench/layer-child.ts LAYER`. Ends when its parent does.
 *
 * @packageDocumentation
 */
import { makeClient, sayOf } from './echo.ts';
import { LAYERS, type LayerName } from './layer-variants.ts';
import { type Order, tell } from './protocol.ts';
import { slice } from './slice.ts';

process.on('disconnect', () => process.exit(0));
const call = sayOf(makeClient('fake', await LAYERS[process.argv[2] as LayerName]()));
process.on('message', (order: Order) => {
  if (order.do === 'layer') void slice(call, order.calls).then(tell);
});
tell({ port: 0 });
