/**
 * Kinds of message types that generated code can be for.
 *
 * @packageDocumentation
 */
import type { DescFile, DescMessage } from '@bufbuild/protobuf';
import type { GeneratedFile, Printable } from '@bufbuild/protoplugin';
import { loaderMessages } from './loader-messages.ts';
import { type MessageStyle, nameInFile } from './message-style.ts';

/** Names of the kinds, for the plugin's option `messages`. */
export const MESSAGES = ['none', 'es', 'ts-proto', 'proto-loader'] as const;
/** One of them; `none`: no code that knows messages. */
export type Messages = (typeof MESSAGES)[number];

/** The style of a file. What it needs before the services is printed at once. */
export function styleOf(f: GeneratedFile, file: DescFile, messages: Exclude<Messages, 'none'>, keepCase: boolean): MessageStyle {
  if (messages === 'proto-loader') return loaderMessages(f, file, keepCase);
  return messages === 'es' ? esMessages(f) : tsProtoMessages(f);
}

function esMessages(f: GeneratedFile): MessageStyle {
  const runtime = (name: string): Printable => f.import(name, '@bufbuild/protobuf');
  const call = (name: string, message: DescMessage, value: Printable): Printable => [
    runtime(name),
    '(',
    f.importSchema(message),
    ', ',
    value,
    ')',
  ];
  return {
    given: (message) => [f.import('MessageInitShape', '@bufbuild/protobuf', true), '<typeof ', f.importSchema(message), '>'],
    got: (message) => f.importShape(message),
    encode: (message) => ['Buffer.from(', call('toBinary', message, call('create', message, 'value')), ')'],
    decode: (message) => call('fromBinary', message, 'bytes'),
    bytes: 'Uint8Array',
    // The members of a oneof are values of one property.
    property: (field) => (field.oneof === undefined ? field.localName : undefined),
  };
}

function tsProtoMessages(f: GeneratedFile): MessageStyle {
  const type = (message: DescMessage): Printable => f.import(nameInFile(message), `./${message.file.name}.js`);
  return {
    given: type,
    got: type,
    encode: (message) => ['Buffer.from(', type(message), '.encode(value).finish())'],
    decode: (message) => [type(message), '.decode(bytes)'],
    bytes: 'Uint8Array',
    property: (field) => field.localName,
  };
}
