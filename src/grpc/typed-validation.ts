/**
 * Validation of requests by functions of the application's, typed by the service's definition: in front of its handlers, or in front of
 * a typed client. A request that is refused ends with INVALID_ARGUMENT, the fields in its details.
 *
 * @packageDocumentation
 */
import type { ServiceError, StatusObject, sendUnaryData } from '@grpc/grpc-js';
import { ConfigError } from '../errors.ts';
import { show } from '../input/show.ts';
import { serviceError } from './service-error.ts';
import {
  type DefinedMethod,
  methodNamed,
  type OneRequestNames,
  oneRequestMethods,
  type RequestOf,
  uncapitalized,
} from './typed-definition.ts';
import { type FieldViolation, readViolations, violated } from './typed-violations.ts';

/** Looks at a request before its handler does. Nothing: it may pass. What it throws, the handler has thrown. */
export type Validator<Request> = (request: Request) => FieldViolation | readonly FieldViolation[] | undefined;

/** Validators of a service by method, for those that take one request. */
export type Validators<Service> = {
  readonly [Name in OneRequestNames<Service> as Uncapitalize<Name>]?: Validator<RequestOf<Service[Name]>>;
};

type Check = (request: unknown) => StatusObject | undefined;
type Handler = (
  this: unknown,
  call: { readonly request: unknown; emit(event: 'error', status: StatusObject): void },
  answer?: unknown,
) => unknown;

/**
 * Handlers that are not asked about requests that their validator refuses. Each call and each item of a batch is looked at for itself,
 * before a batch handler gathers it.
 *
 * @throws ConfigError when a name is no method with one request.
 */
export function validatedHandlers<Service extends object, Handlers extends object>(
  definition: Service,
  validators: Validators<Service>,
  handlers: Handlers,
): Handlers {
  const checks = checksOf(definition, validators, 'server');
  const guarded: Record<string, unknown> = {};
  for (const [name, handler] of Object.entries(handlers)) {
    const check = checks.get(uncapitalized(name))?.check;
    guarded[name] = check === undefined || !isFunction(handler) ? handler : guard(handler, check);
  }
  return { ...handlers, ...guarded };
}

function guard(handler: Handler, check: Check): Handler {
  return function (call, answer) {
    const refused = check(call.request);
    if (refused === undefined) return handler.call(this, call, answer);
    if (isFunction(answer)) (answer as sendUnaryData<unknown>)(refused);
    else call.emit('error', refused);
    return undefined;
  };
}

/**
 * A typed client that sends no request which its validator refuses. Validators see what the server would: the request as it comes out
 * of the codec, with its defaults.
 *
 * @throws ConfigError when a name is no method with one request.
 */
export function validatedClient<Service extends object, Client extends object>(
  definition: Service,
  validators: Validators<Service>,
  client: Client,
): Client {
  const methods: Record<string, unknown> = {};
  for (const [name, { method, check }] of checksOf(definition, validators, 'client')) {
    const call: unknown = Reflect.get(client, name);
    if (!isFunction(call)) throw new ConfigError(`validators.${name}`, 'the client has no such method');
    const refused = (request: unknown): StatusObject | undefined => check(method.requestDeserialize(method.requestSerialize(request)));
    methods[name] = method.responseStream ? serverStreaming(call, refused) : unary(call, refused);
  }
  return Object.assign(Object.create(client), methods);
}

const unary =
  (call: Callable, check: Check): Callable =>
  async (request, ...rest) => {
    const refused = check(request);
    if (refused !== undefined) throw errorOf(refused);
    return call(request, ...rest);
  };

const serverStreaming =
  (call: Callable, check: Check): Callable =>
  (request, ...rest) =>
    answersAfter(check, request, () => call(request, ...rest) as AsyncIterable<unknown>);

type Callable = (...args: readonly unknown[]) => unknown;

/** As with every stream of a typed client, nothing happens before the first answer is asked for. */
async function* answersAfter(check: Check, request: unknown, open: () => AsyncIterable<unknown>): AsyncGenerator<unknown> {
  const refused = check(request);
  if (refused !== undefined) throw errorOf(refused);
  yield* open();
}

const errorOf = (status: StatusObject): ServiceError => serviceError(status, undefined);

function checksOf(
  definition: object,
  validators: object,
  side: 'client' | 'server',
): Map<string, { readonly method: DefinedMethod; readonly check: Check }> {
  const methods = oneRequestMethods(definition, () => true);
  const checks = new Map<string, { readonly method: DefinedMethod; readonly check: Check }>();
  for (const [name, validator] of Object.entries(validators)) {
    if (validator === undefined) continue;
    const at = `validators.${name}`;
    const method = methodNamed(methods, name, at, 'method with one request');
    if (!isFunction(validator)) throw new ConfigError(at, `expected a function of a request, got ${show(validator)}`);
    const check: Check = (request) => {
      const violations = readViolations(validator(request), method.path);
      return violations && violated(side, violations);
    };
    checks.set(uncapitalized(name), { method, check });
  }
  return checks;
}

function isFunction(value: unknown): value is Callable & Handler {
  return typeof value === 'function';
}
