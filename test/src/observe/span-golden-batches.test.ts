/** Spans of the other two kinds of batches: calls of a service's own batch method, and runs of a batch handler. And traces of items. */
import { propagation, SpanKind } from '@opentelemetry/api';
import { afterEach, describe, expect, test } from 'vitest';
import { createMesh } from '../../../src/mesh.ts';
import { MeshServer } from '../../../src/mesh-server.ts';
import { forms } from '../../grpc/pair.ts';
import { EchoClient, type Handlers, type Message, serve } from '../../support/loopback.ts';
import { open, policyOf } from '../../support/native.ts';
import { startTraces, stopTelemetry } from './rig.ts';
import { spanTree } from './span-tree.ts';

afterEach(stopTelemetry);

const AT = 'server.address=localhost server.port';
const PEER = 'network.peer.address=127.0.0.1 network.peer.port';
const OK = `rpc.status_code=OK ${PEER}`;
const BATCH = 'inmesh.batch.size=2';
const FIRST = 'transparent-retry=false previous-rpc-attempts=0';

describe('spans of native batches, client', () => {
  const BOOK = 'rpc.system.name=grpc rpc.method=library.v1.Library/GetBook';
  const BOOKS = 'rpc.system.name=grpc rpc.method=library.v1.Library/BatchGetBooks';
  const one = `CLIENT library.v1.Library/GetBook {${BOOK} ${AT} ${BATCH} ${OK}} ->library.v1.Library/BatchGetBooks`;
  const attempt = `  CLIENT Attempt.library.v1.Library.GetBook {${FIRST} ${BATCH}} OK`;
  const messages = '+Outbound message {sequence-number=0 message-size=3} +Inbound message {sequence-number=0 message-size=29}';

  test.each([
    {
      names: 'semconv',
      lines: [
        one,
        one,
        `CLIENT library.v1.Library/BatchGetBooks {${BOOKS} ${AT} ${BATCH} ${OK}} ->library.v1.Library/GetBook ->library.v1.Library/GetBook`,
      ],
    },
    {
      names: 'grpc',
      lines: [
        'CLIENT Sent.library.v1.Library.GetBook OK',
        `${attempt} ${messages} ->Sent.library.v1.Library.BatchGetBooks`,
        'CLIENT Sent.library.v1.Library.GetBook OK',
        `${attempt} ${messages} ->Sent.library.v1.Library.BatchGetBooks`,
        `CLIENT Sent.library.v1.Library.BatchGetBooks {${BATCH}} OK ->Attempt.library.v1.Library.GetBook ->Attempt.library.v1.Library.GetBook`,
      ],
    },
  ] as const)('$names', async ({ names, lines }) => {
    await using all = await open('channel', { ...policyOf(['GetBook']), telemetry: { names } });
    const traces = startTraces();
    await all.client.burst('GetBook', [{ name: 'a' }, { name: 'b' }]);
    await expect.poll(() => spanTree(traces.spans()).toSorted()).toEqual([...lines].sort());
  });
});

describe('spans of a batch handler, server', () => {
  const SAY = 'rpc.system.name=grpc rpc.method=loop.Echo/Say';
  const call = `SERVER loop.Echo/Say {${SAY} ${OK}} ->loop.Echo/Say batch`;
  const served =
    'SERVER Recv.loop.Echo.Say OK +Inbound message {sequence-number=0} +Outbound message {sequence-number=0} ->loop.Echo/Say batch';

  test.each([
    {
      names: 'semconv',
      lines: [call, call, `INTERNAL loop.Echo/Say batch {${SAY} ${BATCH} rpc.status_code=OK} ->loop.Echo/Say ->loop.Echo/Say`],
    },
    { names: 'grpc', lines: [served, served, `INTERNAL loop.Echo/Say batch {${BATCH}} OK ->Recv.loop.Echo.Say ->Recv.loop.Echo.Say`] },
  ] as const)('$names', async ({ names, lines }) => {
    const mesh = createMesh({ telemetry: { names } });
    const say = mesh.batchHandler<Message, Message>((items) => items.map(({ request }) => request));
    await using running = await serve({ server: new MeshServer({ mesh }), handlers: { say } });
    using client = new EchoClient({ address: running.address });
    await client.learn();
    const traces = startTraces();
    await client.burst(['a', 'b']);
    await expect.poll(() => spanTree(traces.spans()).toSorted()).toEqual([...lines].sort());
  });
});

describe('grpc-trace-bin alone, where nobody has registered a propagator', () => {
  test.each(forms)('%s: each item is in the trace of its own call, the carrier in none of theirs', async (carrier) => {
    const telemetry = { grpcTraceBin: true };
    const keys: string[][] = [];
    const say: Handlers['say'] = ({ request, metadata }, callback) => {
      if (request.text !== 'learn') keys.push(Object.keys(metadata.getMap()).filter((key) => key.includes('trace')));
      callback(null, request);
    };
    await using running = await serve({ server: new MeshServer({ mesh: createMesh({ telemetry }) }), handlers: { say } });
    const mesh = createMesh({ telemetry, coalesce: { mode: 'auto', carrier } });
    using client = new EchoClient({ address: running.address, mesh });
    do await client.burst(['learn', 'learn']);
    while (carrier === 'tunnel' && mesh.stats().coalesce.tunnels.open === 0);
    const traces = startTraces();
    propagation.disable();
    await client.burst(['a', 'b']);
    const of = (kind: SpanKind) => traces.spans().filter((span) => span.kind === kind && span.name === 'loop.Echo/Say');
    const calls = of(SpanKind.CLIENT);
    const parents = of(SpanKind.SERVER).map(({ parentSpanContext }) => parentSpanContext?.spanId);
    expect(calls).toHaveLength(2);
    expect(parents.sort()).toEqual(calls.map((span) => span.spanContext().spanId).sort());
    expect(keys).toEqual([['grpc-trace-bin'], ['grpc-trace-bin']]);
  });
});
