/**
 * The oracle's workload: every call is a function of seed and number, and so is all that its caller must see.
 *
 * The model of a bare call stands here in plain code. The oracle first holds bare grpc-js against it, and then every way of
 * travelling together; so nothing need be kept, and a million calls need no more memory than a thousand.
 */
import { hash } from 'node:crypto';
import { CallCredentials, Metadata } from '@grpc/grpc-js';
import { seededRandom } from '../../src/random.ts';

/** `never`: the handler waits for its cancellation, the caller has a deadline. `given up`: the same, the caller cancels. */
export type Ending = 'ok' | 'empty' | 'error' | 'details' | 'throw' | 'reject' | 'never' | 'given up';

const ENDINGS: readonly Ending[] = ['ok', 'empty', 'error', 'details', 'throw', 'reject', 'never', 'given up'];
const CODES = [3, 5, 7, 9, 10, 16];

/** One call. */
export interface Plan {
  readonly index: number;
  readonly tenant: number;
  readonly method: 'say' | 'tell';
  readonly ending: Ending;
  readonly headers: boolean;
  readonly trailers: boolean;
  readonly request: Buffer;
  readonly metadata: Metadata;
  readonly credentials: CallCredentials | undefined;
}

/** What a request says of itself, for the handler. */
export interface Orders {
  readonly index: number;
  readonly tenant: number;
  readonly ending: Ending;
  readonly headers: boolean;
  readonly trailers: boolean;
  /** Turns of the event loop until the answer. */
  readonly turns: number;
}

/** What a caller must see. `undefined`: not to be compared, for even two bare calls differ there. */
export interface Expected {
  readonly code: number;
  readonly details: string | undefined;
  readonly response: Buffer | undefined;
  readonly headers: Flat | undefined | 'any';
  readonly trailers: Flat | undefined;
}

/** Metadata as text, `-bin` as hex. */
export type Flat = Readonly<Record<string, string>>;

const HEAD = 10;

export function ordersOf(request: Buffer): Orders {
  const flags = request.readUInt8(7);
  return {
    index: request.readUInt32BE(0),
    tenant: request.readUInt16BE(4),
    ending: ENDINGS[request.readUInt8(6)] ?? 'ok',
    headers: (flags & 1) !== 0,
    trailers: (flags & 2) !== 0,
    turns: request.readUInt8(8),
  };
}

/** Metadata and credentials of one tenant. Some are told apart by nothing but the key `tenant`. */
class Tenant {
  readonly name: string;
  readonly metadata = new Metadata();
  readonly credentials: CallCredentials | undefined;

  constructor(number: number) {
    this.name = `t${number}`;
    const own = number % 4 < 2 ? { tenant: this.name } : { tenant: this.name, authorization: `Bearer of ${this.name}` };
    if (!hasCredentials(number)) {
      for (const [key, value] of Object.entries(own)) this.metadata.set(key, value);
      return;
    }
    this.credentials = CallCredentials.createFromMetadataGenerator((_, callback) => {
      const metadata = new Metadata();
      for (const [key, value] of Object.entries(own)) metadata.set(key, value);
      callback(null, metadata);
    });
  }
}

/** The `authorization` that the server sees of a tenant. */
export function authorizationOf(tenant: number): string | undefined {
  return tenant % 4 < 2 ? undefined : `Bearer of t${tenant}`;
}

/** Whether a tenant has call credentials: they are made for each RPC, so its calls may not go through a tunnel. */
export function hasCredentials(tenant: number): boolean {
  return tenant % 4 === 3;
}

