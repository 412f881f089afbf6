/**
 * Traffic policy over many calls, from end to end: a canary's share and its stickiness, faults to the call, a mirror that delays and
 * fails nothing and compares without false alarms. Ends with exit code 1 otherwise.
 *
 *     node test/soak/traffic.ts [calls of each part, default 100000]
 */
import { Metadata } from '@grpc/grpc-js';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { EchoClient, echoDefinition, type Handlers, metadataOf, type RunningServer, serve } from '../support/loopback.ts';

const [calls = 100_000] = process.argv.slice(2).map(Number);
const WIDTH = 64;
/** Few calls have a 99th percentile that is the worst of them; a call that waited for its copy would take 60 s all the same. */
const SLACK_MS = calls < 100_000 ? 5 : 0;

const faults: string[] = [];
function check(name: string, holds: boolean, seen: unknown): void {
  if (!holds) faults.push(`${name}: ${JSON.stringify(seen)}`);
}

const says = (who: string): Partial<Handlers> => ({ say: (_call, callback) => callback(null, { text: who }) });
const clientOf = (address: string, mesh: Mesh): EchoClient => new EchoClient({ address, mesh, door: 'wrap' });

/** Texts or codes of so many calls, some at a time. */
async function load(client: EchoClient, count: number, metadata: (index: number) => Metadata): Promise<string[]> {
  const answers = new Array<string>(count).fill('');
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      answers[index] = await new Promise<string>((resolve) => {
        client.stub.say({ text: '' }, metadata(index), {}, (error, reply) =>
          resolve(error === null ? (reply?.text ?? '') : String(error.code)),
        );
      });
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  return answers;
}

async function withServers(names: readonly string[], run: (servers: readonly RunningServer[]) => Promise<void>): Promise<void> {
  const servers = await Promise.all(names.map((name) => serve({ handlers: says(name) })));
  await run(servers);
  for (const server of servers) server.kill();
}

async function canary(): Promise<void> {
  await withServers(['stable', 'canary'], async ([stable, other]) => {
    const split = (weight: number): Policy => ({
      clusters: { canary: { target: other?.address ?? '' } },
      routes: [{ split: [{ weight: 100 - weight }, { cluster: 'canary', weight }], key: { header: 'x-user' } }],
    });
    const user = (index: number): Metadata => metadataOf({ 'x-user': `user-${index}` });
    const [ten, twenty] = [createMesh(split(10)), createMesh(split(20))];
    using client = clientOf(stable?.address ?? '', ten);
    using later = clientOf(stable?.address ?? '', twenty);
    const first = await load(client, calls, user);
    const share = first.filter((name) => name === 'canary').length / calls;
    check('canary: share of 10 %', Math.abs(share - 0.1) <= 0.005 + 1.5 / Math.sqrt(calls), share);
    check(
      'canary: calls that failed',
      first.every((name) => name === 'canary' || name === 'stable'),
      first.length,
    );
    const again = await load(client, calls / 10, user);
    check(
      'canary: keys that moved',
      again.every((name, index) => name === first[index]),
      again.length,
    );
    const grown = await load(later, calls / 10, user);
    check(
      'canary: keys that left it when it grew',
      grown.every((name, index) => first[index] === 'stable' || name === 'canary'),
      grown.length,
    );
    console.log(`canary: ${(share * 100).toFixed(2)} % of ${calls} calls, each key where it was, 20 % holds all of the 10 %`);
    await Promise.all([ten.close(), twenty.close()]);
  });
}

async function injected(): Promise<void> {
  await withServers(['own'], async ([server]) => {
    const mesh = createMesh({ faults: [{ match: { headers: [{ name: 'x-test', exact: 'yes' }] }, percent: 7.5, abort: 'ABORTED' }] });
    using client = clientOf(server?.address ?? '', mesh);
    const answers = await load(client, calls, (index) => (index % 2 === 0 ? metadataOf({ 'x-test': 'yes' }) : new Metadata()));
    const hit = answers.filter((answer, index) => index % 2 === 0 && answer === '10').length;
    const outside = answers.filter((answer, index) => index % 2 === 1 && answer !== 'own').length;
    check('faults: of 7.5 %', hit === Math.floor(calls * 0.0375), hit);
    check('faults: outside their match', outside === 0, outside);
    console.log(`faults: ${hit} of ${calls / 2} calls, ${outside} outside their match`);
    await mesh.close();
  });
}

