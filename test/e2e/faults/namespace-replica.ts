/** A replica on an address of its own. Argument: the address. */
import { ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { MeshServer } from '../../../src/mesh-server.ts';
import { echo, echoDefinition, type Message } from '../../support/loopback.ts';

const [host = ''] = process.argv.slice(2);
const server = new MeshServer();
server.addService(echoDefinition, {
  ...echo,
  // A call is an id and how long it takes, as for the other replicas.
  say: (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>) => {
    const [id, takesMs] = call.request.text.split(' ');
    setTimeout(() => callback(null, { text: `${id}` }), Number(takesMs));
  },
});
server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send?.(port);
});
process.on('disconnect', () => process.exit(0));
setTimeout(() => process.exit(1), 60_000).unref();
