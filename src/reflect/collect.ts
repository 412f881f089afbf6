/**
 * Gathers the descriptors of a server's services, with all that they import, out of its answers.
 *
 * The files' bytes stay as they came: whatever options are in them, known here or not, are still there.
 *
 * @packageDocumentation
 */
import { WireError } from '../batch/wire.ts';
import { Code, codeName } from '../call.ts';
import { nearest } from '../input/nearest.ts';
import { quote } from '../input/show.ts';
import { nameProblem } from '../policy/names.ts';
import { Declarations, type FileHeader, readHeader } from './file-header.ts';
import { type Answer, lengthDelimited, type Question } from './messages.ts';
import type { ReflectRules } from './options.ts';
import { ReflectionError } from './reflection-error.ts';

/** Asks the server one question. Questions of one turn go out together; answers come in their order. */
export type Ask = (question: Question) => Promise<Answer>;

/** What was learned. */
export interface Collected {
  /** A `FileDescriptorSet`: imports before those who import them. */
  readonly set: Buffer;
  /** What the server names, and does not know: services, and imported files. */
  readonly missing: readonly string[];
}

/** Reflection itself: nobody has a policy for it. */
const OWN = /^grpc\.reflection\.v1(?:alpha)?\.ServerReflection$/;
/** No path of a .proto file comes near it. */
const MAX_FILE_NAME = 1024;
/** What does not show, or turns the direction of text, is in no file's name. */
const CONTROL = /[\p{Cc}\p{Cf}]/u;

/** @throws ReflectionError when an answer makes no sense, or there is more than `rules` allow; and whatever `ask` rejects with. */
export async function collect(ask: Ask, rules: ReflectRules): Promise<Collected> {
  const files = new Files(rules);
  const missing: string[] = [];
  const services = rules.services ?? (await listServices(ask));
  if (services.length === 0) throw new ReflectionError('the server names no services');
  const known = await askAll(services, async (name) => {
    if (await files.ask(ask, { kind: 'symbol', name })) return true;
    if (rules.services !== undefined) throw await unknownService(ask, name);
    missing.push(name);
    return false;
  });
  if (!known.includes(true)) throw new ReflectionError('the server knows the files of none of its services');
  for (let wanted = files.wanted(); wanted.length > 0; wanted = files.wanted()) {
    await askAll(wanted, async (name) => {
      if (!(await files.ask(ask, { kind: 'file', name }))) missing.push(name);
    });
  }
  const undeclared = services.find((name) => !missing.includes(name) && !files.declares(name));
  if (undeclared !== undefined) throw new ReflectionError(`none of the server's files declares ${quote(undeclared)}, though it says so`);
  return { set: files.set(), missing: missing.sort() };
}

const askAll = <T>(names: readonly string[], one: (name: string) => Promise<T>): Promise<T[]> => Promise.all(names.map(one));

async function listServices(ask: Ask): Promise<string[]> {
  const answer = await ask({ kind: 'services' });
  if (answer.kind !== 'services') throw unexpected(answer, 'for its services');
  for (const name of answer.names) {
    const problem = nameProblem(name, { method: false, service: true, key: false });
    if (problem !== undefined) throw new ReflectionError(`a service's name: ${problem}`);
  }
  return [...new Set(answer.names)].filter((name) => !OWN.test(name)).sort();
}

async function unknownService(ask: Ask, name: string): Promise<ReflectionError> {
  const names = await listServices(ask).catch(() => []);
  const meant = nearest(name, names);
  return new ReflectionError(`the server knows no service ${quote(name)}${meant === undefined ? '' : `; did you mean ${quote(meant)}?`}`);
}

function unexpected(answer: Answer, asked: string): ReflectionError {
  if (answer.kind === 'error') return new ReflectionError(`asked ${asked}, the server answered ${codeName(answer.code)}`);
  return new ReflectionError(`asked ${asked}, the server answered something else`);
}

interface KnownFile {
  readonly imports: readonly string[];
  readonly bytes: Buffer;
}

/** Files by name, within limits. */
class Files {
  readonly #rules: ReflectRules;
  readonly #byName = new Map<string, KnownFile>();
  readonly #services = new Set<string>();
  readonly #asked = new Set<string>();
  readonly #declared = new Declarations();
  #imported = new Set<string>();
  #bytes = 0;

  constructor(rules: ReflectRules) {
    this.#rules = rules;
  }

  /** Asks for files and takes those that come; false: the server does not know it. */
  async ask(ask: Ask, question: Exclude<Question, { readonly kind: 'services' }>): Promise<boolean> {
    const { kind, name } = question;
    if (kind === 'file') this.#asked.add(name);
    const answer = await ask(question);
    if (answer.kind === 'error' && answer.code === Code.NOT_FOUND) return false;
    if (answer.kind !== 'files') throw unexpected(answer, `for ${kind} ${quote(name)}`);
    for (const bytes of answer.files) this.#take(bytes);
    if (kind === 'file' && !this.#byName.has(name))
      throw new ReflectionError(`asked for file ${quote(name)}, the server answered with others`);
    return true;
  }

  /** Imported, and neither here nor asked for. */
  wanted(): string[] {
    const wanted = [...this.#imported].filter((name) => !this.#byName.has(name) && !this.#asked.has(name));
    this.#imported = new Set();
    if (this.#asked.size + wanted.length > this.#rules.maxFiles) throw this.#tooMany();
    return wanted;
  }

  declares(service: string): boolean {
    return this.#services.has(service);
  }

  /** Every file once, behind its imports; those that import each other in any order. Own stack: chains may be as long as there are files. */
  set(): Buffer {
    const written = new Set<KnownFile>();
    const entered = new Set<KnownFile>();
    const stack = [...this.#byName.keys()].sort().reverse();
    for (let name = stack.at(-1); name !== undefined; name = stack.at(-1)) {
      const file = this.#byName.get(name);
      if (file === undefined || entered.has(file)) {
        stack.pop();
        if (file !== undefined) written.add(file);
      } else {
        entered.add(file);
        for (const one of file.imports) stack.push(one);
      }
    }
    return Buffer.concat([...written].map(({ bytes }) => lengthDelimited(1, bytes)));
  }

  #take(bytes: Buffer): void {
    const { name, imports, services } = this.#read(bytes);
    for (const one of [name, ...imports]) {
      if (one === '' || one.length > MAX_FILE_NAME || CONTROL.test(one)) throw new ReflectionError(`no name of a file: ${quote(one)}`);
    }
    const known = this.#byName.get(name);
    if (known !== undefined) {
      if (!known.bytes.equals(bytes)) throw new ReflectionError(`the server has two files ${quote(name)}`);
      return;
    }
    this.#bytes += bytes.length;
    if (this.#bytes > this.#rules.maxBytes) throw new ReflectionError(`the server's files have more than ${this.#rules.maxBytes} bytes`);
    // A copy: a slice would keep the whole answer in memory, with all that came around it.
    this.#byName.set(name, { imports, bytes: Buffer.from(bytes) });
    for (const service of services) this.#services.add(service);
    for (const one of imports) this.#imported.add(one);
    if (this.#byName.size > this.#rules.maxFiles) throw this.#tooMany();
  }

  #read(bytes: Buffer): FileHeader {
    try {
      return readHeader(bytes, this.#rules.maxFiles, this.#declared);
    } catch (error) {
      if (error instanceof WireError) throw new ReflectionError(`one of the server's files can't be read: ${error.message}`);
      throw error;
    }
  }

  #tooMany(): ReflectionError {
    return new ReflectionError(`the server's services stand on more than ${this.#rules.maxFiles} files`);
  }
}
