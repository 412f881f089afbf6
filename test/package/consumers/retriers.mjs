/**
 * Libraries that retry by themselves, over a mesh that does too: how many calls of one call of theirs reach the server. Three tries
 * each, so 9 is what must not be. Prints a line for each way of setting them up.
 */
import grpc from '@grpc/grpc-js';
import { Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import { noop } from 'cockatiel';
import { Etcd3 } from 'etcd3';
import { createMesh } from 'inmesh';
import { createClientFactory } from 'nice-grpc';
import { retryMiddleware } from 'nice-grpc-client-middleware-retry';

const TRIES = 3;
const bytes = (value) => value;
const unary = (path) => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
  options: {},
});
const PATHS = {
  etcd3: '/etcdserverpb.KV/Range',
  temporal: '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace',
  'nice-grpc': '/helloworld.Greeter/SayHello',
};

let served = 0;
const server = new grpc.Server();
for (const path of Object.values(PATHS)) {
  const fail = (_call, callback) => {
    served++;
    callback({ code: grpc.status.UNAVAILABLE, details: 'always' });
  };
  server.addService({ call: unary(path) }, { call: fail });
}
const port = await new Promise((resolve, reject) => {
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
});
const address = `127.0.0.1:${port}`;

async function etcd3(mesh, faultHandling) {
  const client = new Etcd3({ hosts: address, grpcOptions: mesh.client(), ...(faultHandling && { faultHandling }) });
  await client
    .get('key')
    .string()
    .finally(() => client.close());
}

async function temporal(mesh, interceptors) {
  const connection = Connection.lazy({ address, channelArgs: mesh.client(), interceptors });
  await connection.workflowService.describeNamespace({ namespace: 'any' }).finally(() => connection.close());
}

async function niceGrpc(mesh, factory, options) {
  const channel = mesh.channel(address, grpc.credentials.createInsecure());
  const client = factory.create({ sayHello: unary(PATHS['nice-grpc']) }, channel);
  await client.sayHello(Buffer.alloc(0), options).finally(() => channel.close());
}

/** Temporal's own interceptor, in less time than by default. */
const threeTries = [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: TRIES, initialIntervalMs: () => 1 }))];
const retrying = createClientFactory().use(retryMiddleware);
const retryTwice = { retry: true, retryMaxAttempts: TRIES - 1, retryBaseDelayMs: 1 };

const WAYS = {
  'etcd3: as it comes': (mesh) => etcd3(mesh),
  'etcd3: its global policy a noop': (mesh) => etcd3(mesh, { global: noop }),
  'temporal: its interceptor': (mesh) => temporal(mesh, threeTries),
  'temporal: no interceptors': (mesh) => temporal(mesh, []),
  'nice-grpc: retryMiddleware, asked to retry': (mesh) => niceGrpc(mesh, retrying, retryTwice),
  'nice-grpc: retryMiddleware, retry: false': (mesh) => niceGrpc(mesh, retrying, { retry: false }),
  'nice-grpc: without it': (mesh) => niceGrpc(mesh, createClientFactory(), {}),
};
const marked = { idempotent: true, retryPolicy: { maxAttempts: TRIES, initialBackoff: '0.001s', maxBackoff: '0.005s' } };

/** Calls at the server for one call of the library, with methods marked for the mesh's retries or not. */
async function count(way, rules) {
  served = 0;
  const mesh = createMesh({ defaults: rules });
  const failed = await way(mesh).then(
    () => false,
    (error) => String(error.message).includes('always'),
  );
  await mesh.close();
  return failed ? served : 'not as expected';
}
for (const [name, way] of Object.entries(WAYS)) {
  console.log(`${name}: ${await count(way, {})} unmarked, ${await count(way, marked)} marked`);
}
server.forceShutdown();
