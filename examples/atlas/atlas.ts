/** The Atlas service as grpc-js and proto-loader make it from `atlas.proto`: nothing here knows inmesh. */
import { fileURLToPath } from 'node:url';
import {
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientOptions,
  type ClientReadableStream,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** One place of the data set. */
export interface Place {
  readonly id: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly latitude: number;
  readonly longitude: number;
}

/** What the write sends and gets back. */
export interface PageView {
  readonly page: string;
}

/** How a unary method answers. */
export type Answer<Reply> = (error: ServiceError | null, reply?: Reply) => void;

/** A client of the Atlas service. */
export interface AtlasClient extends Client {
  getPlace(request: { id: number }, options: CallOptions, answer: Answer<Place>): unknown;
  searchPlaces(request: { prefix: string; limit: number }, options: CallOptions): ClientReadableStream<Place>;
  recordView(request: PageView, options: CallOptions, answer: Answer<PageView>): unknown;
}

type AtlasConstructor = new (target: string, credentials: ChannelCredentials, options?: ClientOptions) => AtlasClient;

const definition = loadSync(fileURLToPath(new URL('./atlas.proto', import.meta.url)), { defaults: true });
const root = loadPackageDefinition(definition) as unknown as { atlas: { v1: { Atlas: ServiceClientConstructor } } };
const generated = root.atlas.v1.Atlas;

/** The client class, as an application gets it. */
export const Atlas: AtlasConstructor = generated as unknown as AtlasConstructor;

/** The service definition, as a server registers it. */
export const atlasDefinition: ServiceDefinition = generated.service;
