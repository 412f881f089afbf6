/** One policy in a file for a whole server, and one in front of a plain server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Server, type ServiceError, status } from '@grpc/grpc-js';
import { type AuthorizationPolicy, authorizationServerInterceptor, createMesh, MeshServer, REASON_KEY } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const folder = mkdtempSync(join(tmpdir(), 'inmesh-'));
const file = join(folder, 'authorization.json');
// #region policy
const policy: AuthorizationPolicy = {
  name: 'greeter',
  deny_rules: [{ name: 'no-robots', request: { headers: [{ key: 'x-agent', values: ['robot*'] }] } }],
  allow_rules: [
    {
      name: 'admins',
      source: { principals: ['spiffe://example.org/admin/*'] },
    },
    {
      name: 'greetings',
      request: { paths: ['/helloworld.Greeter/*'], headers: [{ key: 'x-name', values: ['Ada', 'Grace'] }] },
    },
  ],
};
// #endregion
writeFileSync(file, JSON.stringify(policy));

// #region mesh
const mesh = createMesh({ server: { authorization: { file, refresh: '30s' } } });
const server = new MeshServer({ mesh });
// #endregion
server.addService(Greeter.service, { sayHello });
const client = new Greeter(await listen(server), credentials.createInsecure());

// #region denied
const error: ServiceError = await hello(client, 'Ada').catch((reason) => reason);
console.log(status[error.code]); // prints PERMISSION_DENIED
console.log(error.metadata.get(REASON_KEY)[0]); // prints server.authorization/denied
console.log(mesh.stats().server.authorization?.unmatched); // prints 1
// #endregion

// #region alone
const guard = authorizationServerInterceptor({ policy });
const plain = new Server({ interceptors: [guard] });
// #endregion
plain.addService(Greeter.service, { sayHello });
const other = new Greeter(await listen(plain), credentials.createInsecure());
await hello(other, 'Ada').catch(() => undefined);
console.log(guard.stats().denied); // prints 1

client.close();
other.close();
await mesh.close();
server.forceShutdown();
plain.forceShutdown();
rmSync(folder, { recursive: true });
