/**
 * What `init` makes of a gRPC service config.
 *
 * @packageDocumentation
 */
import { usageError } from './exit.ts';
import type { Io } from './io.ts';
import { readText } from './policy-source.ts';
import { safe } from './text.ts';

/** A policy as YAML; what could not be taken over as it was stands above it, as comments. @throws CliError when the file is none. */
export async function policyOfServiceConfig(io: Io, file: string): Promise<string> {
  const [text, { policyFromServiceConfig }, { stringify }] = await Promise.all([
    readText(io, file),
    import('../policy/service-config-document.ts'),
    import('yaml'),
  ]);
  const { policy, diagnostics } = policyFromServiceConfig(text);
  const wrong = diagnostics.find((line) => line.startsWith('serviceConfig: not') || line.startsWith('serviceConfig: expected'));
  if (wrong !== undefined) throw usageError(`--service-config ${file}: ${wrong.slice('serviceConfig: '.length)}`);
  const notes =
    diagnostics.length === 0 ? [] : ['#', '# What is otherwise here than there:', ...diagnostics.map((line) => `# ${safe(line)}`)];
  return [
    '# yaml-language-server: $schema=./node_modules/inmesh/schema/policy.schema.json',
    '# Made of a gRPC service config. Take methodConfig and retryThrottling out of grpc.service_config of the clients.',
    ...notes,
    '',
    stringify(policy),
  ].join('\n');
}
