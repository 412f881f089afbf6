/** gRPC's own names for spans, and a call that comes from a client with OpenCensus. */
import { credentials, Metadata } from '@grpc/grpc-js';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { createMesh, MeshServer, tracingInterceptor } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const exporter = new InMemorySpanExporter();
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));

// #region names
const mesh = createMesh({ telemetry: { names: 'grpc', grpcTraceBin: true } });
// #endregion
const server = new MeshServer({ mesh });
server.addService(Greeter.service, { sayHello });
const target = await listen(server);
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
await hello(client, 'Ada');
for (const { name } of exporter.getFinishedSpans()) console.log(name);
// prints Recv.helloworld.Greeter.SayHello
// prints Attempt.helloworld.Greeter.SayHello
// prints Sent.helloworld.Greeter.SayHello

exporter.reset();
const metadata = new Metadata();
metadata.set('grpc-trace-bin', Buffer.from('0000404142434445464748494a4b4c4d4e4f0161626364656667680201', 'hex'));
const old = new Greeter(target, credentials.createInsecure());
await new Promise((resolve) =>
  old.makeUnaryRequest('/helloworld.Greeter/SayHello', () => Buffer.alloc(0), String, {}, metadata, {}, resolve),
);
console.log(exporter.getFinishedSpans()[0]?.spanContext().traceId); // prints 404142434445464748494a4b4c4d4e4f

// #region shown
const shown = tracingInterceptor({ requestMetadata: ['x-tenant'] });
// #endregion
const single = new Greeter(target, credentials.createInsecure(), { interceptors: [shown] });
console.log(await hello(single, 'Ada')); // prints Hello Ada

old.close();
single.close();
await mesh.close();
server.forceShutdown();
