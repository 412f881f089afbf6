/**
 * How messages of one kind are written: their types, their codec, their fields.
 *
 * @packageDocumentation
 */
import type { DescField, DescFile, DescMessage, DescMethod } from '@bufbuild/protobuf';
import type { Printable } from '@bufbuild/protoplugin';

/** Where a method has a message. */
export interface MessagePlace {
  readonly method: DescMethod;
  readonly side: 'request' | 'response';
}

/** How one kind of messages is written, in one generated file. */
export interface MessageStyle {
  /** What an application may give for a message. */
  given(message: DescMessage): Printable;
  /** What an application gets. */
  got(message: DescMessage): Printable;
  /** Bytes out of `value`. */
  encode(message: DescMessage, place: MessagePlace): Printable;
  /** A message out of `bytes`. */
  decode(message: DescMessage, place: MessagePlace): Printable;
  /** The type of `bytes`. */
  readonly bytes: 'Uint8Array' | 'Buffer';
  /** A field's name as a property of its message; undefined: it is not one by itself. */
  property(field: DescField): string | undefined;
}

/** A type's name as ts-proto and protobuf-es have it: without its package, nested ones joined by underscores. */
export function nameInFile({ typeName, file }: { readonly typeName: string; readonly file: DescFile }): string {
  return typeName.slice(file.proto.package === '' ? 0 : file.proto.package.length + 1).replaceAll('.', '_');
}
