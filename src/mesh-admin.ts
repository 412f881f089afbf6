/**
 * The admin servers of a mesh. Their code is loaded when the first one is asked for.
 *
 * @packageDocumentation
 */
import type { AdminOptions } from './admin/options.ts';
import type { AdminServer } from './admin/server.ts';
import type { AdminSource, MeshState } from './admin/source.ts';
import type { Clock } from './clock.ts';
import { UsageError } from './errors.ts';

/** What of a mesh is needed here. */
export interface ShownMesh extends Pick<AdminSource, 'policy' | 'overview' | 'stats' | 'explain' | 'drain' | 'breaker'> {
  readonly state: MeshState;
  readonly observer: Pick<AdminSource, 'events' | 'taps'>;
}

/** What a mesh shows of itself over HTTP. */
export class MeshAdmin {
  readonly #mesh: ShownMesh;
  readonly #targets: AdminSource['targets'];
  readonly #clock: Clock;
  readonly #servers = new Set<Promise<AdminServer>>();

  /** @internal */
  constructor(mesh: ShownMesh, targets: AdminSource['targets'], clock: Clock) {
    this.#mesh = mesh;
    this.#targets = targets;
    this.#clock = clock;
  }

  /**
   * Shows the mesh at http://127.0.0.1:9902: live page, metrics, health, endpoints, policy, calls. Read-only without a token. It does
   * not keep the process alive; `mesh.close()` closes it.
   *
   * @throws ConfigError on a bad option. @throws UsageError when the port is taken or the mesh is closed.
   */
  async listen(options: AdminOptions = {}): Promise<AdminServer> {
    if (this.#mesh.state === 'closed') throw new UsageError('mesh.admin.listen(): the mesh is closed');
    const opening = this.#open(options);
    this.#servers.add(opening);
    try {
      return await opening;
    } catch (error) {
      this.#servers.delete(opening);
      throw error;
    }
  }

  /** @internal Closes all of them. */
  async close(): Promise<void> {
    const servers = await Promise.allSettled(this.#servers);
    await Promise.all(servers.map((server) => (server.status === 'fulfilled' ? server.value.close() : undefined)));
  }

  async #open(options: AdminOptions): Promise<AdminServer> {
    const [{ resolveAdminOptions }, { openAdminServer }] = await Promise.all([import('./admin/options.ts'), import('./admin/server.ts')]);
    return openAdminServer(this.#source(), resolveAdminOptions(options, process.env), this.#clock);
  }

  #source(): AdminSource {
    const mesh = this.#mesh;
    return {
      get policy() {
        return mesh.policy;
      },
      events: mesh.observer.events,
      taps: mesh.observer.taps,
      state: () => mesh.state,
      targets: this.#targets,
      overview: () => mesh.overview(),
      stats: () => mesh.stats(),
      explain: (method, target) => mesh.explain(method, target),
      drain: () => mesh.drain(),
      breaker: (method) => mesh.breaker(method),
    };
  }
}
