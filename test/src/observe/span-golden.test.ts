/**
 * Every span that a call leaves behind, in every vocabulary: kind, name, {attributes}, status, +events, ->links; children under
 * their parents. Client and server are in one process, on a connection that stands.
 */
import { Metadata } from '@grpc/grpc-js';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Code } from '../../../src/call.ts';
import { createMesh } from '../../../src/mesh.ts';
import { MeshServer } from '../../../src/mesh-server.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';
import { type Door, EchoClient, type Handlers, serve } from '../../support/loopback.ts';
import { startTraces, stopTelemetry } from './rig.ts';
import { spanTree } from './span-tree.ts';

afterEach(() => {
  stopTelemetry();
  vi.unstubAllEnvs();
});

type Mode = 'semconv' | 'grpc' | 'both' | 'dup';

interface Scene {
  readonly what: string;
  readonly door?: Door;
  readonly policy?: Policy;
  readonly say?: () => Handlers['say'];
  readonly act: (client: EchoClient) => Promise<unknown>;
  /** What is seen, by mode. `dup`: semconv, with the old names beside the new ones. */
  readonly spans: Readonly<Partial<Record<Mode, readonly string[]>>>;
}

const SAY = 'rpc.system.name=grpc rpc.method=loop.Echo/Say';
const OLD = 'rpc.system=grpc rpc.service=loop.Echo';
const COUNT = 'rpc.system.name=grpc rpc.method=loop.Echo/Count';
const BATCH = 'rpc.system.name=grpc rpc.method=loop.Echo/SayInmeshBatch';
const AT = 'server.address=localhost server.port';
const PEER = 'network.peer.address=127.0.0.1 network.peer.port';
const OK = `rpc.status_code=OK ${PEER}`;
const OLD_OK = `rpc.status_code=OK rpc.grpc.status_code=0 ${PEER}`;
const NOT_FOUND = `rpc.status_code=NOT_FOUND ${PEER}`;
const UNAVAILABLE = `rpc.status_code=UNAVAILABLE ${PEER} error.type=UNAVAILABLE`;
const FIRST = 'transparent-retry=false previous-rpc-attempts=0';
const SECOND = 'transparent-retry=false previous-rpc-attempts=1';
const FLUSH = 'inmesh.batch.size=2 inmesh.batch.wait inmesh.batch.flush_reason=tick inmesh.batch.carrier=envelope';
const sent = (size?: number, number = 0): string => `+Outbound message ${numbers(number, size)}`;
const got = (size?: number, number = 0): string => `+Inbound message ${numbers(number, size)}`;
const numbers = (number: number, size: number | undefined): string =>
  size === undefined ? `{sequence-number=${number}}` : `{sequence-number=${number} message-size=${size}}`;
/** Of a handler that is given objects. */
const SERVED = `${got()} ${sent()}`;

const learnFirst =
  (say: Handlers['say']): Handlers['say'] =>
  (call, callback) =>
    call.request.text === 'learn' ? callback(null, { text: '' }) : say(call, callback);
const hi = (client: EchoClient): Promise<unknown> => client.say('hi');
const two = (client: EchoClient): Promise<unknown> => client.burst(['a', 'b']);

