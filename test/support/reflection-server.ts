/** Server reflection that gives files as they are, as servers in Go, Java and C++ do; and servers that answer whatever a test wants. */
import { Server, type ServerDuplexStream, type ServiceDefinition } from '@grpc/grpc-js';
import { filesOfSet } from '../../src/batch/native/descriptor-files.ts';
import { Code } from '../../src/call.ts';
import { Declarations, type FileHeader, readHeader } from '../../src/reflect/file-header.ts';
import { eachField, lengthDelimited, type Question } from '../../src/reflect/messages.ts';
import { bind } from './loopback.ts';

export type Version = 'v1' | 'v1alpha';
type Stream = ServerDuplexStream<Buffer, Buffer>;

const KINDS: Readonly<Record<number, Question['kind']>> = { 3: 'file', 4: 'symbol', 7: 'services' };
const asIs = (bytes: Buffer): Buffer => bytes;

/** A `ServerReflectionRequest`. */
export function readQuestion(bytes: Buffer): Question {
  let question: Question = { kind: 'services' };
  eachField(bytes, (number, reader) => {
    const kind = KINDS[number];
    if (kind === undefined) return false;
    const name = reader.text();
    question = kind === 'services' ? { kind } : { kind, name };
    return true;
  });
  return question;
}

/** `ServerReflectionResponse`s. */
export const answers = {
  files: (...files: readonly Uint8Array[]): Buffer => lengthDelimited(4, Buffer.concat(files.map((file) => lengthDelimited(1, file)))),
  services: (...names: readonly string[]): Buffer =>
    lengthDelimited(6, Buffer.concat(names.map((name) => lengthDelimited(1, lengthDelimited(1, Buffer.from(name)))))),
  error: (code: number): Buffer => lengthDelimited(7, Buffer.concat([Buffer.from([8, code]), lengthDelimited(2, Buffer.from('secret'))])),
};

/** What an honest server says: the file that was asked for, without those that it imports. */
export function honest(set: Uint8Array): (question: Question) => Buffer {
  const files = filesOfSet(set).map((bytes): FileHeader & { readonly bytes: Buffer } => ({
    ...readHeader(bytes, 1_000, new Declarations()),
    bytes,
  }));
  return (question) => {
    if (question.kind === 'services') return answers.services(...files.flatMap(({ services }) => services));
    const { kind, name } = question;
    const found = files.find((file) => (kind === 'file' ? file.name === name : file.services.includes(name)));
    return found === undefined ? answers.error(Code.NOT_FOUND) : answers.files(found.bytes);
  };
}

/** Serves one version of reflection. `onStream` may be anything. */
export async function serveReflection(
  onStream: (stream: Stream) => void,
  version: Version = 'v1',
): Promise<AsyncDisposable & { readonly target: string; readonly server: Server }> {
  const server = new Server();
  const service: ServiceDefinition = {
    info: {
      path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      requestStream: true,
      responseStream: true,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  };
  server.addService(service, { info: onStream });
  const port = await bind(server);
  return { target: `127.0.0.1:${port}`, server, [Symbol.asyncDispose]: async () => server.forceShutdown() };
}

/** A stream that answers each question by `answer`. */
export function answering(answer: (question: Question) => Buffer): (stream: Stream) => void {
  return (stream) => {
    stream.on('error', () => {});
    stream.on('data', (bytes: Buffer) => stream.write(answer(readQuestion(bytes))));
    stream.on('end', () => stream.end());
  };
}
