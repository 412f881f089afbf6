/**
 * Client process of the bench: `node bench/client.ts VARIANT PORT`. Ends when its parent does.
 *
 * @packageDocumentation
 */
import { credentials } from '@grpc/grpc-js';
import { closedLoop } from './closed-loop.ts';
import { type Call, Echo, sayOf } from './echo.ts';
import { cpuUs, type Order, type RunOrder, type RunResult, tell } from './protocol.ts';
import { AbsentError, type BatchCounts, type ClientSetup, VARIANTS, type VariantName } from './variants.ts';

const NO_BATCHES: BatchCounts = { carriers: 0, items: 0 };

async function run(order: RunOrder, call: Call, counts: () => BatchCounts): Promise<RunResult> {
  let cpu = 0;
  let carriers = 0;
  let items = 0;
  const result = await closedLoop(call, order, (edge) => {
    const sign = edge === 'begin' ? -1 : 1;
    const now = counts();
    cpu += sign * cpuUs();
    carriers += sign * now.carriers;
    items += sign * now.items;
  });
  return { ...result, cpuUs: cpu, carriers, items };
}

function serve(setup: ClientSetup, port: string): void {
  const call = sayOf(new Echo(`127.0.0.1:${port}`, credentials.createInsecure(), setup.options));
  const counts = setup.counts ?? (() => NO_BATCHES);
  process.on('message', (order: Order) => {
    if (order.do === 'run') void run(order, call, counts).then(tell);
  });
  tell({ ready: true, port: Number(port) });
}

process.on('disconnect', () => process.exit(0));
const [variant, port] = process.argv.slice(2);
try {
  serve(await VARIANTS[variant as VariantName].client(), port ?? '');
} catch (error) {
  if (!(error instanceof AbsentError)) throw error;
  tell({ absent: error.message });
}
