/** Policies that a program already has, around its calls. */
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import {
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { createMesh, MeshServer, policyInterceptor, REASON_KEY } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

let calls = 0;
const sayHello: SayHello = (call, callback) => {
  if (++calls % 2 === 1) callback({ code: status.UNAVAILABLE, details: 'busy' });
  else callback(null, { message: `Hello ${call.request.name}` });
};
const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region policy
const isUnavailable = handleWhen((error) => (error as ServiceError).code === status.UNAVAILABLE);
const policy = wrap(
  retry(isUnavailable, { maxAttempts: 2, backoff: new ExponentialBackoff() }),
  circuitBreaker(isUnavailable, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) }),
  bulkhead(100, 100),
  timeout(2000, TimeoutStrategy.Cooperative),
);

const mesh = createMesh(
  { methods: { 'helloworld.Greeter/SayHello': { retryPolicy: { maxAttempts: 1 } } } }, // theirs retries
  { policies: { 'helloworld.Greeter/SayHello': policy } },
);
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
console.log(await hello(client, 'you')); // prints Hello you
// #endregion

// #region alone
const breaker = circuitBreaker(isUnavailable, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) });
const other = new Greeter(target, credentials.createInsecure(), { interceptors: [policyInterceptor(breaker)] });
breaker.isolate();
await hello(other, 'you').catch((error: ServiceError) => {
  console.log(status[error.code], error.metadata.get(REASON_KEY)[0]); // prints UNAVAILABLE client.policy/isolated
});
// #endregion

other.close();
await mesh.close();
server.forceShutdown();
