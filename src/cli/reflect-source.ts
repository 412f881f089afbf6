/**
 * What `lint` and `explain` learn of services from a running server.
 *
 * @packageDocumentation
 */
import { ReflectionError } from '../reflect/reflection-error.ts';
import { type Flag, text, texts, toggle } from './args.ts';
import { CliError, Exit } from './exit.ts';
import type { Io } from './io.ts';
import { clientCredentials } from './probe.ts';
import { safe } from './text.ts';

/** The flags of it. */
export const reflectFlags: {
  readonly reflect: Flag<readonly string[]>;
  readonly tls: Flag<boolean>;
  readonly ca: Flag<string | undefined>;
} = {
  reflect: texts('gRPC server to ask for its descriptors (server reflection), such as 127.0.0.1:50051', 'TARGET'),
  tls: toggle('connect to it with TLS'),
  ca: text('root certificates for that, in PEM', 'FILE'),
};

/** Their values. */
export interface ReflectValues {
  readonly reflect: readonly string[];
  readonly tls: boolean;
  readonly ca: string | undefined;
}

/** A descriptor set of each server. @throws CliError when one does not answer, or has no reflection. */
export async function readReflected(io: Io, { reflect, ...connection }: ReflectValues): Promise<readonly Uint8Array[]> {
  if (reflect.length === 0) return [];
  const { reflectDescriptors } = await import('../grpc/reflection.ts');
  const warn = (line: string): void => io.err(`${safe(line)}\n`);
  try {
    return await Promise.all(reflect.map((target) => reflectDescriptors(target, clientCredentials(connection), { warn })));
  } catch (error) {
    if (!(error instanceof ReflectionError)) throw error;
    throw new CliError(Exit.unreachable, `--reflect ${error.message}`, connection.tls ? undefined : 'Does it want TLS (--tls)?');
  }
}
