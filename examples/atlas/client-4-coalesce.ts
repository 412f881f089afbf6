// Act 4: the mesh on the client, with coalescing.
import { credentials } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { Atlas, type AtlasClient } from './atlas.ts';

export const mesh = createMesh({
  services: { 'atlas.v1.Atlas': { idempotent: true } },
  coalesce: 'auto',
});

export function connect(target: string): AtlasClient {
  return new Atlas(target, credentials.createInsecure(), mesh.client());
}
