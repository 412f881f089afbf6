// Act 1: grpc-js as it comes.
import { credentials } from '@grpc/grpc-js';
import { Atlas, type AtlasClient } from './atlas.ts';

export function connect(target: string): AtlasClient {
  return new Atlas(target, credentials.createInsecure());
}
