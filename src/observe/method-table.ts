/**
 * A bounded table by method: peers choose method names, memory must not grow with them.
 *
 * @packageDocumentation
 */
import { OTHER, rpcMethod } from './names.ts';

/** One value for each method seen, up to a cap; later methods share the value of `_OTHER`. */
export class MethodTable<T> {
  readonly #cap: number;
  readonly #make: (rpcMethod: string) => T;
  readonly #byPath = new Map<string, T>();
  #other: T | undefined;

  constructor(cap: number, make: (rpcMethod: string) => T) {
    this.#cap = cap;
    this.#make = make;
  }
  /** The value of `/pkg.Service/Method`. */
  get(path: string): T {
    const known = this.#byPath.get(path);
    if (known !== undefined) return known;
    if (this.#byPath.size >= this.#cap) {
      this.#other ??= this.#make(OTHER);
      return this.#other;
    }
    const made = this.#make(rpcMethod(path));
    this.#byPath.set(path, made);
    return made;
  }
}
