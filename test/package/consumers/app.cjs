/** A stranger's program in plain CommonJS: the example of README.md, its server, and calls that share batches. */
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const { createMesh, MeshServer } = require('inmesh');

const CALLERS = 24;

/** What two kinds of calls came to: `Hello world`, then `24 of 24 in batches`. */
async function greet() {
  const { Greeter } = grpc.loadPackageDefinition(loader.loadSync('greeter.proto')).helloworld;
  const server = new MeshServer();
  server.addService(Greeter.service, { sayHello: ({ request }, callback) => callback(null, { message: `Hello ${request.name}` }) });
  const port = await new Promise((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });

  const mesh = createMesh({ coalesce: 'auto', services: { 'helloworld.Greeter': { timeout: '10s', idempotent: true } } });
  const client = new Greeter(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), mesh.client());
  const hello = (name) =>
    new Promise((resolve, reject) => {
      client.sayHello({ name }, (error, reply) => (error ? reject(error) : resolve(reply.message)));
    });
  const first = await hello('world');
  const names = Array.from({ length: CALLERS }, (_, index) => `caller ${index}`);
  const replies = await Promise.all(names.map(hello));
  const right = replies.filter((reply, index) => reply === `Hello ${names[index]}`).length;
  const how = mesh.stats().coalesce.carriers > 0 ? 'in batches' : 'alone';

  client.close();
  await mesh.close();
  server.forceShutdown();
  return [first, `${right} of ${CALLERS} ${how}`];
}

module.exports = { greet };
if (require.main === module) void greet().then((lines) => console.log(lines.join('\n')));
