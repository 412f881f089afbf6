/**
 * Client process of the bench: `node bench/client.ts VARIANT PORT`. Ends when its parent does.
 *
 * @packageDocumentation
 */
import { closedLoop } from './closed-loop.ts';
import { type Call, makeClient, sayOf } from './echo.ts';
import { cpuUs, type Order, type RunOrder, type RunResult, tell } from './protocol.ts';
import { type BatchCounts, type ClientSetup, VARIANTS, type VariantName } from './variants.ts';

const NO_BATCHES: BatchCounts = { carriers: 0, items: 0 };

async function run(order: RunOrder, call: Call, counts: () => BatchCounts): Promise<RunResult> {
  let before = NO_BATCHES;
  let after = NO_BATCHES;
  let cpu = 0;
  const result = await closedLoop(call, order, (edge) => {
    // Reading the counts must not count as CPU of the slice.
    if (edge === 'begin') before = counts();
    cpu = cpuUs() - cpu;
    if (edge === 'end') after = counts();
  });
  return { ...result, cpuUs: cpu, carriers: after.carriers - before.carriers, items: after.items - before.items };
}

function serve(setup: ClientSetup, port: string): void {
  const target = `127.0.0.1:${port}`;
  const call = setup.open === undefined ? sayOf(makeClient(target, setup)) : setup.open(target);
  const counts = setup.counts ?? (() => NO_BATCHES);
  process.on('message', (order: Order) => {
    if (order.do === 'run') void run(order, call, counts).then(tell);
  });
  tell({ port: Number(port) });
}

process.on('disconnect', () => process.exit(0));
const [variant, port] = process.argv.slice(2);
serve(await VARIANTS[variant as VariantName].client(), port ?? '');
