/**
 * Process of one layer: `node bench/layer-child.ts LAYER`. Ends when its parent does.
 *
 * @packageDocumentation
 */
import { type Call, makeClient, sayOf, TEXT } from './echo.ts';
import { LAYERS, type LayerName } from './layer-variants.ts';
import { cpuUs, type LayerResult, type Order, tell } from './protocol.ts';

/** Calls in flight at a time. */
const IN_FLIGHT = 128;

/** Makes `calls` calls. */
function slice(call: Call, calls: number): Promise<LayerResult> {
  return new Promise((resolve, reject) => {
    const before = cpuUs();
    let begun = 0;
    let ended = 0;
    const next = (): void => {
      const id = begun++;
      if (id >= calls) return;
      call({ id, text: TEXT }, (error, answer) => {
        if (error !== null || answer?.id !== id) reject(error ?? new Error(`asked for ${id}, got ${answer?.id}`));
        else if (++ended === calls) resolve({ cpuUs: (cpuUs() - before) / calls });
        else next();
      });
    };
    for (let i = 0; i < IN_FLIGHT; i++) next();
  });
}

process.on('disconnect', () => process.exit(0));
const call = sayOf(makeClient('fake', await LAYERS[process.argv[2] as LayerName]()));
process.on('message', (order: Order) => {
  if (order.do === 'layer') void slice(call, order.calls).then(tell);
});
tell({ port: 0 });
