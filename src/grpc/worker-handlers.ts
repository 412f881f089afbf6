/**
 * The handlers that a module exports, as its thread finds them.
 *
 * @packageDocumentation
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import { ConfigError } from '../errors.ts';
import { show } from '../input/show.ts';
import { handlerNames } from './worker-messages.ts';

/** A handler of either shape: `(call) => response` or `(call, callback)`. */
export type AnyWorkerHandler = (call: unknown, callback: unknown) => unknown;

/** One method in a thread. */
export interface ThreadMethod {
  readonly handler: AnyWorkerHandler;
  /** Undefined: the module does not export the definition, messages come as objects. */
  readonly codec: Pick<MethodDefinition<unknown, unknown>, 'requestDeserialize' | 'responseSerialize'> | undefined;
}

interface Described {
  readonly key: string;
  readonly definition: MethodDefinition<unknown, unknown>;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null;

/** Handlers and definitions of one module. */
export class ThreadHandlers {
  readonly #byName = new Map<string, AnyWorkerHandler>();
  readonly #definitions = new Map<string, Described>();
  readonly #found = new Map<string, ThreadMethod | undefined>();

  /** @throws ConfigError when the module has no handler, or exports as `service` what is none. */
  constructor(exported: Readonly<Record<string, unknown>>) {
    const { service, default: more } = exported;
    for (const [name, value] of Object.entries(exported)) {
      if (name !== 'default' && typeof value === 'function') this.#byName.set(name, value as AnyWorkerHandler);
    }
    if (isObject(more)) {
      for (const name of memberNames(more)) {
        const value = more[name];
        if (typeof value === 'function') this.#byName.set(name, value.bind(more) as AnyWorkerHandler);
      }
    }
    if (this.#byName.size === 0) throw new ConfigError('workers.module', 'exports no function: its handlers, by method name');
    if (service !== undefined) for (const one of Array.isArray(service) ? service : [service]) this.#describe(one);
  }

  /** Names of all handlers. */
  get names(): string[] {
    return [...this.#byName.keys()];
  }
  /** Paths whose messages are read and written here. */
  get codecs(): string[] {
    return [...this.#definitions.keys()];
  }

  find(path: string): ThreadMethod | undefined {
    // Not bounded by itself: paths are those of the methods that the server has.
    if (!this.#found.has(path)) this.#found.set(path, this.#look(path));
    return this.#found.get(path);
  }

  #look(path: string): ThreadMethod | undefined {
    const described = this.#definitions.get(path);
    for (const name of handlerNames(path, described?.key, described?.definition.originalName)) {
      const handler = this.#byName.get(name);
      if (handler !== undefined) return { handler, codec: described?.definition };
    }
    return undefined;
  }

  #describe(service: unknown): void {
    // A generated client class is taken for the definition that it carries.
    const definition = typeof service === 'function' && 'service' in service ? service.service : service;
    for (const [key, method] of isObject(definition) ? Object.entries(definition) : []) {
      if (!isObject(method) || typeof method['path'] !== 'string' || typeof method['requestDeserialize'] !== 'function') continue;
      this.#definitions.set(method['path'], { key, definition: method as unknown as Described['definition'] });
    }
    if (this.#definitions.size === 0) {
      throw new ConfigError('workers.module', `its export "service" is ${show(service)} without methods; expected a service definition`);
    }
  }
}

/** Of an object and its classes, but not what every object has. */
function memberNames(object: object): string[] {
  const names = new Set<string>();
  for (let at: unknown = object; isObject(at) && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  names.delete('constructor');
  return [...names];
}
