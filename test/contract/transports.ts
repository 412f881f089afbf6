/**
 * The transports of the contract.
 */
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import { type Certificates, makeCertificates } from '../support/certificates.ts';

export type TransportName = 'plaintext' | 'TLS' | 'mTLS';

/** Both ends' credentials for one transport. */
export interface Transport {
  readonly name: TransportName;
  serverCredentials(): ServerCredentials;
  clientCredentials(): ChannelCredentials;
}

let made: Certificates | undefined;
function certificates(): Certificates {
  made ??= makeCertificates();
  return made;
}

const pair = (which: 'server' | 'client'): { private_key: Buffer; cert_chain: Buffer } => {
  const { key, cert } = certificates()[which];
  return { private_key: key, cert_chain: cert };
};

export const transports: readonly Transport[] = [
  {
    name: 'plaintext',
    serverCredentials: () => ServerCredentials.createInsecure(),
    clientCredentials: () => ChannelCredentials.createInsecure(),
  },
  {
    name: 'TLS',
    serverCredentials: () => ServerCredentials.createSsl(null, [pair('server')]),
    clientCredentials: () => ChannelCredentials.createSsl(certificates().ca),
  },
  {
    name: 'mTLS',
    serverCredentials: () => ServerCredentials.createSsl(certificates().ca, [pair('server')], true),
    clientCredentials: () => ChannelCredentials.createSsl(certificates().ca, pair('client').private_key, pair('client').cert_chain),
  },
];
