/**
 * Calls of methods whose names nobody has heard of, each another, through a whole mesh with an SDK, overviews and Prometheus texts: what
 * is kept by method stays few, and the heap is as it was. Ends with exit code 1 otherwise.
 *
 *     node --expose-gc test/soak/names.ts [names, default 100000]
 */
import { ChannelCredentials, Client } from '@grpc/grpc-js';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { renderPrometheus } from '../../src/observe/prometheus.ts';
import { startMetrics } from '../src/observe/metric-rig.ts';
import { serve } from '../support/loopback.ts';

const [names = 100_000] = process.argv.slice(2).map(Number);
const { gc } = globalThis;
if (gc === undefined) throw new Error('run with --expose-gc');

/** Calls at a time. */
const WIDTH = 64;
/** Names of the first calls, which fill what is bounded. */
const FILL = Math.max(2000, names / 10);
/** What of it may be there in the end that was not when all tables were full, in MB. */
const SLACK_MB = 8;

/** Heap in MB once all garbage is gone. */
async function heapMb(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => void setTimeout(resolve, 20));
    gc?.();
    least = Math.min(least, process.memoryUsage().heapUsed / 2 ** 20);
  }
  return least;
}

const telemetry = startMetrics();
const serverMesh = createMesh();
const running = await serve({ server: new MeshServer({ mesh: serverMesh }) });
const mesh = createMesh({ telemetry: { names: 'both', retryMetrics: true, balancerMetrics: true, traces: false } });
const client = new Client(running.address, ChannelCredentials.createInsecure(), mesh.client());
const bytes = (value: Buffer): Buffer => value;
const nothing = Buffer.alloc(0);
let refused = 0;

const call = (i: number): Promise<void> =>
  new Promise((resolve) => {
    client.makeUnaryRequest(`/made.up${i % 7}.Service${i % 5000}/Method${i}`, bytes, bytes, nothing, (error) => {
      if (error?.code === 12) refused++;
      resolve();
    });
  });

async function calls(from: number, to: number): Promise<void> {
  for (let i = from; i < to; i += WIDTH) {
    await Promise.all(Array.from({ length: Math.min(WIDTH, to - i) }, (_, k) => call(i + k)));
    if ((i / WIDTH) % 50 === 0) renderPrometheus(mesh.overview(), mesh.stats());
  }
}

await calls(0, FILL);
await telemetry.all();
const before = await heapMb();
await calls(FILL, FILL + names);
const metrics = await telemetry.all();
const after = await heapMb();
const methods = new Set(
  metrics.flatMap(({ points }) => points.map(({ attributes }) => attributes['rpc.method'] ?? attributes['grpc.method'])),
);
const text = renderPrometheus(mesh.overview(), mesh.stats());
console.log(
  `${FILL + names} names: heap ${before.toFixed(1)} -> ${after.toFixed(1)} MB, ${methods.size} methods in labels, text of ${text.length} B`,
);

const faults = [
  ...(refused === FILL + names ? [] : [`${FILL + names - refused} calls did not end with UNIMPLEMENTED`]),
  ...(after - before <= SLACK_MB ? [] : [`the heap grew by ${(after - before).toFixed(1)} MB`]),
  ...(methods.size <= 1100 ? [] : [`${methods.size} methods are told apart`]),
];
for (const fault of faults) console.error(fault);
client.close();
await mesh.close();
await running[Symbol.asyncDispose]();
await serverMesh.close();
await telemetry.provider.shutdown();
process.exitCode = faults.length > 0 ? 1 : 0;
