/**
 * Client process of a loss by telemetry: `node bench/telemetry-client.ts VARIANT PORT`. Ends when its parent does.
 *
 * @packageDocumentation
 */
import { cpuUs, type Order, type RunOrder, type RunResult, tell } from './protocol.ts';
import { LOSSES, type LossName, lossRecipe, prepare } from './telemetry-variants.ts';

process.on('disconnect', () => process.exit(0));
const [name, port] = process.argv.slice(2);
await prepare(name as LossName);
const [{ closedLoop }, { makeClient, sayOf }] = await Promise.all([import('./closed-loop.ts'), import('./echo.ts')]);
const client = makeClient(`127.0.0.1:${port}`, await lossRecipe(name as LossName));
const call = LOSSES[name as LossName].byHand ? (await import('./telemetry-by-hand.ts')).tracedSay(client) : sayOf(client);

async function run(order: RunOrder): Promise<RunResult> {
  let cpu = 0;
  const result = await closedLoop(call, order, () => {
    cpu = cpuUs() - cpu;
  });
  return { ...result, cpuUs: cpu, carriers: 0, items: 0 };
}

process.on('message', (order: Order) => {
  if (order.do === 'run') void run(order).then(tell);
});
tell({ port: Number(port) });
