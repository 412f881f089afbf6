/**
 * A grpc-js `Server` with a mesh in front.
 *
 * @packageDocumentation
 */
import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import { UsageError } from './errors.ts';
import { createMesh, type Mesh } from './mesh.ts';

const NOT_OURS =
  'bindAsync(port, credentials): these are no server credentials of the @grpc/grpc-js that inmesh uses; if they are of another copy, two copies of it are installed (see `npm ls @grpc/grpc-js`)';

/** Options of grpc-js's `Server`, and the mesh. */
export interface MeshServerOptions extends ServerOptions {
  /** Default: a mesh with the defaults. */
  readonly mesh?: Mesh;
}

/**
 * Takes the place of grpc-js's `Server`: same options, same methods. Its interceptors are known, so it takes batches, and
 * each call in a batch meets the same interceptors and the same handler as a call of its own.
 */
export class MeshServer extends Server {
  constructor(options: MeshServerOptions = {}) {
    const { mesh = createMesh(), ...own } = options;
    const composed = mesh.server(own);
    super(composed);
    mesh.attach(this, composed);
  }

  /** @throws UsageError when the credentials are of another copy of grpc-js. */
  override bindAsync(port: string, credentials: ServerCredentials, callback: (error: Error | null, port: number) => void): void {
    // What is no object at all is for grpc-js to refuse.
    if (credentials instanceof Object && !(credentials instanceof ServerCredentials)) throw new UsageError(NOT_OURS);
    super.bindAsync(port, credentials, callback);
  }
}
