/**
 * Bounded tables by method, and by target and method: peers choose method names, memory must not grow with them.
 *
 * @packageDocumentation
 */
import { OTHER, rpcMethod } from './names.ts';

/** One value for each method seen, up to a cap; later methods share the value of `_OTHER`. */
export class MethodTable<T> {
  readonly #make: (rpcMethod: string) => T;
  readonly #other: string;
  readonly #room: Room;
  readonly #byPath = new Map<string, T>();
  #rest: T | undefined;

  /**
   * @param room - How many methods, or what several tables have left between them.
   * @param other - What the methods beyond are called.
   */
  constructor(room: number | Room, make: (rpcMethod: string) => T, other: string = OTHER) {
    this.#room = typeof room === 'number' ? { left: room } : room;
    this.#make = make;
    this.#other = other;
  }
  /** The value of `/pkg.Service/Method`. */
  get(path: string): T {
    const known = this.#byPath.get(path);
    if (known !== undefined) return known;
    if (this.#room.left <= 0) return this.rest;
    this.#room.left--;
    const made = this.#make(rpcMethod(path));
    this.#byPath.set(path, made);
    return made;
  }
  /** The value that methods share which are not told apart. */
  get rest(): T {
    this.#rest ??= this.#make(this.#other);
    return this.#rest;
  }
}

/** Places for methods, over several tables. */
export interface Room {
  left: number;
}

/** Targets told apart: an application makes its channels itself, but a gateway may make very many. */
const MAX_TARGETS = 1000;

/** A method table for each target. All of them together have as many methods as one; targets beyond the cap share one. */
export class TargetTable<T> {
  readonly #make: (target: string) => MethodTable<T>;
  readonly #byTarget = new Map<string, MethodTable<T>>();
  #rest: MethodTable<T> | undefined;
  #lastTarget: string | undefined;
  #last: MethodTable<T> | undefined;

  /**
   * @param maxMethods - Over all targets.
   * @param make - Makes the value of a method at a target; the empty target stands for those beyond the cap, and for one that nobody knows.
   * @param other - What methods beyond the cap are called.
   */
  constructor(maxMethods: number, make: (target: string, rpcMethod: string) => T, other: string = OTHER) {
    const room = { left: maxMethods };
    this.#make = (target) => new MethodTable(room, (method) => make(target, method), other);
  }
  /** The methods of one target. It hardly ever changes between two calls. */
  at(target: string): MethodTable<T> {
    if (this.#last === undefined || target !== this.#lastTarget) {
      this.#last = this.#find(target);
      this.#lastTarget = target;
    }
    return this.#last;
  }

  #find(target: string): MethodTable<T> {
    const known = this.#byTarget.get(target);
    if (known !== undefined) return known;
    if (target === '' || this.#byTarget.size >= MAX_TARGETS) {
      this.#rest ??= this.#make('');
      return this.#rest;
    }
    const made = this.#make(target);
    this.#byTarget.set(target, made);
    return made;
  }
}
