/**
 * Server process of a loss by telemetry: `node bench/telemetry-server.ts VARIANT`. Ends when its parent does.
 *
 * @packageDocumentation
 */
import type { handleUnaryCall } from '@grpc/grpc-js';
import type { Msg } from './echo.ts';
import { cpuUs, type Order, tell } from './protocol.ts';
import { LOSSES, type LossName, lossServer, prepare } from './telemetry-variants.ts';

let served = 0;

async function listen(name: LossName): Promise<number> {
  await prepare(name);
  const [{ ServerCredentials }, { Echo }] = await Promise.all([import('@grpc/grpc-js'), import('./echo.ts')]);
  const server = await lossServer(name);
  const say: handleUnaryCall<Msg, Msg> = (call, callback) => {
    served++;
    callback(null, call.request);
  };
  const Say = LOSSES[name].byHand ? (await import('./telemetry-by-hand.ts')).tracedHandler(say) : say;
  server.addService(Echo.service, { Say });
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

process.on('disconnect', () => process.exit(0));
process.on('message', (order: Order) => {
  if (order.do === 'usage') tell({ cpuUs: cpuUs(), served });
});
tell({ port: await listen(process.argv[2] as LossName) });