export class Workload {
  readonly #seed: number;
  readonly #tenants: Tenant[] = [];

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** @param tenants - Whose calls these may be, by number. */
  plan(index: number, tenants: readonly number[]): Plan {
    const random = seededRandom(this.#seed * 7_919 + index);
    const below = (limit: number): number => Math.floor(random() * limit);
    const tenant = tenants[below(tenants.length)] ?? 0;
    const dice = random();
    const ending: Ending = dice < 0.8 ? 'ok' : dice < 0.995 ? (ENDINGS[1 + below(5)] as Ending) : random() < 0.5 ? 'never' : 'given up';
    const headers = random() < 0.2;
    const trailers = random() < 0.2;
    const request = Buffer.allocUnsafe(HEAD + Math.floor(random() ** 12 * 20_000));
    request.writeUInt32BE(index, 0);
    request.writeUInt16BE(tenant, 4);
    request.writeUInt8(ENDINGS.indexOf(ending), 6);
    request.writeUInt8((headers ? 1 : 0) | (trailers ? 2 : 0), 7);
    request.writeUInt8(random() < 0.8 ? 0 : below(4), 8);
    request.fill(below(256), 9);
    const of = this.#tenant(tenant);
    const metadata = of.metadata.clone();
    metadata.set('x-request-id', `${index}`);
    if (random() < 0.2) metadata.set('baggage', `of=${index}`);
    if (random() < 0.05) metadata.set('x-blob-bin', Buffer.from([0, below(2), 255]));
    return {
      index,
      tenant,
      method: random() < 0.7 ? 'say' : 'tell',
      ending,
      headers,
      trailers,
      request,
      metadata,
      credentials: of.credentials,
    };
  }

  #tenant(number: number): Tenant {
    const known = this.#tenants[number];
    if (known !== undefined) return known;
    const made = new Tenant(number);
    this.#tenants[number] = made;
    return made;
  }
}

/** The answer of a handler that saw this: it says whose request it was, and of which bytes. */
export function answerOf(request: Buffer, path: string, seen: (key: string) => string): Buffer {
  const said = [path, seen('tenant'), seen('authorization'), seen('x-request-id'), seen('baggage'), seen('x-blob-bin')];
  return Buffer.concat([hash('md5', request, 'buffer'), Buffer.from(said.join('\n')), request.subarray(HEAD)]);
}

/** Headers and trailers that a handler sets, as they arrive. */
export const headersOf = (index: number): Flat => ({ 'x-head': `head of ${index}`, 'x-head-bin': index.toString(16).padStart(8, '0') });
export const trailersOf = (index: number): Flat => ({
  'grpc-status-details-bin': index.toString(16).padStart(8, '0'),
  'x-trail': `${index}, more`,
});
export const codeOf = (index: number): number => CODES[index % CODES.length] ?? 5;
export const detailsOf = (index: number): string => `100 % ü and € of ${index}`;

const NONE: Flat = {};

/** What the caller of this call sees, however it travelled. */
export function expectedOf(plan: Plan): Expected {
  const { index, ending, request, tenant, metadata, method } = plan;
  const headers = plan.headers ? headersOf(index) : undefined;
  const trailers = plan.trailers ? trailersOf(index) : NONE;
  switch (ending) {
    case 'never':
      return { code: 4, details: undefined, response: undefined, headers: 'any', trailers: undefined };
    case 'given up':
      return { code: 1, details: 'Cancelled on client', response: undefined, headers: 'any', trailers: undefined };
    case 'error':
      return { code: codeOf(index), details: `no ${index}`, response: undefined, headers, trailers };
    case 'details':
      return { code: codeOf(index), details: detailsOf(index), response: undefined, headers, trailers };
    case 'throw':
      return { code: 2, details: 'Unknown error', response: undefined, headers: undefined, trailers: NONE };
    case 'reject':
      return { code: 10, details: `of ${index}`, response: undefined, headers, trailers: NONE };
    default: {
      const seen = (key: string): string => {
        if (key === 'tenant') return `t${tenant}`;
        if (key === 'authorization') return authorizationOf(tenant) ?? '';
        const value = metadata.get(key)[0];
        return value === undefined ? '' : typeof value === 'string' ? value : value.toString('hex');
      };
      const path = method === 'say' ? '/loop.Oracle/Say' : '/loop.Oracle/Tell';
      const response = ending === 'empty' ? Buffer.alloc(0) : answerOf(request, path, seen);
      return { code: 0, details: 'OK', response, headers: headers ?? NONE, trailers };
    }
  }
}

/** Put there by HTTP/2 and gRPC. */
const OWN_KEYS: ReadonlySet<string> = new Set(['content-type', 'date', 'grpc-accept-encoding']);

/** Whether metadata is what was expected. */
export function sameMetadata(metadata: Metadata | undefined, expected: Flat | undefined): boolean {
  if (metadata === undefined || expected === undefined) return metadata === undefined && expected === undefined;
  let count = 0;
  for (const key of Object.keys(metadata.getMap())) {
    if (OWN_KEYS.has(key)) continue;
    count++;
    const values = metadata.get(key).map((value) => (typeof value === 'string' ? value : value.toString('hex')));
    if (values.length !== 1 || values[0] !== expected[key]) return false;
  }
  return count === Object.keys(expected).length;
}
