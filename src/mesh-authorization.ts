/**
 * The authorization of a mesh's servers, as its policy says.
 *
 * @packageDocumentation
 */
import { authorizationServer } from '../interceptors/authorization.ts';
import type { AuditLogger } from './auth/audit.ts';
import { AuthorizationGuard, type AuthorizationStats } from './auth/guard.ts';
import { PortSecurity } from './grpc/port-security.ts';
import type { ServerLayer } from './grpc/server-call.ts';
import type { StackSettings } from './mesh-stack.ts';
import type { Tell } from './observe/event-log.ts';

/** One guard for all servers of a mesh. */
export class MeshAuthorization {
  readonly layer: ServerLayer;
  /** To be told of every server, before it is bound. */
  readonly ports: PortSecurity = new PortSecurity();
  readonly #guard: AuthorizationGuard;

  /** @throws ConfigError when the file can't be read or its policy is wrong. */
  constructor(
    source: { readonly file: string; readonly refreshMs: number },
    { clock, warn }: Pick<StackSettings, 'clock' | 'warn'>,
    auditLoggers: Readonly<Record<string, AuditLogger>> = {},
    tell: Tell = () => {},
  ) {
    const onReloaded = (): void =>
      tell({ kind: 'authorization.reloaded', subject: source.file, text: `another policy of ${source.file} is in force` });
    this.#guard = new AuthorizationGuard(source, { clock, warn, auditLoggers, knowsTls: true, onReloaded });
    this.layer = authorizationServer({ guard: this.#guard, isTls: (call) => this.ports.at(call.getConnectionInfo().localPort) });
  }

  stats(): { readonly authorization: AuthorizationStats } {
    return { authorization: this.#guard.stats() };
  }

  /** Leaves no timer. The policy stays in force. */
  stop(): void {
    this.#guard.stop();
  }
}
