/**
 * What `init` writes, and what it says to add to the code.
 *
 * @packageDocumentation
 */

/** Ways to use gRPC in Node, in the order in which they are looked for. */
export type Stack = 'nestjs' | 'nice-grpc' | 'google-gax' | 'ts-proto' | 'grpc-js';

const BY_PACKAGE: readonly (readonly [Stack, string])[] = [
  ['nestjs', '@nestjs/microservices'],
  ['nice-grpc', 'nice-grpc'],
  ['google-gax', 'google-gax'],
  ['ts-proto', 'ts-proto'],
  ['grpc-js', '@grpc/grpc-js'],
];

/** The stacks of a project by its dependencies; grpc-js itself where there is nothing above it. */
export function stacksOf(dependencies: ReadonlySet<string>): readonly Stack[] {
  const found = BY_PACKAGE.filter(([stack, name]) => stack !== 'grpc-js' && dependencies.has(name)).map(([stack]) => stack);
  return found.length === 0 ? ['grpc-js'] : found;
}

const CLIENTS: Readonly<Record<Stack, string>> = {
  'grpc-js': 'const client = new Greeter(target, credentials, mesh.client());',
  'ts-proto': 'const client = new GreeterClient(target, credentials, mesh.client());',
  'nice-grpc': 'const client = createClient(GreeterDefinition, mesh.channel(target, credentials));',
  nestjs: 'options: { package, protoPath, url, channelOptions: { ...mesh.client() } }, // of Transport.GRPC',
  'google-gax': 'const client = new GreeterClient({ ...mesh.client() }); // its own retries off: attempts would multiply',
};

/** Lines of code for one stack. */
export function codeFor(stack: Stack, file: string, isModule: boolean): readonly string[] {
  const load = isModule
    ? ["import { loadMesh, MeshServer } from 'inmesh';", '', `const mesh = await loadMesh('${file}');`]
    : ["const { loadMesh, MeshServer } = require('inmesh');", '', `const mesh = await loadMesh('${file}'); // in an async function`];
  const server =
    stack === 'grpc-js' || stack === 'ts-proto' ? ['const server = new MeshServer({ mesh }); // in place of new Server()'] : [];
  return [
    ...load,
    CLIENTS[stack],
    ...server,
    'await mesh.admin.listen(); // for inmesh top, stat, tap',
    '',
    'await mesh.close(); // at the end',
  ];
}

/** The file. `method` is one of the project's own, where one is known. */
export function policyTemplate(method = 'shop.v1.Cart/GetItem'): string {
  const service = method.slice(0, method.indexOf('/'));
  return `# yaml-language-server: $schema=./node_modules/inmesh/schema/policy.schema.json
# The policy of inmesh. Every setting: docs/policy.md. Is it right: inmesh lint. What does it mean: inmesh explain ${method} -c FILE
# What is commented out shows a setting, not its default. What is not here is as built in.

# Holds for every method that nothing below names.
defaults:
  timeout: 10s # calls that come without a deadline of their own
  # retryPolicy:
  #   maxAttempts: 3 # with the first; only what never ran is sent again, unless the method is marked idempotent

# By service.
# services:
#   ${service}:
#     timeout: 2s

# By method.
# methods:
#   ${method}:
#     idempotent: true # running it twice does no harm: it may be retried after any failure, hedged, merged
#     hedgingPolicy: { maxAttempts: 2 } # a second attempt elsewhere when the first is slow; the delay is learned
#     breaker: { failureRatio: 0.5 } # refuse at once while half of the calls fail
#     bulkhead: { slots: 50, queue: 100 }

# Calls that all retries and hedges together may add: a fifth of the calls, and 10 a second.
# retryBudget: { ratio: 0.2, minPerSecond: 10 }

# Many unary calls in few RPCs. The server needs inmesh too.
# coalesce: auto

# Endpoints that fail get no calls for a while.
# outlierDetection:
#   failurePercentageEjection: { threshold: 50 }

# What servers do.
# server:
#   defaultTimeout: 30s
#   bulkhead: { slots: 200, queue: 400 }
`;
}
