/** What the examples share, none of it of a stack: a port, a server where a stack has none, and the calls. */
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, type Server, ServerCredentials, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { type Mesh, MeshServer } from 'inmesh';

export const PROTO_ROOT: string = fileURLToPath(new URL('../readme', import.meta.url));
export const PROTO_FILE = 'greeter.proto';
const AT_ONCE = 24;

/** Opens a free port of this machine; its address. */
export function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(`127.0.0.1:${port}`);
      else reject(error);
    });
  });
}

/** A server for stacks that are clients only. */
export function greeterServer(): MeshServer {
  const { helloworld } = loadPackageDefinition(loadSync(PROTO_FILE, { includeDirs: [PROTO_ROOT] }));
  const { Greeter } = helloworld as unknown as { readonly Greeter: ServiceClientConstructor };
  const server = new MeshServer();
  server.addService(Greeter.service, {
    sayHello: (call: { request: { name: string } }, callback: (error: null, reply: object) => void) =>
      callback(null, { message: `Hello ${call.request.name}` }),
  });
  return server;
}

/** One call, then many at once; prints what came of it. */
export async function greet(hello: (name: string) => Promise<string>, mesh: Mesh): Promise<void> {
  console.log(await hello('Ada'));
  const names = Array.from({ length: AT_ONCE }, (_, index) => `caller ${index}`);
  const replies = await Promise.all(names.map(hello));
  const right = replies.filter((reply, index) => reply === `Hello ${names[index]}`).length;
  const { client, coalesce } = mesh.stats();
  console.log(`${right} of ${AT_ONCE} right; ${client.calls} calls through the mesh; batches: ${coalesce.carriers > 0 ? 'yes' : 'no'}`);
}
