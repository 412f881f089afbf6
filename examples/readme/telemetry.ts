/** Spans of a call, in memory. */
import { credentials } from '@grpc/grpc-js';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const exporter = new InMemorySpanExporter();
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));

const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region client
const mesh = createMesh({ telemetry: { attemptSpans: 'always' } });
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
await hello(client, 'Ada');
// #endregion

const spans = exporter.getFinishedSpans();
console.log(new Set(spans.map(({ name }) => name)).has('helloworld.Greeter/SayHello')); // prints true
console.log(spans.length); // prints 3

await mesh.close();
server.forceShutdown();
