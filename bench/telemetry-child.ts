/**
 * Process of one cost of telemetry over the fake channel: `node bench/telemetry-child.ts VARIANT`. Ends when its parent does.
 *
 * @packageDocumentation
 */
import { makeClient, sayOf } from './echo.ts';
import { type Order, tell } from './protocol.ts';
import { slice } from './slice.ts';
import { type CostName, costRecipe } from './telemetry-variants.ts';

process.on('disconnect', () => process.exit(0));
const call = sayOf(makeClient('fake', await costRecipe(process.argv[2] as CostName)));
process.on('message', (order: Order) => {
  if (order.do === 'layer') void slice(call, order.calls).then(tell);
});
tell({ port: 0 });
