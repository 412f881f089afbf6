/**
 * Asks a server for the descriptors of its services, by server reflection.
 *
 * Source: gRPC server reflection, doc/server-reflection.md; grpc.reflection.v1, and v1alpha for servers that are older.
 *
 * @packageDocumentation
 */
import { type ChannelCredentials, type ChannelOptions, Client, Metadata, status } from '@grpc/grpc-js';
import { type Clock, systemClock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import { quote, show } from '../input/show.ts';
import { collect } from '../reflect/collect.ts';
import { type ReflectOptions, resolveReflectOptions } from '../reflect/options.ts';
import { ReflectionError } from '../reflect/reflection-error.ts';
import { ReflectionStream, StreamEnd } from './reflection-stream.ts';

/** What to ask a server for, and how. */
export interface ReflectDescriptorsOptions extends ReflectOptions {
  /** Sent along, for servers that let nobody in without. @defaultValue none */
  readonly metadata?: Metadata;
  /** Of the channel to it. @defaultValue grpc-js's own, and no service config from DNS */
  readonly channelOptions?: ChannelOptions;
  /** Takes a line for what the server names and does not know: it is left out. @defaultValue `process.emitWarning` */
  readonly warn?: (line: string) => void;
}

const OTHER_KEYS = ['metadata', 'channelOptions', 'warn'] as const satisfies readonly (keyof ReflectDescriptorsOptions)[];
const PATHS: readonly string[] = [
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
];
/** Names in one line. */
const MAX_NAMED = 5;

const asIs = (bytes: Buffer): Buffer => bytes;
const toProcess = (line: string): void => process.emitWarning(line, 'InmeshWarning');

/**
 * The descriptors of a server's services, with what they import, as a `FileDescriptorSet` for `createMesh(policy, { descriptors })`.
 *
 * The bytes of each file are as the server has them: with its options, if the server has not lost them.
 *
 * @param target - As for a client: `dns:///orders:50051`. One connection is made, and closed in the end.
 * @throws ConfigError (as a rejection) on a bad option.
 * @throws ReflectionError (as a rejection) naming target and reason: nobody answers, there is no reflection, or an answer breaks a limit
 * or makes no sense.
 */
export async function reflectDescriptors(
  target: string,
  credentials: ChannelCredentials,
  options: ReflectDescriptorsOptions = {},
): Promise<Uint8Array> {
  return reflectOn(target, credentials, options, systemClock);
}

/** The same with a clock. */
export async function reflectOn(
  target: string,
  credentials: ChannelCredentials,
  options: ReflectDescriptorsOptions,
  clock: Clock,
): Promise<Uint8Array> {
  const rules = resolveReflectOptions(options, OTHER_KEYS);
  const { metadata = new Metadata(), channelOptions = {}, warn = toProcess } = options;
  if (!(metadata instanceof Metadata)) throw new ConfigError('options.metadata', `expected a Metadata, got ${show(metadata)}`);
  const client = new Client(target, credentials, {
    'grpc.service_config_disable_resolution': 1,
    ...channelOptions,
    'grpc.max_receive_message_length': rules.maxBytes,
  });
  const deadline = clock.wallMs() + rules.timeoutMs;
  try {
    for (const path of PATHS) {
      const stream = new ReflectionStream(client.makeBidiStreamRequest(path, asIs, asIs, metadata, { deadline }), rules.maxFiles);
      try {
        const { set, missing } = await collect((question) => stream.ask(question), rules);
        if (missing.length > 0) warn(`${target}: the server does not know ${named(missing)}, which it names itself: left out`);
        return set;
      } catch (error) {
        if (error instanceof StreamEnd && error.status === status.UNIMPLEMENTED) continue;
        if (error instanceof ReflectionError) throw new ReflectionError(`${target}: ${error.message}`);
        throw error;
      } finally {
        stream.close();
      }
    }
    throw new ReflectionError(`${target}: the server has no reflection; give descriptors of another kind (buf build -o image.binpb)`);
  } finally {
    client.close();
  }
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMED).map(quote).join(', ');
  return names.length > MAX_NAMED ? `${shown} and ${names.length - MAX_NAMED} more` : shown;
}
