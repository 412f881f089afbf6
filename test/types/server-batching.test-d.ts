/** What the compiler must accept and refuse of batch handlers and front nodes. Checked by `npm run types`; nothing here runs. */
import { ChannelCredentials, type handleUnaryCall, type Server, type ServiceDefinition, status } from '@grpc/grpc-js';
import type { BatchItem, Forward, Mesh } from '../../src/index.ts';

interface Ask {
  readonly id: string;
}
interface Place {
  readonly name: string;
}
/** As ts-proto and grpc-tools type an implementation. */
interface Places {
  getPlace: handleUnaryCall<Ask, Place>;
}

export function handlers(mesh: Mesh): Places[] {
  return [
    // Types come from the service.
    { getPlace: mesh.batchHandler(async (items) => items.map(({ request }) => ({ name: request.id }))) },
    { getPlace: mesh.batchHandler((items) => items.map(({ request: { id } }) => (id === '' ? new Error('no id') : { name: id }))) },
    {
      getPlace: mesh.batchHandler(async (items) => items.map(() => ({ error: Object.assign(new Error('x'), { code: status.NOT_FOUND }) }))),
    },
    {
      getPlace: mesh.batchHandler(async (_items, { signal, method }) => [{ name: `${method} ${signal.aborted}` }], {
        maxItems: 8,
        keyOf: ({ request }) => request.id,
      }),
    },
    // @ts-expect-error: replies of another type
    { getPlace: mesh.batchHandler(async (items) => items.map(() => ({ title: 'x' }))) },
    // @ts-expect-error: one reply for all
    { getPlace: mesh.batchHandler(async () => ({ name: 'x' })) },
    // @ts-expect-error: no such option
    { getPlace: mesh.batchHandler(async () => [], { maxSize: 1 }) },
  ];
}

export function items(item: BatchItem<Ask>): [string, number, string] {
  return [item.request.id, item.deadline, item.call.getPeer()];
}

export function front(mesh: Mesh, server: Server, service: ServiceDefinition): Forward {
  const way = mesh.forward({ target: 'dns:///workers:50051', credentials: ChannelCredentials.createInsecure() });
  way.addTo(server, service);
  const { definition, implementation } = way.service(service, {});
  server.addService(definition, implementation);
  // @ts-expect-error: credentials must be said
  mesh.forward({ target: 'dns:///workers:50051' });
  return way;
}
