/** Four calls over loopback between a client and a server that both trace; prints what was recorded. */
import * as grpc from '@grpc/grpc-js';
import type { InMemorySpanExporter } from '@opentelemetry/sdk-trace';
import { tracingClientInterceptor, tracingServerLayer } from '../../../../interceptors/tracing.ts';
import { codeName } from '../../../../src/call.ts';
import { refusal } from '../../../../src/errors.ts';
import { asInterceptor } from '../../../../src/grpc/interceptor-door.ts';
import { serverRefusal } from '../../../../src/grpc/refuse.ts';
import { asServerInterceptor } from '../../../../src/grpc/server-door.ts';

const text = { serialize: (value: string) => Buffer.from(value), deserialize: (bytes: Buffer) => bytes.toString() };
const codec = {
  requestSerialize: text.serialize,
  requestDeserialize: text.deserialize,
  responseSerialize: text.serialize,
  responseDeserialize: text.deserialize,
};
const service = {
  Echo: { path: '/demo.Echo/Echo', requestStream: false, responseStream: false, ...codec },
  Count: { path: '/demo.Echo/Count', requestStream: false, responseStream: true, ...codec },
};

/** Turns away calls that ask for it, before their handler. */
const bouncer: grpc.ServerInterceptor = (_definition, call) =>
  new grpc.ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, forward) => {
          if (metadata.get('bounce').length > 0) call.sendStatus(serverRefusal(refusal(8, 'server.bulkhead/queue-full', 'no room')));
          else forward(metadata);
        },
      }),
  });

export async function scenario(exporter: InMemorySpanExporter): Promise<void> {
  const server = new grpc.Server({ interceptors: [asServerInterceptor(tracingServerLayer()), bouncer] });
  server.addService(service, {
    Echo: (call: grpc.ServerUnaryCall<string, string>, reply: grpc.sendUnaryData<string>) => {
      // Later, and in another turn, as handlers do.
      setTimeout(() => (call.request === 'fail' ? reply({ code: grpc.status.INTERNAL, details: 'x' }) : reply(null, call.request)), 2);
    },
    Count: (call: grpc.ServerWritableStream<string, string>) => {
      call.write('1');
      call.end();
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const Client = grpc.makeClientConstructor(service, 'demo.Echo');
  const intercept = tracingClientInterceptor();
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    interceptors: [asInterceptor({ name: 'tracing', from: 0, to: 0, intercept })],
  });
  type Method = (...parameters: unknown[]) => grpc.ClientReadableStream<string>;
  const method = (name: string): Method => (client[name] as Method).bind(client);
  const bounce = new grpc.Metadata();
  bounce.set('bounce', '1');
  for (const [request, metadata] of [['ok'], ['fail'], ['bounced', bounce]] as const) {
    await new Promise<void>((resolve) => {
      const done = (): void => resolve();
      if (metadata === undefined) method('Echo')(request, done);
      else method('Echo')(request, metadata, done);
    });
  }
  await new Promise<void>((resolve) => {
    method('Count')('go')
      .on('data', () => {})
      .on('end', resolve);
  });
  client.close();
  await new Promise((resolve) => server.tryShutdown(resolve));
  const spans = exporter.getFinishedSpans().map((span) => ({
    kind: span.kind === 2 ? 'client' : 'server',
    scope: span.instrumentationScope.name,
    // What instrumentation-grpc itself says of a unary call that it serves, where its span is over before the status.
    status: span.attributes['rpc.status_code'] ?? codeName(Number(span.attributes['rpc.grpc.status_code'])),
    trace: span.spanContext().traceId,
    parent: span.parentSpanContext?.spanId,
    id: span.spanContext().spanId,
  }));
  process.stdout.write(JSON.stringify(spans));
}
