/**
 * One caller, one call after the other: bare grpc-js, a stream that is written by hand (what no tunnel can be faster than, for it
 * keeps neither deadlines nor statuses nor metadata), and ours on a tunnel at its doors.
 *
 *     node bench/sequential.ts [--rounds 60] [--slice-ms 100]
 *
 * @packageDocumentation
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  type Client,
  type ClientDuplexStream,
  credentials,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { createMesh, MeshServer, type Policy } from '../src/index.ts';
import { closedLoop } from './closed-loop.ts';
import { type Call, type Done, Echo, type EchoClient, type Msg, sayOf, typedSay } from './echo.ts';
import { cpuUs } from './protocol.ts';
import { ratios, spread } from './stats.ts';

const TARGET = 2;
/** A lone caller makes few calls a second, and code is compiled after so many. */
const WARM_SLICES = 8;
const WARM_SLICE_MS = 1_200;
const POLICY: Policy = { coalesce: { mode: 'auto', carrier: 'tunnel' } };
const say = Echo.service['Say'];
/** The same message, again and again on one stream. */
const Stream = makeGenericClientConstructor(
  { Chat: { ...say, path: '/inmesh.bench.Echo/Chat', requestStream: true, responseStream: true } } as ServiceDefinition,
  'Echo',
);

interface Variant {
  readonly name: string;
  readonly call: Call;
}

/** The server that is called bare, and that of the tunnels. */
async function serve(): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  process.send?.([await bound(new Server()), await bound(new MeshServer({ mesh: createMesh() }))]);
}

function bound(server: Server): Promise<number> {
  server.addService(Echo.service, {
    Say: (call: ServerUnaryCall<Msg, Msg>, callback: sendUnaryData<Msg>) => callback(null, call.request),
  });
  server.addService(Stream.service, {
    Chat: (call: ServerDuplexStream<Msg, Msg>) => void call.on('data', (message: Msg) => call.write(message)).on('end', () => call.end()),
  });
  return new Promise((resolve) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) => resolve(port));
  });
}

/** One call after the other on one stream: nothing but grpc-js. */
function byHand(address: string): Call {
  const client = new Stream(address, credentials.createInsecure()) as unknown as Client & { Chat(): ClientDuplexStream<Msg, Msg> };
  const stream = client.Chat();
  let waiting: Done | undefined;
  stream.on('data', (answer: Msg) => {
    const done = waiting;
    waiting = undefined;
    done?.(null, answer);
  });
  stream.on('error', () => {});
  return (request, done) => {
    waiting = done;
    stream.write(request);
  };
}

function variants(plain: string, address: string): readonly Variant[] {
  const insecure = credentials.createInsecure();
  const channel = createMesh(POLICY);
  const wrapping = createMesh(POLICY);
  const wrapped = wrapping.wrap(new Echo(address, insecure, wrapping.client()), { interceptors: 'none' });
  return [
    { name: 'bare', call: sayOf(new Echo(plain, insecure) as EchoClient) },
    { name: 'bare again', call: sayOf(new Echo(plain, insecure, { 'grpc.use_local_subchannel_pool': 1 }) as EchoClient) },
    { name: 'stream by hand', call: byHand(plain) },
    { name: 'tunnel, channel', call: sayOf(new Echo(address, insecure, channel.client()) as EchoClient) },
    { name: 'tunnel, wrapped', call: sayOf(wrapped as unknown as EchoClient) },
    { name: 'tunnel, typed', call: typedSay(createMesh(POLICY), address) },
  ];
}

interface Cell {
  readonly callsPerSecond: number;
  readonly clientUs: number;
}

async function measured({ name, call }: Variant, sliceMs: number): Promise<Cell> {
  let cpu = 0;
  const result = await closedLoop(call, { callers: 1, warmMs: sliceMs / 4, sliceMs }, () => {
    cpu = cpuUs() - cpu;
  });
  if (result.failed > 0) throw new Error(`${name}: ${result.failed} calls failed, the first with: ${result.firstError}`);
  return { callsPerSecond: (result.calls * 1000) / result.elapsedMs, clientUs: cpu / result.calls };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '60' }, 'slice-ms': { type: 'string', default: '100' } } });
  const [rounds, sliceMs] = [Number(values.rounds), Number(values['slice-ms'])];
  const server: ChildProcess = fork(fileURLToPath(import.meta.url), ['serve']);
  const [[plain, ours]] = (await once(server, 'message')) as [[number, number]];
  const all = variants(`127.0.0.1:${plain}`, `127.0.0.1:${ours}`);
  const cells = new Map<string, Cell[]>(all.map(({ name }) => [name, []]));
  for (let i = 0; i < WARM_SLICES; i++) for (const variant of all) await measured(variant, WARM_SLICE_MS); // tunnels are open then
  for (let round = 0; round < rounds; round++)
    for (const variant of round % 2 === 0 ? all : all.toReversed()) cells.get(variant.name)?.push(await measured(variant, sliceMs));
  const rates = (name: string): number[] => (cells.get(name) ?? []).map(({ callsPerSecond }) => callsPerSecond);
  console.log(`node ${process.version}, one caller, ${rounds} rounds`);
  console.log('variant           calls/s   client us   x bare (min..max)      of the stream by hand');
  for (const { name } of all) {
    const { median, min, max } = spread(ratios(rates(name), rates('bare')));
    const us = spread((cells.get(name) ?? []).map(({ clientUs }) => clientUs)).median;
    const ofHand = spread(ratios(rates(name), rates('stream by hand'))).median;
    const numbers = `${spread(rates(name)).median.toFixed(0).padStart(7)} ${us.toFixed(1).padStart(11)}`;
    const verdict = name.startsWith('tunnel') ? `; >= ${TARGET}: ${median >= TARGET ? 'holds' : 'does not hold'}` : '';
    const range = `${median.toFixed(2)} (${min.toFixed(2)}..${max.toFixed(2)})`;
    console.log(`${name.padEnd(16)} ${numbers}   ${range.padEnd(22)} ${ofHand.toFixed(2)}${verdict}`);
  }
  server.disconnect();
  process.exit(0);
}

if (process.argv[2] === 'serve') await serve();
else await main();
