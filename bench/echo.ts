/**
 * The service that is measured, loaded the way most applications load theirs (proto-loader, a generated client class).
 *
 * @packageDocumentation
 */
import { fileURLToPath } from 'node:url';
import {
  type ClientOptions,
  type ClientUnaryCall,
  credentials,
  loadPackageDefinition,
  type MethodDefinition,
  type requestCallback,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Mesh } from '../src/index.ts';

/** Request and answer of `Echo.Say`. */
export interface Msg {
  id: number;
  text: string;
}

/** A generated client's unary method. */
export type Say = (request: Msg, callback: requestCallback<Msg>) => ClientUnaryCall;

/** What a call ends with. */
export type Done = (error: ServiceError | null, answer?: Msg) => void;

/** One call of `Echo.Say` through some client. */
export type Call = (request: Msg, done: Done) => void;

/** 32 bytes, so that a message is a small one. */
export const TEXT: string = 'x'.repeat(32);

function load(): ServiceClientConstructor {
  const definition = loadSync(fileURLToPath(new URL('echo.proto', import.meta.url)));
  let node: unknown = loadPackageDefinition(definition);
  for (const part of ['inmesh', 'bench', 'Echo']) node = (node as Record<string, unknown>)[part];
  return node as ServiceClientConstructor;
}

/** The generated client class; its `service` is the server's definition. */
export const Echo: ServiceClientConstructor = load();

/** A client of the service, as its class makes it. */
export type EchoClient = InstanceType<ServiceClientConstructor>;

/** How a client is made of these options. `wrap`: what its maker does with it before the first call. */
export interface ClientRecipe {
  readonly options: ClientOptions;
  readonly wrap?: ((client: EchoClient) => EchoClient) | undefined;
}

/** A client that calls without TLS. */
export function makeClient(target: string, { options, wrap }: ClientRecipe): EchoClient {
  const client = new Echo(target, credentials.createInsecure(), options);
  return wrap === undefined ? client : wrap(client);
}

/** The unary method of a client, as a plain function. */
export function sayOf(client: EchoClient): Call {
  const say = client['Say'] as unknown as Say;
  return (request, done) => {
    say.call(client, request, done);
  };
}

/** The definition as code generators type it. */
interface EchoDefinition {
  readonly Say: MethodDefinition<Msg, Msg> & { readonly requestStream: false; readonly responseStream: false };
}

/** The unary method of `mesh.typed()`, as a plain function. */
export function typedSay(mesh: Mesh, target: string): Call {
  const echo = mesh.typed(Echo.service as unknown as EchoDefinition, target, credentials.createInsecure());
  return (request, done) => {
    echo.say(request).then((answer) => done(null, answer), done);
  };
}
