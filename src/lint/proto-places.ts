/**
 * Where options of ours stand: by the text of .proto files, or by the notes that a compiler left in a descriptor set.
 *
 * @packageDocumentation
 */
import { filesOfSet, POLICY_OPTION } from '../batch/native/descriptor-files.ts';
import { Reader, WireError } from '../batch/wire.ts';

/** A place in a .proto file; numbers from 1. */
export interface ProtoPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Finds an option: of a method, `pkg.Service/Method`, of a service, `pkg.Service`, or of a file, by its name. */
export type OptionPlaces = (level: string, of: string) => ProtoPlace | undefined;

/** Nothing is known of any. */
export const noPlaces: OptionPlaces = () => undefined;

/** By the text of files, `file` being what messages call them. */
export function placesInTexts(files: readonly { readonly file: string; readonly text: string }[]): OptionPlaces {
  const places = new Map<string, ProtoPlace>();
  for (const { file, text } of files) addPlaces(file, text, places);
  return (level, of) => places.get(`${level} ${of}`);
}

/** What opens a scope, closes one, or is an option of ours. */
const PIECE = /package\s+([\w.]+)\s*;|\bservice\s+(\w+)\s*\{|\brpc\s+(\w+)|\(\s*\.?inmesh\.v1\.(method|service|file)_policy\s*\)|[{}]|;/g;

function addPlaces(file: string, text: string, places: Map<string, ProtoPlace>): void {
  let scope = '';
  let service = '';
  let method = '';
  let depth = 0;
  for (const { 0: piece, 1: pkg, 2: opened, 3: rpc, 4: level, index } of withoutComments(text).matchAll(PIECE)) {
    if (pkg !== undefined) scope = `${pkg}.`;
    else if (opened !== undefined) {
      service = scope + opened;
      depth++;
    } else if (rpc !== undefined) method = rpc;
    else if (level !== undefined) {
      const of = level === 'method' ? `${service}/${method}` : level === 'service' ? service : file;
      const before = text.slice(0, index);
      const line = before.split('\n').length;
      // The first statement, where a file has several for one option.
      const key = `${level} ${of}`;
      if (!places.has(key)) places.set(key, { file, line, column: index - before.lastIndexOf('\n') });
    } else if (piece === '{') depth++;
    else if (piece === '}' && --depth === 0) service = '';
  }
}

/** Comments and strings as spaces: everything else stays where it is. */
function withoutComments(text: string): string {
  const blank = (piece: string): string => piece.replace(/[^\n]/g, ' ');
  return text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, blank);
}

/** By descriptor sets; without source information (`--exclude-source-info`) nothing is found. */
export function placesInSets(sets: readonly Uint8Array[]): OptionPlaces {
  const places = new Map<string, ProtoPlace>();
  for (const set of sets) {
    try {
      for (const file of filesOfSet(set)) addNoted(file, places);
    } catch (error) {
      // Whoever reads the set for what is in it has said so.
      if (!(error instanceof WireError)) throw error;
    }
  }
  return (level, of) => places.get(`${level} ${of}`);
}

/** Numbers of fields in google/protobuf/descriptor.proto. */
const FILE = { name: 1, package: 2, service: 6, options: 8, source: 9 } as const;
const SERVICE = { name: 1, method: 2, options: 3 } as const;
const METHOD = { name: 1, options: 4 } as const;
const LOCATION = { path: 1, span: 2 } as const;

function addNoted(bytes: Buffer, places: Map<string, ProtoPlace>): void {
  const file = textOf(bytes, FILE.name);
  const scope = textOf(bytes, FILE.package);
  const names = new Map<string, string>([[`${FILE.options},${POLICY_OPTION}`, `file ${file}`]]);
  for (const [s, service] of messagesIn(bytes, FILE.service).entries()) {
    const full = `${scope === '' ? '' : `${scope}.`}${textOf(service, SERVICE.name)}`;
    names.set(`${FILE.service},${s},${SERVICE.options},${POLICY_OPTION}`, `service ${full}`);
    for (const [m, method] of messagesIn(service, SERVICE.method).entries())
      names.set(
        `${FILE.service},${s},${SERVICE.method},${m},${METHOD.options},${POLICY_OPTION}`,
        `method ${full}/${textOf(method, METHOD.name)}`,
      );
  }
  for (const location of messagesIn(bytes, FILE.source).flatMap((source) => messagesIn(source, 1))) {
    const path = numbersIn(location, LOCATION.path).join();
    // Some compilers note the parts of an option one by one.
    const name = [...names].find(([option]) => path === option || path.startsWith(`${option},`))?.[1];
    const [line = 0, column = 0] = numbersIn(location, LOCATION.span);
    if (name !== undefined && !places.has(name)) places.set(name, { file, line: line + 1, column: column + 1 });
  }
}

function messagesIn(bytes: Buffer, wanted: number): Buffer[] {
  const found: Buffer[] = [];
  const reader = new Reader(bytes);
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (Math.floor(tag / 8) === wanted && tag % 8 === 2) found.push(reader.bytes());
    else reader.skip(tag % 8);
  }
  return found;
}

const textOf = (bytes: Buffer, field: number): string => messagesIn(bytes, field).at(-1)?.toString('utf8') ?? '';

/** A packed list of numbers. */
function numbersIn(bytes: Buffer, field: number): number[] {
  return messagesIn(bytes, field).flatMap((packed) => {
    const numbers: number[] = [];
    const reader = new Reader(packed);
    while (reader.position < reader.end) numbers.push(reader.varint());
    return numbers;
  });
}
