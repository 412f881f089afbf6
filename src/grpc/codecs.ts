/**
 * Serialisers of methods by path, for behaviours that must read or write a message where the door gives the other form:
 * grpc-js gives an interceptor only the client's half, and a channel none.
 *
 * @packageDocumentation
 */
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { ConfigError } from '../errors.ts';
import { show } from '../input/show.ts';

/** Both halves of a method. */
export type MethodCodec = MethodDefinition<unknown, unknown>;

const PARTS = ['requestSerialize', 'requestDeserialize', 'responseSerialize', 'responseDeserialize'] as const;

/** The methods of some services. */
export class MethodCodecs {
  readonly #byPath = new Map<string, MethodCodec>();

  /**
   * @param services - As generated code has them: `Greeter.service`.
   * @throws ConfigError when one is none.
   */
  constructor(services: readonly ServiceDefinition[] = [], path = 'services') {
    if (!Array.isArray(services)) throw new ConfigError(path, `expected a list such as [Greeter.service], got ${show(services)}`);
    for (const [index, service] of services.entries()) {
      const methods = typeof service === 'object' && service !== null ? Object.values(service) : [];
      if (methods.length === 0 || !methods.every(isMethod)) {
        const hint = typeof service === 'function' && 'service' in service ? '; did you mean its property "service"?' : '';
        throw new ConfigError(`${path}[${index}]`, `expected a service such as Greeter.service, got ${show(service)}${hint}`);
      }
      for (const method of methods) this.#byPath.set(method.path, method);
    }
  }

  /** Undefined: nobody has given it. */
  of(path: string): MethodCodec | undefined {
    return this.#byPath.get(path);
  }
}

function isMethod(value: unknown): value is MethodCodec {
  if (typeof value !== 'object' || value === null || !('path' in value) || typeof value.path !== 'string') return false;
  return PARTS.every((part) => typeof Reflect.get(value, part) === 'function');
}

/** A message as bytes, or undefined when it is none and nobody knows how to make it so. */
export function bytesOf(message: unknown, serialize: ((message: unknown) => Buffer) | undefined): Buffer | undefined {
  if (message instanceof Uint8Array)
    return Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  return serialize?.(message);
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
