/**
 * A request as routes see it: its query checked, nothing else of it.
 *
 * @packageDocumentation
 */
import { nearest } from '../input/nearest.ts';
import { quote } from '../input/show.ts';
import { HttpError } from './http-error.ts';

/** The parameters of a request. */
export class Question {
  readonly #query: URLSearchParams;

  /** @throws HttpError for a parameter that the route does not know. */
  constructor(query: string, known: readonly string[]) {
    this.#query = new URLSearchParams(query);
    for (const name of this.#query.keys()) {
      if (known.includes(name)) continue;
      const meant = nearest(name, known);
      const hint = meant !== undefined ? `did you mean ${meant}?` : known.length === 0 ? 'it takes none' : `it takes ${known.join(', ')}`;
      throw new HttpError('BAD_REQUEST', `unknown parameter ${quote(name)}; ${hint}`);
    }
  }

  /** Undefined: not given, or empty. */
  text(name: string): string | undefined {
    return this.#query.get(name) || undefined;
  }

  all(name: string): readonly string[] {
    return this.#query.getAll(name);
  }

  /** @throws HttpError when it is missing. */
  required(name: string, example: string): string {
    const value = this.text(name);
    if (value === undefined) throw new HttpError('BAD_REQUEST', `the parameter ${name} is missing, such as ?${name}=${example}`);
    return value;
  }

  /** A number >= 0. @throws HttpError for anything else. */
  number(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (/^\d{1,15}(\.\d{1,6})?$/.test(value)) return Number(value);
    throw new HttpError('BAD_REQUEST', `expected ${name} to be a number, 0 or more, got ${quote(value)}`);
  }

  /** One of several words. @throws HttpError for another. */
  oneOf<const T extends string>(name: string, words: readonly T[]): T | undefined {
    const value = this.text(name);
    const word = words.find((one) => one === value);
    if (value === undefined || word !== undefined) return word;
    const meant = nearest(value, words);
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    throw new HttpError('BAD_REQUEST', `expected ${name} to be ${words.join(' or ')}, got ${quote(value)}${hint}`);
  }
}
