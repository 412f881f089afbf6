/**
 * `node bench/server-batching.ts`: point reads of an SQLite file by 256 callers. Plain handlers of grpc-js with a prepared statement
 * for each call, against `mesh.batchHandler` with one `IN` for each run; called one by one, and by clients that coalesce. `--quick`
 * takes less time.
 *
 * The server is a process of its own.
 *
 * @packageDocumentation
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from '../src/index.ts';
import { Echo, type EchoClient, type Msg, makeClient, sayOf } from './echo.ts';
import { spread } from './stats.ts';

const ROWS = 100_000;
const CALLERS = 256;
const HANDLERS = ['plain', 'batch'] as const;
type Ports = Readonly<Record<(typeof HANDLERS)[number], number>>;

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  database.exec('CREATE TABLE place (id INTEGER PRIMARY KEY, name TEXT)');
  database.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) INSERT INTO place SELECT i, 'place ' || i FROM n`,
  );
  return database;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}

/** The server's process: bare grpc-js with a plain handler, and a mesh with a batch handler. */
async function serve(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'server-batching-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const database = openDatabase(join(folder, 'places.db'));
  const one = database.prepare('SELECT name FROM place WHERE id = ?');
  const plain = new Server();
  const Say: handleUnaryCall<Msg, Msg> = ({ request: { id } }, callback) => callback(null, { id, text: String(one.get(id)?.['name']) });
  plain.addService(Echo.service, { Say });

  const mesh = createMesh();
  const batch = new MeshServer({ mesh });
  const statements = new Map<number, ReturnType<DatabaseSync['prepare']>>();
  const gathered = mesh.batchHandler<Msg, Msg>((items) => {
    // A statement for each power of two, the rest of the places stay NULL.
    const places = 2 ** Math.ceil(Math.log2(items.length));
    let statement = statements.get(places);
    if (statement === undefined) {
      statement = database.prepare(`SELECT id, name FROM place WHERE id IN (${new Array(places).fill('?')})`);
      statements.set(places, statement);
    }
    const ids = new Array<number | null>(places).fill(null);
    for (let i = 0; i < items.length; i++) ids[i] = items[i]?.request.id ?? null;
    const names = new Map(statement.all(...ids).map(({ id, name }) => [id, name]));
    return items.map(({ request: { id } }) => ({ id, text: String(names.get(id)) }));
  });
  batch.addService(Echo.service, { Say: gathered });
  const ports: Ports = { plain: await listen(plain), batch: await listen(batch) };
  process.send?.(ports);
  process.on('message', () => process.send?.(mesh.stats().server.gathered));
  process.once('disconnect', () => process.exit(0));
}

/** Calls per second of 256 sequential callers. */
async function rate(client: EchoClient, ms: number): Promise<number> {
  const say = sayOf(client);
  const untilMs = performance.now() + ms;
  let calls = 0;
  let next = 1;
  const fromMs = performance.now();
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (performance.now() < untilMs) {
        next = (next * 48_271) % 2_147_483_647;
        const id = next % ROWS || 1;
        await new Promise<void>((resolve, reject) => {
          say({ id, text: '' }, (error, answer) => {
            if (error !== null) reject(error);
            else if (answer?.text !== `place ${id}`) reject(new Error(`place ${id} is ${answer?.text}`));
            else resolve();
          });
        });
        calls++;
      }
    }),
  );
  return (calls * 1000) / (performance.now() - fromMs);
}

const answerOf = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve) => child.once('message', (message) => resolve(message as T)));

async function run(quick: boolean): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['--serve'], { execArgv: ['--disable-warning=ExperimentalWarning'] });
  const { plain, batch } = await answerOf<Ports>(child);
  const mesh = createMesh({ coalesce: 'auto' });
  const coalesced = { options: mesh.client() };
  const wrapped = { options: mesh.client(), wrap: (client: EchoClient) => mesh.wrap(client, { interceptors: 'none' }) };
  const bare = { options: { 'grpc.use_local_subchannel_pool': 1 } };
  const variants = [
    { name: 'plain handler, bare client', client: makeClient(`127.0.0.1:${plain}`, bare) },
    { name: 'batch handler, bare client', client: makeClient(`127.0.0.1:${batch}`, bare) },
    { name: 'batch handler, coalescing client', client: makeClient(`127.0.0.1:${batch}`, coalesced) },
    { name: 'batch handler, wrapped client', client: makeClient(`127.0.0.1:${batch}`, wrapped) },
  ];
  for (const { client } of variants) await rate(client, quick ? 200 : 1000);
  const rates = variants.map((): number[] => []);
  for (let round = 0; round < (quick ? 3 : 9); round++) {
    for (const [i, { client }] of variants.entries()) rates[i]?.push(await rate(client, quick ? 400 : 1500));
  }
  const base = rates[0] ?? [];
  for (const [i, { name }] of variants.entries()) {
    const own = rates[i] ?? [];
    const ratio = spread(own.map((one, round) => one / (base[round] ?? Number.NaN)));
    const cells = [
      spread(own).median.toFixed(0).padStart(8),
      `${ratio.median.toFixed(2)} [${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)}]`,
    ];
    process.stdout.write(`${name.padEnd(34)}${cells.join('  ')}\n`);
  }
  child.send('stats');
  const { items, runs } = await answerOf<{ items: number; runs: number }>(child);
  process.stdout.write(`calls in a run: ${(items / runs).toFixed(1)}; target: a batch handler >= 5 x plain\n`);
  for (const { client } of variants) client.close();
  await mesh.close();
  child.disconnect();
}

const { values } = parseArgs({ options: { quick: { type: 'boolean' }, serve: { type: 'boolean' } } });
if (values.serve) await serve();
else {
  process.stdout.write(`node ${process.version}, ${CALLERS} callers, calls/s and x plain\n`);
  await run(values.quick === true);
}
