/**
 * `protoc-gen-inmesh`: for each .proto file with services, what a program needs to give them to a mesh.
 *
 * - `policies`: what the file declares, as a document that the compiler has checked.
 * - `descriptors`: the same for `createMesh(policy, { descriptors })`, with batch rules and the place of each value.
 * - With `messages`: the service's definition for that kind of messages, its typed client, and the types of what serves it.
 *
 * @packageDocumentation
 */
import type { DescFile } from '@bufbuild/protobuf';
import { createEcmaScriptPlugin, type Plugin, type Schema } from '@bufbuild/protoplugin';
import { nearest } from '../input/nearest.ts';
import { declarationsOf } from './declarations.ts';
import { literal } from './literal.ts';
import { MESSAGES, type Messages, styleOf } from './messages.ts';
import { generateService } from './service.ts';

interface Options {
  /** Whose message types the definitions are for. */
  readonly messages: Messages;
  /** With proto-loader: fields are named as in the .proto file. */
  readonly keepCase: boolean;
}

const OPTIONS = ['messages', 'keep_case'] as const;

/** The plugin. */
export function createPlugin(version: string): Plugin {
  return createEcmaScriptPlugin<Options>({
    name: 'protoc-gen-inmesh',
    version: `v${version}`,
    parseOptions,
    generateTs,
  });
}

function parseOptions(given: readonly { readonly key: string; readonly value: string }[]): Options {
  let messages: Messages = 'none';
  let keepCase = false;
  for (const { key, value } of given) {
    if (key === 'messages') messages = oneOf(key, value, MESSAGES, 'es');
    else if (key === 'keep_case') keepCase = oneOf(key, value, ['true', 'false'], 'true') === 'true';
    else throw new Error(`unknown option ${key}; did you mean ${nearest(key, OPTIONS) ?? 'messages'}?`);
  }
  if (keepCase && messages !== 'proto-loader') throw new Error('keep_case: only with messages=proto-loader');
  return { messages, keepCase };
}

function oneOf<T extends string>(key: string, value: string, known: readonly T[], usual: T): T {
  const found = known.find((one) => one === value);
  if (found !== undefined) return found;
  throw new Error(`${key}: expected one of ${known.join(', ')}, got ${value}; did you mean ${nearest(value, known) ?? usual}?`);
}

function generateTs(schema: Schema<Options>): void {
  for (const file of schema.files) if (file.services.length > 0) generateFile(schema, file);
}

function generateFile(schema: Schema<Options>, file: DescFile): void {
  const { descriptors, policies, batches } = declarationsOf(file);
  const { messages, keepCase } = schema.options;
  const f = schema.generateFile(`${file.name}_inmesh.ts`);
  f.preamble(file);
  f.print('/** What ', `${file.name}.proto`, ' declares: the same as `descriptors`, as a document to read or to spread. */');
  f.print(f.export('const', 'policies'), ' = ', literal(policies), ' as const satisfies ', f.import('Policy', 'inmesh', true), ';');
  f.print();
  f.print('/** For `createMesh(policy, { descriptors })`: the services of ', `${file.name}.proto`, ' with their options. */');
  f.print(f.export('const', 'descriptors'), ': Uint8Array = Buffer.from(');
  f.print("  '", Buffer.from(descriptors).toString('base64'), "',");
  f.print("  'base64',");
  f.print(');');
  if (messages === 'none') return;
  const style = styleOf(f, file, messages, keepCase);
  for (const service of file.services) generateService(f, service, style, batches);
}
