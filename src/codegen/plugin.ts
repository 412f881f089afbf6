/**
 * `protoc-gen-inmesh`: for each .proto file with services, what a program needs to give them to a mesh.
 *
 * - `policies`: what the file declares, as a document that the compiler has checked.
 * - `descriptors`: the same for `createMesh(policy, { descriptors })`, with batch rules and the place of each value.
 * - With `messages=es` or `messages=ts-proto`: the service's definition for that kind of messages, and its typed client.
 *
 * @packageDocumentation
 */
import type { DescFile, DescMessage, DescService } from '@bufbuild/protobuf';
import {
  createEcmaScriptPlugin,
  type GeneratedFile,
  type Plugin,
  type Printable,
  type Schema,
  safeIdentifier,
} from '@bufbuild/protoplugin';
import { nearest } from '../input/nearest.ts';
import { declarationsOf } from './declarations.ts';

/** Whose message types the definitions are for. */
type Messages = 'none' | 'es' | 'ts-proto';
interface Options {
  readonly messages: Messages;
}

const MESSAGES: readonly Messages[] = ['none', 'es', 'ts-proto'];
const PACKAGE = 'inmesh';

/** The plugin. */
export function createPlugin(version: string): Plugin {
  return createEcmaScriptPlugin<Options>({ name: 'protoc-gen-inmesh', version: `v${version}`, parseOptions, generateTs });
}

function parseOptions(given: readonly { readonly key: string; readonly value: string }[]): Options {
  let messages: Messages = 'none';
  for (const { key, value } of given) {
    if (key !== 'messages') throw new Error(`unknown option ${key}; did you mean messages?`);
    const found = MESSAGES.find((one) => one === value);
    if (found === undefined)
      throw new Error(`messages: expected one of ${MESSAGES.join(', ')}, got ${value}; did you mean ${nearest(value, MESSAGES) ?? 'es'}?`);
    messages = found;
  }
  return { messages };
}

function generateTs(schema: Schema<Options>): void {
  for (const file of schema.files) if (file.services.length > 0) generateFile(schema, file);
}

function generateFile(schema: Schema<Options>, file: DescFile): void {
  const { descriptors, policies } = declarationsOf(file);
  const f = schema.generateFile(`${file.name}_inmesh.ts`);
  f.preamble(file);
  f.print('/** What ', `${file.name}.proto`, ' declares: the same as `descriptors`, as a document to read or to spread. */');
  f.print('export const policies = ', literal(policies), ' as const satisfies ', f.import('Policy', PACKAGE, true), ';');
  f.print();
  f.print('/** For `createMesh(policy, { descriptors })`: the services of ', `${file.name}.proto`, ' with their options. */');
  f.print('export const descriptors: Uint8Array = Buffer.from(');
  f.print("  '", Buffer.from(descriptors).toString('base64'), "',");
  f.print("  'base64',");
  f.print(');');
  if (schema.options.messages === 'none') return;
  for (const service of file.services) {
    generateService(f, service, schema.options.messages);
    generateHandlers(f, service, schema.options.messages);
  }
}

function generateService(f: GeneratedFile, service: DescService, messages: Exclude<Messages, 'none'>): void {
  const definition = `${service.name}Definition`;
  const client = `${service.name}Client`;
  f.print();
  f.print('/** ', service.typeName, ', for `mesh.typed()`, `server.addService()` and other clients of grpc-js. */');
  f.print('export const ', definition, ' = {');
  for (const method of service.methods) {
    const streams = { request: /client|bidi/.test(method.methodKind), response: /server|bidi/.test(method.methodKind) };
    f.print('  ', safeIdentifier(method.localName), ': {');
    f.print("    path: '/", service.typeName, '/', method.name, "',");
    f.print('    requestStream: ', String(streams.request), ',');
    f.print('    responseStream: ', String(streams.response), ',');
    codec(f, 'request', method.input, messages);
    codec(f, 'response', method.output, messages);
    f.print('  },');
  }
  f.print('} as const;');
  f.print();
  f.print('/** ', service.typeName, ' as promises and async iterables; its unary calls enter the mesh directly. */');
  f.print('export type ', client, ' = ', f.import('TypedClient', PACKAGE, true), '<typeof ', definition, '>;');
  f.print();
  f.print('/** A client on a channel of its own; `options` are those of `mesh.client()`. */');
  const types = {
    mesh: f.import('Mesh', PACKAGE, true),
    credentials: f.import('ChannelCredentials', '@grpc/grpc-js', true),
    options: f.import('ClientOptions', '@grpc/grpc-js', true),
  };
  f.print(
    'export function create',
    client,
    '(mesh: ',
    types.mesh,
    ', target: string, credentials: ',
    types.credentials,
    ', options: ',
    types.options,
    ' = {}): ',
    client,
    ' {',
  );
  f.print('  return mesh.typed(', definition, ', target, credentials, options);');
  f.print('}');
}

