/** What a mesh counts, as Prometheus reads it. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer, renderPrometheus } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region text
const mesh = createMesh({ defaults: { bulkhead: { slots: 8 } } });
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
await hello(client, 'Ada');
const text = renderPrometheus(mesh.overview(), mesh.stats());
for (const line of text.split('\n')) if (/^rpc_client_call_duration_seconds_count|^inmesh_limit_max/.test(line)) console.log(line);
// prints rpc_client_call_duration_seconds_count{rpc_method="helloworld.Greeter/SayHello"} 1
// prints inmesh_limit_max{inmesh_side="client",inmesh_limit_kind="bulkhead",rpc_method="helloworld.Greeter/SayHello"} 8
// #endregion
await mesh.close();

// #region names
const both = createMesh({ telemetry: { names: 'both', retryMetrics: true, balancerMetrics: true } });
// #endregion
await both.close();

server.forceShutdown();