async function mirrored(): Promise<void> {
  await withServers(['same', 'same'], async ([own, shadow]) => {
    const mesh = createMesh(
      { clusters: { shadow: { target: shadow?.address ?? '' } }, mirrors: [{ cluster: 'shadow', compare: true, maxInFlight: 1000 }] },
      { services: [echoDefinition] },
    );
    using client = clientOf(own?.address ?? '', mesh);
    const answers = await load(client, calls, () => new Metadata());
    for (let i = 0; i < 100 && (mesh.stats().traffic.mirrors[0]?.inFlight ?? 0) > 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [stats] = mesh.stats().traffic.mirrors;
    check(
      'mirror: calls that failed',
      answers.every((answer) => answer === 'same'),
      answers.length,
    );
    check('mirror: copies', stats?.sent === calls && stats.failed === 0, stats);
    check('mirror: false alarms', stats?.equal === calls && stats.different === 0 && stats.uncompared === 0, stats);
    console.log(`mirror: ${stats?.sent} copies, ${stats?.equal} equal, ${stats?.different} different`);
    await mesh.close();
  });
}

/** The 99th percentile of calls one after the other, in ms. */
async function p99(client: EchoClient, count: number): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now();
    await load1(client);
    took.push(performance.now() - startedMs);
  }
  return took.sort((a, b) => a - b)[Math.floor(count * 0.99)] ?? 0;
}
const load1 = (client: EchoClient): Promise<unknown> =>
  new Promise((resolve) => client.stub.say({ text: '' }, new Metadata(), {}, resolve));
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** Against a cluster that answers nothing, and one that is not there. */
async function undelayed(): Promise<void> {
  await withServers(['own'], async ([own]) => {
    const silent = await serve({ handlers: { say: () => {} } });
    const mirror = (target: string): Mesh =>
      createMesh({ clusters: { shadow: { target } }, mirrors: [{ cluster: 'shadow', timeout: '60s' }] });
    const meshes = { bare: createMesh(), again: createMesh(), silent: mirror(silent.address), dead: mirror('127.0.0.1:1') };
    const variants = Object.entries(meshes).map(([name, mesh]) => ({
      name,
      mesh,
      client: clientOf(own?.address ?? '', mesh),
      p99s: [] as number[],
    }));
    const count = Math.max(100, Math.floor(calls / 100));
    for (const { client } of variants) await p99(client, count);
    for (let round = 0; round < 9; round++) for (const variant of variants) variant.p99s.push(await p99(variant.client, count));
    const [bare = 0, again = 0, ...others] = variants.map(({ p99s }) => median(p99s));
    const most = Math.max(bare, again, ...(variants[0]?.p99s ?? []), ...(variants[1]?.p99s ?? []));
    check(
      'mirror: p99 in ms beside two runs without one',
      others.every((one) => one <= most + SLACK_MS),
      { bare, again, others, most },
    );
    console.log(
      `mirror: p99 ${bare.toFixed(2)} and ${again.toFixed(2)} ms without, ${others.map((one) => one.toFixed(2)).join(' and ')} ms to a silent and to a dead cluster`,
    );
    for (const { client, mesh } of variants) {
      client[Symbol.dispose]();
      check('mirror: calls that failed', mesh.stats().client.failed === 0, mesh.stats().client.byCode);
      await mesh.close(0);
    }
    silent.kill();
  });
}

for (const part of [canary, injected, mirrored, undelayed]) {
  const startedMs = performance.now();
  await part();
  console.log(`  ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
