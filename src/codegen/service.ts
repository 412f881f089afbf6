/**
 * What is generated for one service: its definition, a typed client, and the types of what serves it.
 *
 * @packageDocumentation
 */
import type { DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';
import { type GeneratedFile, type Printable, safeIdentifier } from '@bufbuild/protoplugin';
import type { BatchRule } from '../policy/policy.gen.ts';
import { bindingsOf } from './bindings.ts';
import { literal, quoted } from './literal.ts';
import type { MessagePlace, MessageStyle } from './message-style.ts';

const PACKAGE = 'inmesh';
const GRPC = '@grpc/grpc-js';

/** @param batches - Batch rules that the file declares, by path of the method. */
export function generateService(
  f: GeneratedFile,
  service: DescService,
  style: MessageStyle,
  batches: ReadonlyMap<string, BatchRule>,
): void {
  generateDefinition(f, service, style);
  generateClient(f, service);
  generateHandlers(f, service, style);
  generateBatches(f, service, style, batches);
  if (service.methods.some(({ methodKind }) => methodKind === 'unary')) generateBatchHandlers(f, service);
}

function generateDefinition(f: GeneratedFile, service: DescService, style: MessageStyle): void {
  f.print();
  f.print('/** ', service.typeName, ', for `mesh.typed()`, `server.addService()` and other clients of grpc-js. */');
  f.print(f.export('const', `${service.name}Definition`), ' = {');
  for (const method of service.methods) {
    const { input, output } = method;
    f.print('  ', safeIdentifier(method.localName), ': {');
    f.print('    path: ', quoted(pathOf(method)), ',');
    f.print('    requestStream: ', String(/client|bidi/.test(method.methodKind)), ',');
    f.print('    responseStream: ', String(/server|bidi/.test(method.methodKind)), ',');
    codec(f, input, { method, side: 'request' }, style);
    codec(f, output, { method, side: 'response' }, style);
    f.print('  },');
  }
  f.print('} as const;');
}

/** Bytes out of a message, and back. */
function codec(f: GeneratedFile, message: DescMessage, place: MessagePlace, style: MessageStyle): void {
  const { side } = place;
  f.print('    ', side, 'Serialize: (value: ', style.given(message), '): Buffer => ', style.encode(message, place), ',');
  f.print('    ', side, 'Deserialize: (bytes: ', style.bytes, '): ', style.got(message), ' => ', style.decode(message, place), ',');
}

const pathOf = ({ parent, name }: DescMethod): string => `/${parent.typeName}/${name}`;

function generateClient(f: GeneratedFile, { name, typeName }: DescService): void {
  const client = `${name}Client`;
  f.print();
  f.print('/** ', typeName, ' as promises and async iterables; its unary calls enter the mesh directly. */');
  f.print(f.export('type', client), ' = ', f.import('TypedClient', PACKAGE, true), '<typeof ', name, 'Definition>;');
  f.print();
  f.print('/** A client on a channel of its own; `options` are those of `mesh.client()`. */');
  const parameters: Printable[] = ['mesh: ', f.import('Mesh', PACKAGE, true), ', target: string, credentials: '];
  parameters.push(f.import('ChannelCredentials', GRPC, true), ', options: ', f.import('ClientOptions', GRPC, true), ' = {}');
  f.print(f.export('function', `create${client}`), '(', parameters, '): ', client, ' {');
  f.print('  return mesh.typed(', name, 'Definition, target, credentials, options);');
  f.print('}');
}

const HANDLERS = {
  unary: 'handleUnaryCall',
  client_streaming: 'handleClientStreamingCall',
  server_streaming: 'handleServerStreamingCall',
  bidi_streaming: 'handleBidiStreamingCall',
} as const;

/** What serves it, and what looks at its requests. */
function generateHandlers(f: GeneratedFile, { name, typeName, methods }: DescService, style: MessageStyle): void {
  f.print();
  f.print('/** What serves ', typeName, ': `server.addService(', name, 'Definition, handlers)`. */');
  // No interface: grpc-js asks for an index signature, which only a type alias has by itself.
  f.print(f.export('type', `${name}Handlers`), ' = {');
  for (const { localName, methodKind, input, output } of methods) {
    const handler = f.import(HANDLERS[methodKind], GRPC, true);
    f.print('  ', safeIdentifier(localName), ': ', handler, '<', style.got(input), ', ', style.given(output), '>;');
  }
  f.print('};');
  f.print();
  f.print('/** What looks at requests of ', typeName, ' first: `validatedHandlers()` and `validatedClient()` take it. */');
  f.print(f.export('type', `${name}Validators`), ' = ', f.import('Validators', PACKAGE, true), '<typeof ', name, 'Definition>;');
}

function generateBatches(f: GeneratedFile, service: DescService, style: MessageStyle, batches: ReadonlyMap<string, BatchRule>): void {
  const bindings = bindingsOf(service, style, batches);
  if (Object.keys(bindings).length === 0) return;
  f.print();
  f.print(
    '/** Which calls of ',
    service.typeName,
    ' become one call of which other method, by the names of their messages in this language. */',
  );
  const type = [f.import('TypedBatches', PACKAGE, true), '<typeof ', service.name, 'Definition>'];
  f.print(f.export('const', `${service.name}Batches`), ' = ', literal(bindings), ' as const satisfies ', type, ';');
}

function generateBatchHandlers(f: GeneratedFile, { name, typeName }: DescService): void {
  const [definition, type] = [`${name}Definition`, `${name}BatchHandlers`];
  f.print();
  f.print('/** Unary methods of ', typeName, ' that answer many calls at once. */');
  f.print(f.export('type', type), ' = ', f.import('BatchHandlersOf', PACKAGE, true), '<typeof ', definition, '>;');
  f.print();
  f.print('/** Handlers for `server.addService()`, each a `mesh.batchHandler()`; `options` are for all of them. */');
  const options = f.import('BatchHandlerOptions', PACKAGE, true);
  f.print(f.export('function', `create${name}BatchHandlers`), '<H extends ', type, '>(');
  f.print('  mesh: ', f.import('Mesh', PACKAGE, true), ',');
  f.print('  handlers: H,');
  f.print('  options?: ', options, ',');
  f.print('): ', f.import('BatchHandled', PACKAGE, true), '<typeof ', definition, ', H> {');
  f.print('  return mesh.batchHandlers(', definition, ', handlers, options);');
  f.print('}');
}
