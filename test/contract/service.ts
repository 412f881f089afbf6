/**
 * The service of the contract: one method of each kind, with messages simple enough to need no generated code.
 */
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  type requestCallback,
  type ServiceClientConstructor,
  type ServiceDefinition,
} from '@grpc/grpc-js';

/** The only message. `text` is sent as it is, but for the two that break a codec. */
export interface Note {
  readonly text: string;
}

/** `text` of a note that the sender cannot encode. */
export const UNSERIALIZABLE = 'unserializable';
/** `text` of a note that the receiver cannot decode. */
export const UNREADABLE = 'unreadable';

/** Shorthand for a message. */
export const note = (text: string): Note => ({ text });

function serialize(value: Note): Buffer {
  if (value.text === UNSERIALIZABLE) {
    throw new Error('cannot encode this note');
  }
  return Buffer.from(value.text);
}

function deserialize(bytes: Buffer): Note {
  const text = bytes.toString();
  if (text === UNREADABLE) {
    throw new Error('cannot decode this note');
  }
  return { text };
}

function method(name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<Note, Note> {
  return {
    path: `/contract.Notes/${name}`,
    requestStream,
    responseStream,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  };
}

/** What the server serves. */
export const notesDefinition = {
  unary: method('Unary', false, false),
  clientStream: method('ClientStream', true, false),
  serverStream: method('ServerStream', false, true),
  bidi: method('Bidi', true, true),
  /** The server streams; the client believes it to be unary. */
  liar: method('Liar', false, true),
} satisfies ServiceDefinition;

/** What the client believes: also methods that nobody serves, and one whose kind it has wrong. */
const clientDefinition = {
  ...notesDefinition,
  liar: method('Liar', false, false),
  missingUnary: method('MissingUnary', false, false),
  missingClientStream: method('MissingClientStream', true, false),
  missingServerStream: method('MissingServerStream', false, true),
  missingBidi: method('MissingBidi', true, true),
} satisfies ServiceDefinition;

/** The client's class, as `makeGenericClientConstructor` and so every code generator makes it. */
export const NotesClient: ServiceClientConstructor = makeGenericClientConstructor(clientDefinition, 'contract.Notes');

type Unary = (request: Note, metadata: Metadata, options: CallOptions, callback: requestCallback<Note>) => ClientUnaryCall;
type ClientStream = (metadata: Metadata, options: CallOptions, callback: requestCallback<Note>) => ClientWritableStream<Note>;
type ServerStream = (request: Note, metadata: Metadata, options: CallOptions) => ClientReadableStream<Note>;
type Bidi = (metadata: Metadata, options: CallOptions) => ClientDuplexStream<Note, Note>;

/** A client of the service, with types. */
export interface Notes extends Client {
  unary: Unary;
  clientStream: ClientStream;
  serverStream: ServerStream;
  bidi: Bidi;
  liar: Unary;
  missingUnary: Unary;
  missingClientStream: ClientStream;
  missingServerStream: ServerStream;
  missingBidi: Bidi;
}

/** The service's handlers; a scenario replaces those that it cares about. */
export interface Handlers {
  unary: handleUnaryCall<Note, Note>;
  clientStream: handleClientStreamingCall<Note, Note>;
  serverStream: handleServerStreamingCall<Note, Note>;
  bidi: handleBidiStreamingCall<Note, Note>;
  liar: handleServerStreamingCall<Note, Note>;
}

/** Handlers that say back what they hear. */
export const echo: Handlers = {
  unary: (call, callback) => callback(null, note(`you said ${call.request.text}`)),
  clientStream: (call, callback) => {
    const heard: string[] = [];
    call.on('data', (message: Note) => heard.push(message.text));
    call.on('end', () => callback(null, note(`you said ${heard.join('+')}`)));
  },
  serverStream: (call) => {
    for (let i = 1; i <= 3; i++) {
      call.write(note(`${call.request.text} ${i}`));
    }
    call.end();
  },
  bidi: (call) => {
    call.on('data', (message: Note) => call.write(note(`you said ${message.text}`)));
    call.on('end', () => call.end());
  },
  liar: (call) => {
    for (let i = 0; i < Number(call.request.text); i++) {
      call.write(note(`answer ${i}`));
    }
    call.end();
  },
};
