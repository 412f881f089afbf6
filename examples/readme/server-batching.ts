/** Calls of all clients become one query. */
import { DatabaseSync } from 'node:sqlite';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, type HelloReply, type HelloRequest, hello, listen } from './greeter.ts';

const database = new DatabaseSync(':memory:');
database.exec(
  "CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT); INSERT INTO people VALUES ('ada', 'Ada Lovelace'), ('alan', 'Alan Turing')",
);

// #region handler
const mesh = createMesh();
const server = new MeshServer({ mesh });
server.addService(Greeter.service, {
  sayHello: mesh.batchHandler<HelloRequest, HelloReply>((items) => {
    const ids = items.map(({ request }) => request.name);
    const rows = database.prepare(`SELECT id, name FROM people WHERE id IN (${ids.map(() => '?')})`).all(...ids);
    const names = new Map(rows.map(({ id, name }) => [id, name]));
    // One reply for each item, in their order: a response or an error.
    return ids.map((id) => {
      const name = names.get(id);
      return name === undefined ? Object.assign(new Error(`no ${id} here`), { code: status.NOT_FOUND }) : { message: `Hello ${name}` };
    });
  }),
});
// #endregion

const target = await listen(server);
const clients = [1, 2, 3].map(() => new Greeter(target, credentials.createInsecure()));
const outcomes = await Promise.allSettled(clients.flatMap((client) => ['ada', 'alan', 'eve'].map((name) => hello(client, name))));
for (const outcome of outcomes) {
  console.log(outcome.status === 'fulfilled' ? outcome.value : status[(outcome.reason as ServiceError).code]);
  // prints Hello Ada Lovelace
  // prints Hello Alan Turing
  // prints NOT_FOUND
  // prints Hello Ada Lovelace
  // prints Hello Alan Turing
  // prints NOT_FOUND
  // prints Hello Ada Lovelace
  // prints Hello Alan Turing
  // prints NOT_FOUND
}

// #region stats
const { items, runs } = mesh.stats().server.gathered;
console.log(items); // prints 9
console.log(runs < items); // prints true
// #endregion

// #region options
const tenants = mesh.batchHandler<HelloRequest, HelloReply>(
  async (items, { signal }) => {
    signal.throwIfAborted(); // nobody waits any more
    return items.map(({ request, metadata, trailers }) => {
      trailers.set('x-tenant', metadata.get('tenant')[0] ?? 'none');
      return { message: `Hello ${request.name}` };
    });
  },
  { maxItems: 64, maxConcurrent: 2, maxWaiting: 5000, keyOf: ({ metadata }) => String(metadata.get('tenant')[0]) },
);
// #endregion
const second = new MeshServer({ mesh });
second.addService(Greeter.service, { sayHello: tenants });
const client = new Greeter(await listen(second), credentials.createInsecure());
console.log(await hello(client, 'Ada')); // prints Hello Ada

for (const each of [...clients, client]) each.close();
for (const each of [server, second]) each.forceShutdown();
await mesh.close();