const HANDLERS = {
  unary: 'handleUnaryCall',
  client_streaming: 'handleClientStreamingCall',
  server_streaming: 'handleServerStreamingCall',
  bidi_streaming: 'handleBidiStreamingCall',
} as const;

/** What serves it, for `server.addService(definition, handlers)`. */
function generateHandlers(f: GeneratedFile, service: DescService, messages: Exclude<Messages, 'none'>): void {
  f.print();
  f.print('/** What serves ', service.typeName, ': `server.addService(', service.name, 'Definition, handlers)`. */');
  // No interface: grpc-js asks for an index signature, which only a type alias has by itself.
  f.print('export type ', service.name, 'Handlers = {');
  for (const method of service.methods) {
    const handler = f.import(HANDLERS[method.methodKind], '@grpc/grpc-js', true);
    const request = messages === 'es' ? f.importShape(method.input) : tsProto(f, method.input);
    f.print('  ', safeIdentifier(method.localName), ': ', handler, '<', request, ', ', given(f, method.output, messages), '>;');
  }
  f.print('};');
}

/** The type that an application may give for a message. */
function given(f: GeneratedFile, message: DescMessage, messages: Exclude<Messages, 'none'>): Printable {
  if (messages === 'ts-proto') return tsProto(f, message);
  return [f.import('MessageInitShape', '@bufbuild/protobuf', true), '<typeof ', f.importSchema(message), '>'];
}

/** ts-proto has a value and a type of the same name; nested ones are joined by underscores. */
function tsProto(f: GeneratedFile, { typeName, file }: DescMessage): ReturnType<GeneratedFile['import']> {
  const name = typeName.slice(file.proto.package === '' ? 0 : file.proto.package.length + 1).replaceAll('.', '_');
  return f.import(name, `./${file.name}.js`);
}

/** Bytes out of a message, and back. */
function codec(f: GeneratedFile, side: 'request' | 'response', message: DescMessage, messages: Exclude<Messages, 'none'>): void {
  const value = given(f, message, messages);
  if (messages === 'es') {
    const schema = f.importSchema(message);
    const runtime = (name: string): ReturnType<GeneratedFile['import']> => f.import(name, '@bufbuild/protobuf');
    const made = [runtime('create'), '(', schema, ', value)'];
    f.print('    ', side, 'Serialize: (value: ', value, '): Buffer => Buffer.from(', runtime('toBinary'), '(', schema, ', ', made, ')),');
    f.print(
      '    ',
      side,
      'Deserialize: (bytes: Uint8Array): ',
      f.importShape(message),
      ' => ',
      runtime('fromBinary'),
      '(',
      schema,
      ', bytes),',
    );
  } else {
    const type = tsProto(f, message);
    f.print('    ', side, 'Serialize: (value: ', value, '): Buffer => Buffer.from(', type, '.encode(value).finish()),');
    f.print('    ', side, 'Deserialize: (bytes: Uint8Array): ', type, ' => ', type, '.decode(bytes),');
  }
}

/** A value as source, in the manner of the rest. */
function literal(value: unknown, indent = ''): string {
  if (typeof value === 'string') return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`;
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) return `[${value.map((item) => literal(item, inner)).join(', ')}]`;
  const entries = Object.entries(value).map(
    ([key, item]) => `${inner}${/^[A-Za-z_$][\w$]*$/.test(key) ? key : literal(key)}: ${literal(item, inner)},`,
  );
  return entries.length === 0 ? '{}' : `{\n${entries.join('\n')}\n${indent}}`;
}
