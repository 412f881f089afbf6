/** Servers that answer, but not in gRPC: what proxies, crashes and other programs send. */
import { once } from 'node:events';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { onTestFinished } from 'vitest';

/** One kind of nonsense, and the code that grpc-js gives it. */
export interface Garbage {
  readonly what: string;
  readonly code: string;
  /** Answers one HTTP/2 stream; else `raw` answers a connection. */
  stream?(stream: ServerHttp2Stream): void;
  /** What is sent on a connection that begins; undefined: it is closed. */
  readonly raw?: string | undefined;
}

const GRPC = { ':status': 200, 'content-type': 'application/grpc+proto' } as const;
const HTML = '<html><body><h1>Bad Gateway</h1></body></html>';

/** A message with its five bytes before it; `length`: what these say. */
function framed(text: string, length = Buffer.byteLength(text)): Buffer {
  const frame = Buffer.alloc(5 + Buffer.byteLength(text));
  frame.writeUInt32BE(length, 1);
  frame.write(text, 5);
  return frame;
}

/** Answers with a message, then with trailers, if it is told some. */
function answer(stream: ServerHttp2Stream, body: Buffer, trailers?: Readonly<Record<string, string>>): void {
  stream.respond(GRPC, { waitForTrailers: trailers !== undefined });
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body);
}

export const garbage: readonly Garbage[] = [
  {
    what: '502 with HTML',
    code: 'UNAVAILABLE',
    stream: (stream) => {
      stream.respond({ ':status': 502, 'content-type': 'text/html' });
      stream.end(HTML);
    },
  },
  {
    what: '404 of a proxy',
    code: 'UNIMPLEMENTED',
    stream: (stream) => {
      stream.respond({ ':status': 404, 'content-type': 'text/plain' });
      stream.end('404 page not found\n');
    },
  },
  {
    what: '503 without a body',
    code: 'UNAVAILABLE',
    stream: (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
  },
  { what: 'no trailers', code: 'INTERNAL', stream: (stream) => answer(stream, framed('half')) },
  { what: 'a frame cut short', code: 'UNIMPLEMENTED', stream: (stream) => answer(stream, framed('cut', 100), { 'grpc-status': '0' }) },
  {
    what: 'a message that cannot be read',
    code: 'INTERNAL',
    stream: (stream) => answer(stream, framed('unreadable'), { 'grpc-status': '0' }),
  },
  {
    what: 'a text read as a length of 808 MB',
    code: 'RESOURCE_EXHAUSTED',
    stream: (stream) => answer(stream, Buffer.from('\x0000 page not found')),
  },
  { what: 'HTTP/1.1', code: 'UNAVAILABLE', raw: 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n' },
  { what: 'a connection that is closed at once', code: 'UNAVAILABLE', raw: undefined },
];

/** Serves nonsense on a port of its own until the test ends. */
export async function serveGarbage({ stream, raw }: Garbage): Promise<number> {
  let server: Server;
  const ends = new Set<() => void>();
  if (stream !== undefined) {
    const http2 = createHttp2Server();
    http2.on('stream', (one) => {
      one.on('error', () => {});
      one.resume();
      stream(one);
    });
    http2.on('session', (session) => ends.add(() => session.destroy()));
    server = http2 as unknown as Server;
  } else {
    server = createServer((socket) => {
      socket.on('error', () => {});
      ends.add(() => socket.destroy());
      if (raw === undefined) socket.destroy();
      else socket.end(raw);
    });
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const end of ends) end();
  });
  return (server.address() as AddressInfo).port;
}
