/**
 * Which calls a rule is for: by method, metadata and fields of the request.
 *
 * @packageDocumentation
 */
import { splitMethod } from '../call.ts';
import { ConfigError } from '../errors.ts';
import { checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';
import { nameProblem } from '../policy/names.ts';
import { VALUE_KEYS, type ValueOptions, type ValueTest, valueTest } from './value.ts';

/** Values of metadata by key, as `Metadata.get` gives them. */
export interface Headers {
  get(name: string): readonly (string | Buffer)[];
}

/** One metadata key. */
export interface HeaderOptions extends ValueOptions {
  /** In lower case; not one that ends in `-bin`. Several values count as one, joined by commas. */
  readonly name: string;
}

/** Which calls: those for which everything in it holds. */
export interface CallMatchOptions {
  /** Any of these, `pkg.Service/Method` or `pkg.Service`. @defaultValue every method */
  readonly methods?: readonly string[];
  /** All of them. @defaultValue none */
  readonly headers?: readonly HeaderOptions[];
}

interface HeaderTest {
  readonly name: string;
  readonly holds: ValueTest;
}

const HEADER_NAME = /^[0-9a-z_.-]{1,256}$/;

/** The part of a match that needs no message. */
export class CallMatcher {
  readonly #names: ReadonlySet<string> | undefined;
  readonly #headers: readonly HeaderTest[];

  /** @throws ConfigError naming what is wrong. */
  constructor(options: CallMatchOptions, path: string) {
    const { methods, headers = [] } = options;
    if (methods !== undefined) {
      if (!Array.isArray(methods) || methods.length === 0)
        throw new ConfigError(`${path}.methods`, `expected a list of methods or services, got ${show(methods)}`);
      methods.forEach((name: unknown, index) => {
        const problem = nameProblem(name, { method: true, service: true, key: false });
        if (problem !== undefined) throw new ConfigError(`${path}.methods[${index}]`, problem);
      });
      this.#names = new Set(methods);
    }
    if (!Array.isArray(headers)) throw new ConfigError(`${path}.headers`, `expected a list of headers, got ${show(headers)}`);
    this.#headers = headers.map((header: HeaderOptions, index) => headerTest(header, `${path}.headers[${index}]`));
  }

  /** True: every call of the method matches. */
  get byMethodOnly(): boolean {
    return this.#headers.length === 0;
  }
  /** Whether calls of a method, `/pkg.Service/Method`, can match at all. */
  takes(method: string): boolean {
    return this.#names === undefined || this.#names.has(method.slice(1)) || this.#names.has(splitMethod(method).service);
  }
  /** Whether the metadata of a call of such a method is what is looked for. */
  fits(headers: Headers): boolean {
    for (const { name, holds } of this.#headers) if (!holds(headerOf(headers, name))) return false;
    return true;
  }
}

/** The value of a key; several are joined as HTTP would; undefined: there is none. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const values = headers.get(name);
  return values.length < 2 ? values[0]?.toString() : values.join(',');
}

/** Why that is no key that can be looked at; undefined: it is. */
export function headerProblem(name: unknown): string | undefined {
  const expected = `expected a metadata key such as "x-user", got ${show(name)}`;
  if (typeof name !== 'string') return expected;
  if (name.endsWith('-bin')) return `${expected}; the values of "-bin" keys are bytes`;
  if (HEADER_NAME.test(name)) return undefined;
  return HEADER_NAME.test(name.toLowerCase()) ? `${expected}; did you mean ${show(name.toLowerCase())}?` : expected;
}

function headerTest(header: HeaderOptions, path: string): HeaderTest {
  const { name, ...value } = checkedObject(header, ['name', ...VALUE_KEYS], path);
  const problem = headerProblem(name);
  if (problem !== undefined) throw new ConfigError(`${path}.name`, problem);
  return { name: String(name), holds: valueTest(value, path) };
}
