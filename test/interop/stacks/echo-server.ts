/** The service that every stack calls: plain handlers, on a server that also takes batches. */
import * as grpc from '@grpc/grpc-js';
import { createMesh, type Mesh, MeshServer } from '../../../src/index.ts';
import { type EchoServiceServer, EchoServiceService } from './gen/echo/v1/echo.ts';

/** Text that the server refuses, so that a test sees how an error arrives. */
export const REFUSED = 'refuse me';

const handlers: EchoServiceServer = {
  say: (call, callback) => {
    const { text } = call.request;
    if (text === REFUSED) callback({ code: grpc.status.FAILED_PRECONDITION, details: 'refused as asked' });
    else callback(null, { text });
  },
  count: (call) => {
    for (let value = 1; value <= call.request.to; value++) call.write({ value });
    call.end();
  },
};

/** A server on a free port of the loopback interface. */
export interface RunningEcho {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** The server half. */
  readonly mesh: Mesh;
  close(): Promise<void>;
}

/** The handlers under ts-proto's definition of the service, or under another stack's whose messages are plain objects too. */
export async function startEcho(service: grpc.ServiceDefinition = EchoServiceService): Promise<RunningEcho> {
  const mesh = createMesh();
  const server = new MeshServer({ mesh });
  server.addService(service, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return {
    address: `127.0.0.1:${port}`,
    mesh,
    close: async () => {
      server.forceShutdown();
      await mesh.close();
    },
  };
}
