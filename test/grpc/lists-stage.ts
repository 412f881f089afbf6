/**
 * An interceptor that refuses one path, and a client that asks for its verdict in every way.
 */
import { ServerCredentials, ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { EchoClient, type Outcome } from '../support/loopback.ts';

export const insecure = (): ServerCredentials => ServerCredentials.createInsecure();

/** Refuses one path, and writes down all it sees. */
export function deny(path: string, seen: string[] = []): ServerInterceptor {
  return (definition, call) => {
    seen.push(definition.path);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            if (definition.path === path) call.sendStatus({ code: status.PERMISSION_DENIED, details: 'denied', metadata: null });
            else pass(metadata);
          },
        }),
    });
  };
}
export const DENIED = '/loop.Echo/Tell';

/** A mesh that keeps what it says. */
export function listening(policy: Policy = {}): { mesh: Mesh; said: string[] } {
  const said: string[] = [];
  return { mesh: createMesh(policy, { warn: (line) => said.push(line) }), said };
}

export interface Asked {
  /** Of calls of their own. */
  readonly direct: Outcome[];
  /** Of calls made together by a client that would coalesce them. */
  readonly together: Outcome[];
  readonly carriers: number;
  readonly items: number;
  readonly turnedAway: number;
}

/** Asks both methods, alone and together. */
export async function ask(address: string): Promise<Asked> {
  using bare = new EchoClient({ address });
  const mesh = createMesh({ coalesce: 'auto' });
  using client = new EchoClient({ address, mesh });
  await client.learn();
  const direct = await Promise.all([bare.say('a'), bare.say('b', { method: 'tell' })]);
  const together = await Promise.all(
    ['a', 'a2', 'b', 'b2'].map((text) => client.say(text, { method: text.startsWith('b') ? 'tell' : 'say' })),
  );
  const { carriers, items, turnedAway } = mesh.stats().coalesce;
  return { direct, together, carriers, items, turnedAway };
}

/** The verdict on `tell`, however it came; `say` is always fine. */
export function verdicts({ direct, together }: Asked): string[] {
  const [say, tell] = direct;
  const [say1, say2, tell1, tell2] = together;
  expect([say?.text, say1?.text, say2?.text]).toEqual(['say a', 'say a', 'say a2']);
  return [tell, tell1, tell2].map((outcome) => `${outcome?.code}: ${outcome?.details}`);
}

export const DENIALS = Array.from({ length: 3 }, () => 'PERMISSION_DENIED: denied');
export const PASSES = Array.from({ length: 3 }, () => 'OK: OK');
