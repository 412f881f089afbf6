/** A name server for one name, over UDP on the loopback: as much of DNS as a stub resolver needs. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const TYPE_A = 1;
const NO_SUCH_NAME = 3;
const FAILED = 2;

export class NameServer implements AsyncDisposable {
  readonly #socket: Socket;
  /** What the name stands for, IPv4 only; empty: there is no such name. */
  addresses: readonly string[];
  /** Every question is answered with a failure. */
  failing = false;
  /** Questions for IPv4 addresses so far. */
  asked = 0;

  private constructor(addresses: readonly string[]) {
    this.addresses = addresses;
    this.#socket = createSocket('udp4');
    this.#socket.on('message', (question, from) => this.#socket.send(this.#answer(question), from.port, from.address));
  }
  static async start(addresses: readonly string[]): Promise<NameServer> {
    const server = new NameServer(addresses);
    server.#socket.bind(0, '127.0.0.1');
    await once(server.#socket, 'listening');
    return server;
  }
  /** `host:port`. */
  get authority(): string {
    const { address, port } = this.#socket.address();
    return `${address}:${port}`;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #answer(question: Buffer): Buffer {
    const end = question.indexOf(0, 12) + 5; // the name, a zero, type and class
    const asksForA = question.readUInt16BE(end - 4) === TYPE_A;
    if (asksForA) this.asked++;
    const records = asksForA && !this.failing ? this.addresses.map(recordOf) : [];
    const header = Buffer.alloc(12);
    header.writeUInt16BE(question.readUInt16BE(0), 0);
    header.writeUInt16BE(0x8180 | this.#code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, question.subarray(12, end), ...records]);
  }
  get #code(): number {
    if (this.failing) return FAILED;
    return this.addresses.length === 0 ? NO_SUCH_NAME : 0;
  }
}

/** For the name of the question, one hour. */
function recordOf(address: string): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt16BE(0xc00c, 0);
  record.writeUInt16BE(TYPE_A, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(3_600, 6);
  record.writeUInt16BE(4, 10);
  for (const [i, byte] of address.split('.').entries()) record.writeUInt8(Number(byte), 12 + i);
  return record;
}
