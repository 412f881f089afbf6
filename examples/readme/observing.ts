/** What became of calls: in the log, and in numbers. */
import { credentials, Server, status } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

const sayHello: SayHello = (call, callback) => {
  if (call.request.name === '') callback({ code: status.INVALID_ARGUMENT, details: 'who?' });
  else callback(null, { message: `Hello ${call.request.name}` });
};
const server = new Server();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region log
const lines: string[] = [];
const mesh = createMesh({ telemetry: { accessLog: 'failed' } }, { log: (line) => lines.push(line) });
const client = new Greeter(target, credentials.createInsecure(), mesh.client());

await hello(client, 'Ada');
await hello(client, '').catch(() => undefined);
const { method, attempts, endpoints, ...rest } = JSON.parse(lines[0] ?? '{}');
console.log(method, rest.status, attempts, endpoints[0] === target); // prints helloworld.Greeter/SayHello INVALID_ARGUMENT 1 true
// #endregion

// #region overview
const { methods, events } = mesh.overview();
const [greeter] = methods;
console.log(greeter?.calls, greeter?.failed, greeter?.byStatus['OK']); // prints 2 1 1
console.log((greeter?.latencyMs.p99 ?? 0) > 0, greeter?.history.calls.length); // prints true 60
console.log(events.map(({ kind }) => kind).join()); // prints endpoint.added,endpoint.state
// #endregion

await mesh.close();
server.forceShutdown();
