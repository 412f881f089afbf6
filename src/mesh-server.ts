/**
 * A grpc-js `Server` with a mesh in front.
 *
 * @packageDocumentation
 */
import { Server, type ServerOptions } from '@grpc/grpc-js';
import { createMesh, type Mesh } from './mesh.ts';

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
}
