/** A server whose handlers run in threads, and clients of it. */
import type { ServerInterceptor, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { createMesh, type Mesh, MeshServer, type Workers, type WorkersOptions } from '../../src/index.ts';
import { bind, EchoClient, echo, echoDefinition } from '../support/loopback.ts';

export const MODULE: URL = new URL('workers-module.ts', import.meta.url);
/** A module of this text. It can import nothing that is not built in. */
export const moduleOf = (text: string): URL => new URL(`data:text/javascript,${encodeURIComponent(text)}`);

export interface StageOptions extends Partial<WorkersOptions> {
  /** Default: `service`. */
  readonly way?: 'service' | 'handlers';
  readonly interceptors?: readonly ServerInterceptor[];
}

export class WorkersStage implements AsyncDisposable {
  readonly said: string[] = [];
  readonly mesh: Mesh = createMesh({}, { warn: (line) => this.said.push(line) });
  readonly clientMesh: Mesh = createMesh({ coalesce: 'auto' }, { warn: () => undefined });
  readonly workers: Workers;
  readonly server: MeshServer;
  readonly #clients: EchoClient[] = [];
  #port = 0;

  constructor({ way = 'service', interceptors = [], ...options }: StageOptions = {}) {
    this.workers = this.mesh.workers({ module: MODULE, threads: 1, ...options });
    this.server = new MeshServer({ mesh: this.mesh, interceptors: [...interceptors] });
    const { collect, count, chat } = echo;
    const streams = { collect, count, chat } as unknown as UntypedServiceImplementation;
    if (way === 'service') {
      const { definition, implementation } = this.workers.service(echoDefinition);
      this.server.addService(definition, { ...implementation, ...streams });
    } else this.server.addService(echoDefinition as ServiceDefinition, { ...this.workers.handlers(echoDefinition), ...streams });
  }
  static async open(options?: StageOptions): Promise<WorkersStage> {
    const stage = new WorkersStage(options);
    await stage.workers.ready;
    stage.#port = await bind(stage.server);
    return stage;
  }
  /** Like `open`, but does not wait for the threads. */
  static async cold(options?: StageOptions): Promise<WorkersStage> {
    const stage = new WorkersStage(options);
    stage.#port = await bind(stage.server);
    return stage;
  }
  /** Without a mesh of its own each call goes alone; with one, in batches. */
  client(batches = false): EchoClient {
    const client = new EchoClient({ address: `127.0.0.1:${this.#port}`, ...(batches ? { mesh: this.clientMesh } : {}) });
    this.#clients.push(client);
    return client;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.stub.close();
    await this.clientMesh.close(0);
    await this.mesh.close(0);
    this.server.forceShutdown();
  }
}
