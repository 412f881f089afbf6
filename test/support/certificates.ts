/**
 * Certificates for tests, made anew in each run, so that no private key lies in the repository and none expires.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate and its private key, both as PEM. */
export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** What a TLS or mTLS test needs: one authority, a server for `localhost` and 127.0.0.1, a client. */
export interface Certificates {
  readonly ca: Buffer;
  readonly server: KeyPair;
  readonly client: KeyPair;
  /** One more certificate of the same authority, with these names and no others. */
  issue(commonName: string, names: AltNames): KeyPair;
}

/** Names in a certificate besides its subject. */
export interface AltNames {
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
}

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const UTF8_STRING = 0x0c;
const BOOLEAN = 0x01;
const GENERALIZED_TIME = 0x18;

const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length = body.length;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}

const oid = (hex: string): Buffer => der(OBJECT_ID, Buffer.from(hex, 'hex'));
const algorithm = (): Buffer => der(SEQUENCE, oid(ECDSA_WITH_SHA256));
const time = (text: string): Buffer => der(GENERALIZED_TIME, Buffer.from(text));
const name = (commonName: string): Buffer =>
  der(SEQUENCE, der(SET, der(SEQUENCE, oid(COMMON_NAME), der(UTF8_STRING, Buffer.from(commonName)))));
const extension = (id: string, value: Buffer): Buffer => der(SEQUENCE, oid(id), der(OCTET_STRING, value));

interface Request {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signWith: KeyObject;
  readonly authority: boolean;
  /** Default: localhost and 127.0.0.1. */
  readonly names?: AltNames;
}

function altNames(names: AltNames | undefined): Buffer[] {
  const { uris = [], dns = [] } = names ?? { dns: ['localhost'] };
  const all = [
    ...dns.map((one) => der(0x82, Buffer.from(one))),
    ...uris.map((one) => der(0x86, Buffer.from(one))),
    ...(names === undefined ? [der(0x87, Buffer.from([127, 0, 0, 1]))] : []),
  ];
  return all.length === 0 ? [] : [extension(SUBJECT_ALT_NAME, der(SEQUENCE, ...all))];
}

function certificate(request: Request): Buffer {
  const extensions = [
    extension(BASIC_CONSTRAINTS, request.authority ? der(SEQUENCE, der(BOOLEAN, Buffer.from([0xff]))) : der(SEQUENCE)),
    ...altNames(request.names),
  ];
  const toBeSigned = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))), // X.509 v3
    der(INTEGER, Buffer.concat([Buffer.from([0x01]), randomBytes(15)])),
    algorithm(),
    name(request.issuer),
    der(SEQUENCE, time('20200101000000Z'), time('21200101000000Z')),
    name(request.subject),
    request.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, ...extensions)),
  );
  const signature = sign('sha256', toBeSigned, request.signWith);
  const signed = der(SEQUENCE, toBeSigned, algorithm(), der(BIT_STRING, Buffer.from([0]), signature));
  const lines = signed.toString('base64').match(/.{1,64}/g) ?? [];
  return Buffer.from(`-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`);
}

/** Makes a fresh set. */
export function makeCertificates(): Certificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const ca = certificate({
    subject: 'inmesh test authority',
    issuer: 'inmesh test authority',
    publicKey: authority.publicKey,
    signWith: authority.privateKey,
    authority: true,
  });
  const leaf = (subject: string, names?: AltNames): KeyPair => {
    const own = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const cert = certificate({
      subject,
      issuer: 'inmesh test authority',
      publicKey: own.publicKey,
      signWith: authority.privateKey,
      authority: false,
      ...(names === undefined ? {} : { names }),
    });
    return { cert, key: Buffer.from(own.privateKey.export({ type: 'pkcs8', format: 'pem' })) };
  };
  return { ca, server: leaf('inmesh test server'), client: leaf('inmesh test client'), issue: leaf };
}