const scenes: readonly Scene[] = [
  {
    what: 'a unary call',
    act: hi,
    spans: {
      semconv: [`CLIENT loop.Echo/Say {${SAY} ${AT} ${OK}}`, `  SERVER loop.Echo/Say {${SAY} ${OK}}`],
      dup: [`CLIENT loop.Echo/Say {${SAY} ${OLD} ${AT} ${OLD_OK}}`, `  SERVER loop.Echo/Say {${SAY} ${OLD} ${OLD_OK}}`],
      grpc: [
        'CLIENT Sent.loop.Echo.Say OK',
        `  CLIENT Attempt.loop.Echo.Say {${FIRST}} OK ${sent(2)} ${got(6)}`,
        `    SERVER Recv.loop.Echo.Say OK ${SERVED}`,
      ],
      both: [
        `CLIENT loop.Echo/Say {${SAY} ${AT} ${OK}}`,
        `  CLIENT Attempt.loop.Echo.Say {${SAY} ${FIRST} ${OK}} ${sent(2)} ${got(6)}`,
        `    SERVER loop.Echo/Say {${SAY} ${OK}} ${SERVED}`,
      ],
    },
  },
  {
    what: 'a unary call through a list of interceptors, where messages are objects',
    door: 'interceptors',
    act: hi,
    spans: {
      semconv: [`CLIENT loop.Echo/Say {${SAY} ${AT} ${OK}}`, `  SERVER loop.Echo/Say {${SAY} ${OK}}`],
      grpc: [
        'CLIENT Sent.loop.Echo.Say OK',
        `  CLIENT Attempt.loop.Echo.Say {${FIRST}} OK ${sent()} ${got()}`,
        `    SERVER Recv.loop.Echo.Say OK ${SERVED}`,
      ],
    },
  },
  {
    what: "a call that fails by its caller's fault",
    say: () => learnFirst((_call, callback) => callback({ code: Code.NOT_FOUND, details: 'card 4111' })),
    act: hi,
    spans: {
      semconv: [
        `CLIENT loop.Echo/Say {${SAY} ${AT} ${NOT_FOUND} error.type=NOT_FOUND} ERROR`,
        `  SERVER loop.Echo/Say {${SAY} ${NOT_FOUND}}`,
      ],
      dup: [
        `CLIENT loop.Echo/Say {${SAY} ${OLD} ${AT} rpc.status_code=NOT_FOUND rpc.grpc.status_code=5 ${PEER} error.type=NOT_FOUND} ERROR`,
        `  SERVER loop.Echo/Say {${SAY} ${OLD} rpc.status_code=NOT_FOUND rpc.grpc.status_code=5 ${PEER}}`,
      ],
      grpc: [
        'CLIENT Sent.loop.Echo.Say ERROR(NOT_FOUND)',
        `  CLIENT Attempt.loop.Echo.Say {${FIRST}} ERROR(NOT_FOUND) ${sent(2)}`,
        `    SERVER Recv.loop.Echo.Say ERROR(NOT_FOUND) ${got()}`,
      ],
      both: [
        `CLIENT loop.Echo/Say {${SAY} ${AT} ${NOT_FOUND} error.type=NOT_FOUND} ERROR`,
        `  CLIENT Attempt.loop.Echo.Say {${SAY} ${FIRST} ${NOT_FOUND} error.type=NOT_FOUND} ERROR ${sent(2)}`,
        `    SERVER loop.Echo/Say {${SAY} ${NOT_FOUND}} ${got()}`,
      ],
    },
  },
  {
    what: 'a stream of answers',
    act: (client) =>
      new Promise((resolve) => {
        const answers = client.stub.count({ text: 'n' }, new Metadata(), {});
        answers.on('data', () => {}).on('end', resolve);
      }),
    spans: {
      semconv: [`CLIENT loop.Echo/Count {${COUNT} ${AT} ${OK}}`, `  SERVER loop.Echo/Count {${COUNT} ${OK}}`],
      grpc: [
        'CLIENT Sent.loop.Echo.Count OK',
        `  CLIENT Attempt.loop.Echo.Count {${FIRST}} OK ${sent(1)} ${got(3)} ${got(3, 1)} ${got(3, 2)}`,
        `    SERVER Recv.loop.Echo.Count OK ${got()} ${sent()} ${sent(undefined, 1)} ${sent(undefined, 2)}`,
      ],
      both: [
        `CLIENT loop.Echo/Count {${COUNT} ${AT} ${OK}}`,
        `  CLIENT Attempt.loop.Echo.Count {${COUNT} ${FIRST} ${OK}} ${sent(1)} ${got(3)} ${got(3, 1)} ${got(3, 2)}`,
        `    SERVER loop.Echo/Count {${COUNT} ${OK}} ${got()} ${sent()} ${sent(undefined, 1)} ${sent(undefined, 2)}`,
      ],
    },
  },
  {
    what: 'a call that is retried',
    policy: { defaults: { idempotent: true } },
    say: () => {
      let n = 0;
      return learnFirst((_call, callback) => (n++ > 0 ? callback(null, { text: 'ok' }) : callback({ code: Code.UNAVAILABLE })));
    },
    act: hi,
    spans: {
      // The first attempt has no span while it is the only one: what it calls hangs under the call's.
      semconv: [
        `CLIENT loop.Echo/Say {${SAY} ${AT} ${OK}}`,
        `  CLIENT Attempt.loop.Echo/Say {${SAY} previous-rpc-attempts=0 ${UNAVAILABLE}} ERROR`,
        `  CLIENT Attempt.loop.Echo/Say {${SAY} previous-rpc-attempts=1 ${OK}}`,
        `    SERVER loop.Echo/Say {${SAY} ${OK}}`,
        `  SERVER loop.Echo/Say {${SAY} ${UNAVAILABLE}} ERROR`,
      ],
      grpc: [
        'CLIENT Sent.loop.Echo.Say OK',
        `  CLIENT Attempt.loop.Echo.Say {${FIRST}} ERROR(UNAVAILABLE) ${sent(2)}`,
        `    SERVER Recv.loop.Echo.Say ERROR(UNAVAILABLE) ${got()}`,
        `  CLIENT Attempt.loop.Echo.Say {${SECOND}} OK ${sent(2)} ${got(2)}`,
        `    SERVER Recv.loop.Echo.Say OK ${SERVED}`,
      ],
      both: [
        `CLIENT loop.Echo/Say {${SAY} ${AT} ${OK}}`,
        `  CLIENT Attempt.loop.Echo.Say {${SAY} ${FIRST} ${UNAVAILABLE}} ERROR ${sent(2)}`,
        `    SERVER loop.Echo/Say {${SAY} ${UNAVAILABLE}} ERROR ${got()}`,
        `  CLIENT Attempt.loop.Echo.Say {${SAY} ${SECOND} ${OK}} ${sent(2)} ${got(2)}`,
        `    SERVER loop.Echo/Say {${SAY} ${OK}} ${SERVED}`,
      ],
    },
  },
  {
    what: 'a call that is hedged, whose first attempt answers late',
    policy: { defaults: { idempotent: true, hedgingPolicy: { maxAttempts: 2, hedgingDelay: '0.05s' } } },
    say: () => {
      let n = 0;
      return learnFirst((_call, callback) => {
        if (n++ > 0) callback(null, { text: 'fast' });
        else setTimeout(() => callback(null, { text: 'slow' }), 300);
      });
    },
    act: hi,
    spans: {
      semconv: [
        `CLIENT loop.Echo/Say {${SAY} ${AT} ${OK}}`,
        `  CLIENT Attempt.loop.Echo/Say {${SAY} previous-rpc-attempts=0 ${OK}}`,
        `  CLIENT Attempt.loop.Echo/Say {${SAY} previous-rpc-attempts=1 inmesh.hedge=true ${OK}}`,
        `    SERVER loop.Echo/Say {${SAY} ${OK}}`,
        `  SERVER loop.Echo/Say {${SAY} ${OK}}`,
      ],
      grpc: [
        'CLIENT Sent.loop.Echo.Say OK',
        `  CLIENT Attempt.loop.Echo.Say {${FIRST}} OK ${sent(2)} ${got(4)}`,
        `    SERVER Recv.loop.Echo.Say OK ${SERVED}`,
        `  CLIENT Attempt.loop.Echo.Say {${SECOND} inmesh.hedge=true} OK ${sent(2)} ${got(4)}`,
        `    SERVER Recv.loop.Echo.Say OK ${SERVED}`,
      ],
    },
  },
  {
    what: 'two calls in a batch',
    policy: { coalesce: { mode: 'auto', carrier: 'envelope' } },
    act: two,
    spans: {
      semconv: [
        ...[0, 1].flatMap((index) => [
          `CLIENT loop.Echo/Say {${SAY} ${AT} ${FLUSH} ${OK}} ->loop.Echo/SayInmeshBatch`,
          `  SERVER loop.Echo/Say {${SAY} inmesh.batch.index=${index} inmesh.batch.size=2 ${OK}} ->loop.Echo/SayInmeshBatch`,
        ]),
        `CLIENT loop.Echo/SayInmeshBatch {${BATCH} ${AT} inmesh.batch.size=2 ${OK}} ->loop.Echo/Say ->loop.Echo/Say`,
        `  SERVER loop.Echo/SayInmeshBatch {${BATCH} inmesh.batch.size=2 ${OK}}`,
      ],
      grpc: [
        ...[0, 1].flatMap((index) => [
          'CLIENT Sent.loop.Echo.Say OK',
          `  CLIENT Attempt.loop.Echo.Say {${FIRST} ${FLUSH}} OK ${sent(1)} ${got(5)} ->Sent.loop.Echo.SayInmeshBatch`,
          `    SERVER Recv.loop.Echo.Say {inmesh.batch.index=${index} inmesh.batch.size=2} OK ${SERVED} ->Recv.loop.Echo.SayInmeshBatch`,
        ]),
        'CLIENT Sent.loop.Echo.SayInmeshBatch {inmesh.batch.size=2} OK ->Attempt.loop.Echo.Say ->Attempt.loop.Echo.Say',
        '  SERVER Recv.loop.Echo.SayInmeshBatch {inmesh.batch.size=2} OK',
      ],
    },
  },
  {
    what: 'two calls on a tunnel',
    policy: { coalesce: { mode: 'auto', carrier: 'tunnel' } },
    act: two,
    spans: {
      semconv: [0, 1].flatMap((index) => [
        `CLIENT loop.Echo/Say {${SAY} ${AT} ${FLUSH.replace('envelope', 'tunnel')} ${OK}}`,
        `  SERVER loop.Echo/Say {${SAY} inmesh.batch.index=${index} inmesh.batch.size=2 ${OK}}`,
      ]),
    },
  },
  {
    what: 'a call that waits for its turn',
    policy: { defaults: { bulkhead: { slots: 1, queue: 1 } } },
    act: two,
    spans: {
      semconv: [
        `CLIENT loop.Echo/Say {${SAY} ${AT} ${OK}}`,
        `  SERVER loop.Echo/Say {${SAY} ${OK}}`,
        `CLIENT loop.Echo/Say {${SAY} ${AT} ${OK}}`,
        '  INTERNAL inmesh.queue bulkhead {inmesh.queue=bulkhead}',
        `  SERVER loop.Echo/Say {${SAY} ${OK}}`,
      ],
      grpc: [
        'CLIENT Sent.loop.Echo.Say OK',
        `  CLIENT Attempt.loop.Echo.Say {${FIRST}} OK ${sent(1)} ${got(5)}`,
        `    SERVER Recv.loop.Echo.Say OK ${SERVED}`,
        'CLIENT Sent.loop.Echo.Say OK',
        '  INTERNAL inmesh.queue bulkhead {inmesh.queue=bulkhead}',
        `  CLIENT Attempt.loop.Echo.Say {${FIRST}} OK ${sent(1)} ${got(5)}`,
        `    SERVER Recv.loop.Echo.Say OK ${SERVED}`,
      ],
    },
  },
];

