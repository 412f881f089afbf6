/**
 * Server process of the bench: `node bench/server.ts VARIANT`. Ends when its parent does.
 *
 * @packageDocumentation
 */
import { ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { Echo, type Msg } from './echo.ts';
import { cpuUs, type Order, tell } from './protocol.ts';
import { VARIANTS, type VariantName } from './variants.ts';

let served = 0;

async function listen(variant: VariantName): Promise<number> {
  const server = await VARIANTS[variant].server();
  server.addService(Echo.service, {
    Say: (call: ServerUnaryCall<Msg, Msg>, callback: sendUnaryData<Msg>) => {
      served++;
      callback(null, call.request);
    },
  });
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
tell({ port: await listen(process.argv[2] as VariantName) });
