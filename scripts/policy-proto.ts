/**
 * What protos/ says of the policy document, for the programs that generate code and schemas from it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  createFileRegistry,
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescFile,
  type DescMessage,
  fromBinary,
  getExtension,
  hasExtension,
  isMessage,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
/** The document's own file. */
export const PROTO = 'inmesh/v1/policy';

/** Writes a generated file; with `--check` on the command line only says whether it is what would be written. */
export function generate(out: string, text: string): void {
  const [flag, ...extra] = process.argv.slice(2);
  if ((flag !== undefined && flag !== '--check') || extra.length > 0) {
    console.error(`usage: node ${process.argv[1] ?? ''} [--check]`);
    process.exit(2);
  }
  const path = join(ROOT, out);
  if (flag === undefined) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.error(`${out} is not what protos/ says: run \`npm run gen\``);
    process.exitCode = 1;
  }
}

/** The (check) option of a field, by the names of check.proto. */
export interface Check {
  readonly min?: number;
  readonly max?: number;
  readonly positive?: boolean;
  readonly required?: boolean;
  readonly codeName?: boolean;
  readonly metadataKey?: boolean;
  readonly minItems?: number;
  readonly methodName?: boolean;
  readonly serviceName?: boolean;
  readonly anyText?: boolean;
}

function loadRegistry(): ReturnType<typeof createFileRegistry> {
  const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');
  const image = execFileSync(process.execPath, [buf, 'build', '-o', '-#format=binpb'], { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
}

/** Everything in protos/. */
export const registry = loadRegistry();

/** `what`, which must be there. */
export function found<T>(what: T | undefined, name: string): T {
  if (what === undefined) throw new Error(`${name} is not in protos/`);
  return what;
}

export const file: DescFile = found(registry.getFile(`${PROTO}.proto`), PROTO);
const checkOption: DescExtension = found(registry.getExtension('inmesh.v1.check'), 'inmesh.v1.check');
const shorthandOption: DescExtension = found(registry.getExtension('inmesh.v1.shorthand'), 'inmesh.v1.shorthand');

export function comment(path: readonly number[]): string {
  const place = file.proto.sourceCodeInfo?.location.find((l) => l.path.join() === path.join());
  return (place?.leadingComments ?? '').trim().replaceAll(/\s*\n\s*/g, '\n');
}

export function checkOf(field: DescField): Check {
  const options = field.proto.options;
  if (options === undefined || !hasExtension(options, checkOption)) return {};
  const value: unknown = getExtension(options, checkOption);
  if (!isMessage(value)) return {};
  // proto3: fields with presence are absent when unset, the others false or 0.
  return Object.fromEntries(Object.entries<unknown>({ ...value }).filter(([key, v]) => !key.startsWith('$') && v !== false));
}

export function shorthandOf(message: DescMessage): DescField | undefined {
  const options = message.proto.options;
  if (options === undefined || !hasExtension(options, shorthandOption)) return undefined;
  const name: unknown = getExtension(options, shorthandOption);
  return found(
    message.fields.find((f) => f.name === name),
    `${message.name}.${String(name)}`,
  );
}

/** COALESCE_MODE_AUTO is "auto"; the unspecified value is no word of the document. */
export function words(desc: DescEnum): readonly { readonly word: string; readonly index: number }[] {
  return desc.values
    .map((value, index) => ({ word: value.localName.toLowerCase(), number: value.number, index }))
    .filter(({ number }) => number !== 0);
}

export const isDuration = (desc: DescMessage): boolean => desc.typeName === 'google.protobuf.Duration';