const rows = scenes.flatMap(({ spans, ...scene }) =>
  Object.entries(spans).map(([mode, lines]) => ({ mode: mode as Mode, lines, ...scene })),
);

describe('spans, client and server', () => {
  test.each(rows)('$mode: $what', async ({ mode, lines, door = 'channel', policy = {}, say, act }) => {
    if (mode === 'dup') vi.stubEnv('OTEL_SEMCONV_STABILITY_OPT_IN', 'http,rpc/dup');
    const telemetry = mode === 'dup' ? {} : { names: mode };
    const server = new MeshServer({ mesh: createMesh({ telemetry }) });
    await using running = await serve({ server, handlers: say === undefined ? {} : { say: say() } });
    const mesh = createMesh({ ...policy, telemetry });
    using client = new EchoClient({ address: running.address, mesh, door });
    const { coalesce } = policy;
    const tunnels = typeof coalesce === 'object' && coalesce.carrier === 'tunnel' ? 1 : 0;
    // Sent once: on a busy machine the first connection takes longer than a hedge waits, and the losers would be traced.
    do await client.burst(['learn', 'learn'], { inmesh: { retry: false } });
    while (mesh.stats().coalesce.tunnels.open < tunnels);
    const traces = startTraces(); // no SDK until here: what is seen is what comes now
    await act(client);
    await expect.poll(() => spanTree(traces.spans())).toEqual(lines);
  });
});
