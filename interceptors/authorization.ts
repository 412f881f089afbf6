/**
 * Authorization: who may call what, by a policy of gRFC A43.
 *
 * - Scope: once per call or item of a batch, all four method kinds, before anything of it is read; above the bulkhead, so that
 *   who may not call takes no slot.
 * - Rejects with PERMISSION_DENIED. The peer is not told which rule did it; counts and audit are.
 * - Who is not known counts against the caller: see `AuthorizationRequest.principals`.
 * - State: the policy in force, counts, and what the last certificates said.
 * - Source: gRFC A43 and A59; case Q6, Q10.
 *
 * @packageDocumentation
 */
import type { Metadata } from '@grpc/grpc-js';
import type { AuthorizationRequest } from '../src/auth/authorizer.ts';
import { certificatePrincipals } from '../src/auth/certificate.ts';
import type { AuthorizationGuard } from '../src/auth/guard.ts';
import { Code } from '../src/call.ts';
import { type Refusal, refusal } from '../src/errors.ts';
import { serverRefusal } from '../src/grpc/refuse.ts';
import { ForwardingServerCall, type ServerCall, type ServerLayer } from '../src/grpc/server-call.ts';

/** What the authorization behaviour is told. */
export interface AuthorizationSettings {
  readonly guard: AuthorizationGuard;
  /** Whether a call without client certificate came over TLS; undefined: not known. */
  readonly isTls: (call: ServerCall) => boolean | undefined;
}

const DENIED: Refusal = refusal(Code.PERMISSION_DENIED, 'server.authorization/denied', 'unauthorized request rejected');

/** The server half; there is no other. */
export function authorizationServer({ guard, isTls }: AuthorizationSettings): ServerLayer {
  const names = new CertificateNames();
  return (info, call) => new GuardedServerCall(call, info.method, guard, () => principalsOf(call, isTls, names));
}

class GuardedServerCall extends ForwardingServerCall {
  readonly #path: string;
  readonly #guard: AuthorizationGuard;
  readonly #principals: AuthorizationRequest['principals'];
  #admitted = false;

  constructor(lower: ServerCall, path: string, guard: AuthorizationGuard, principals: AuthorizationRequest['principals']) {
    super(lower);
    this.#path = path;
    this.#guard = guard;
    this.#principals = principals;
  }
  override onReceiveMetadata(metadata: Metadata): void {
    const request = { path: this.#path, values: (key: string) => metadata.get(key), principals: this.#principals };
    this.#admitted = this.#guard.admits(request);
    if (this.#admitted) this.upper.onReceiveMetadata(metadata);
    else this.lower.sendStatus(serverRefusal(DENIED));
  }
  override onReceiveMessage(message: unknown): void {
    if (this.#admitted) this.upper.onReceiveMessage(message);
  }
  override onReceiveHalfClose(): void {
    if (this.#admitted) this.upper.onReceiveHalfClose();
  }
}

const NOBODY: readonly string[] = [];
const WITHOUT_CERTIFICATE: readonly string[] = [''];

function principalsOf(call: ServerCall, isTls: AuthorizationSettings['isTls'], names: CertificateNames): readonly string[] | undefined {
  const { transportSecurityType, sslPeerCertificate: certificate } = call.getAuthContext();
  if (certificate !== undefined) return names.of(certificate);
  const tls = transportSecurityType !== undefined || isTls(call);
  if (tls === undefined) return undefined;
  return tls ? WITHOUT_CERTIFICATE : NOBODY;
}

/** More certificates than that are read anew when they come again. */
const MAX_CERTIFICATES = 1000;

/** Names by certificate: taking one apart is dear, and all calls of a connection have the same. */
class CertificateNames {
  readonly #known = new Map<string, readonly string[]>();

  of({ raw, fingerprint512 }: { readonly raw: Uint8Array; readonly fingerprint512: string }): readonly string[] {
    const known = this.#known.get(fingerprint512);
    if (known !== undefined) return known;
    const names = certificatePrincipals(raw);
    if (this.#known.size >= MAX_CERTIFICATES) this.#known.clear();
    this.#known.set(fingerprint512, names);
    return names;
  }
}
