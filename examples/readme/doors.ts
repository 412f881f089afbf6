/** Every way to put the mesh around a client. */
import { credentials, InterceptingCall, type Interceptor, Server } from '@grpc/grpc-js';
import { balanceOptions, createMesh, deadlineInterceptor, retryInterceptor } from 'inmesh';
import { Greeter, type GreeterClient, hello, listen, sayHello } from './greeter.ts';

const server = new Server();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);
const yours: Interceptor = (options, nextCall) => new InterceptingCall(nextCall(options));
const clients: GreeterClient[] = [];

// #region client
const mesh = createMesh();
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
// #endregion
clients.push(client);

// #region own-options
const secured = new Greeter(target, credentials.createInsecure(), mesh.client({ interceptors: [yours], 'grpc.keepalive_time_ms': 30_000 }));
// #endregion
clients.push(secured);

// #region stacks
const stacks = new Greeter(target, credentials.createInsecure(), mesh.client({}, { callerStacks: true }));
// #endregion
clients.push(stacks);

// #region interceptors
const listed = new Greeter(target, credentials.createInsecure(), {
  ...mesh.options(),
  interceptors: [yours, ...mesh.interceptors()], // ours last
});
// #endregion
clients.push(listed);

// #region channel
const channel = mesh.channel(target, credentials.createInsecure());
const onChannel = new Greeter(target, credentials.createInsecure(), { channelOverride: channel });
// #endregion
clients.push(onChannel);

// #region alone
const picked = new Greeter(target, credentials.createInsecure(), {
  ...balanceOptions(),
  interceptors: [deadlineInterceptor({ timeoutMs: 2000 }), retryInterceptor({ idempotentMethods: ['/helloworld.Greeter/SayHello'] })],
});
// #endregion
clients.push(picked);

// #region call
await hello(client, 'Ada', { inmesh: { retry: false, coalesce: 'never', idempotent: true } });
// #endregion

for (const each of clients) console.log(await hello(each, 'Ada')); // prints Hello Ada (6 times)
console.log(mesh.stats().client.calls); // prints 6

// #region close
await mesh.close(); // waits for calls that are out, at most 10 s
// #endregion
for (const each of clients) each.close();
server.forceShutdown();
