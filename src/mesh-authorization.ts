/**
 * The authorization of a mesh's servers, as its policy says.
 *
 * @packageDocumentation
 */
import { authorizationServer } from '../interceptors/authorization.ts';
import type { AuditLogger } from './auth/audit.ts';
import { AuthorizationGuard, type AuthorizationStats } from './auth/guard.ts';
import type { PortSecurity } from './grpc/port-security.ts';
import type { ServerLayer } from './grpc/server-call.ts';
import type { StackSettings } from './mesh-stack.ts';
import type { Tell } from './observe/event-log.ts';

/** What a guard works with. */
export interface AuthorizationHome extends Pick<StackSettings, 'clock' | 'warn'> {
  /** Told of every server, before it is bound. */
  readonly ports: PortSecurity;
  readonly auditLoggers?: Readonly<Record<string, AuditLogger>>;
  readonly tell?: Tell;
}

/** One guard for all servers of a mesh. */
export class MeshAuthorization {
  readonly layer: ServerLayer;
  readonly #guard: AuthorizationGuard;

  /** @throws ConfigError when the file can't be read or its policy is wrong. */
  constructor(
    source: { readonly file: string; readonly refreshMs: number },
    { clock, warn, ports, auditLoggers = {}, tell = () => {} }: AuthorizationHome,
  ) {
    const onReloaded = (): void =>
      tell({ kind: 'authorization.reloaded', subject: source.file, text: `another policy of ${source.file} is in force` });
    this.#guard = new AuthorizationGuard(source, { clock, warn, auditLoggers, knowsTls: true, onReloaded });
    this.layer = authorizationServer({ guard: this.#guard, isTls: (call) => ports.at(call.getConnectionInfo().localPort) });
  }

  stats(): { readonly authorization: AuthorizationStats } {
    return { authorization: this.#guard.stats() };
  }

  /** Follows its file no more, and leaves no timer. Its policy stays in force for who still asks. */
  close(): void {
    this.#guard.stop();
  }
}
