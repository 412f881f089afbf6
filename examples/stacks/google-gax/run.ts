/** google-gax, below every @google-cloud client: it drops interceptors, but takes a channel factory. A client only. */
import { credentials } from '@grpc/grpc-js';
import { type ClientStub, createApiCall, GrpcClient, googleAuthLibrary } from 'google-gax';
import { createMesh } from 'inmesh';
import { greet, greeterServer, listen, PROTO_FILE, PROTO_ROOT } from '../support.ts';

const server = greeterServer();
const [servicePath = '', port] = (await listen(server)).split(':');

const mesh = createMesh({ coalesce: 'auto' });
const auth = new googleAuthLibrary.GoogleAuth({ authClient: new googleAuthLibrary.OAuth2Client() });
const gax = new GrpcClient({ auth });
const { helloworld } = gax.loadFromProto(PROTO_FILE, { includeDirs: [PROTO_ROOT] }) as unknown as {
  readonly helloworld: { readonly Greeter: typeof ClientStub };
};
// #region client
const stub = await gax.createStub(helloworld.Greeter, {
  ...mesh.client(),
  servicePath,
  port: Number(port),
  sslCreds: credentials.createInsecure(),
});
// #endregion

/** What a gapic generator writes for a service: gax would retry this method. */
const GENERATED = {
  interfaces: {
    'helloworld.Greeter': { retry_codes: { idempotent: ['UNAVAILABLE'] }, methods: { SayHello: { retry_codes_name: 'idempotent' } } },
  },
};
// #region retries
/** Option `clientConfig` of Google's clients: gax's own retries of this method are off. */
const clientConfig = { interfaces: { 'helloworld.Greeter': { methods: { SayHello: null } } } };
// #endregion
const settings = gax.constructSettings('helloworld.Greeter', GENERATED, clientConfig, {});
const call = createApiCall((...args: unknown[]) => stub['sayHello']?.(...args), settings['sayHello']);
const hello = async (name: string): Promise<string> => {
  const [reply] = (await call({ name })) as unknown as [{ readonly message: string }];
  return reply.message;
};
await greet(hello, mesh); // prints Hello Ada
// prints 24 of 24 right; 25 calls through the mesh; batches: yes

stub.close();
await mesh.close();
server.forceShutdown();
