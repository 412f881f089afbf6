// Act 3: the mesh on the client. RecordView is keyed by its page, so every method of the service may be repeated.
import { credentials } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { Atlas, type AtlasClient } from './atlas.ts';

export const mesh = createMesh({
  services: { 'atlas.v1.Atlas': { idempotent: true } },
});

export function connect(target: string): AtlasClient {
  return new Atlas(target, credentials.createInsecure(), mesh.client());
}
