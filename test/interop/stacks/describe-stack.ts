/** What every stack on top of grpc-js must show: its calls go through the mesh, alone and in batches. */
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMesh, type Mesh } from '../../../src/index.ts';
import { REFUSED, type RunningEcho, startEcho } from './echo-server.ts';

/** Folder of the protos, for stacks that load them when they run. */
export const PROTO_ROOT: string = fileURLToPath(new URL('./proto', import.meta.url));
/** The service's proto in it. */
export const PROTO_FILE = 'echo/v1/echo.proto';

/** A client made in the way of one stack. */
export interface EchoClient {
  /** The unary method; rejects with the stack's own error, which carries `code`. */
  say(text: string): Promise<string>;
  /** The server stream, read to its end. */
  count(to: number): Promise<readonly number[]>;
  close(): void | Promise<void>;
}

const CALLERS = 24;

/** What is not as usual in one stack. */
export interface StackOptions {
  /** Starts another server than the plain one. */
  readonly start?: () => Promise<RunningEcho>;
  /** False where the server half can't take batches: then each call must find its plain way. Default true. */
  readonly batches?: boolean;
}

/** Declares the tests of one stack. */
export function describeStack(
  name: string,
  connect: (address: string, mesh: Mesh) => EchoClient | Promise<EchoClient>,
  { start = () => startEcho(), batches = true }: StackOptions = {},
): void {
  describe(name, () => {
    let server: RunningEcho;
    let mesh: Mesh;
    let client: EchoClient;

    beforeAll(async () => {
      server = await start();
      mesh = createMesh({ coalesce: 'auto' });
      client = await connect(server.address, mesh);
    });
    afterAll(async () => {
      await client.close();
      await mesh.close();
      await server.close();
    });

    test('a unary call goes through the mesh', async () => {
      const before = mesh.stats().client.calls;
      expect(await client.say('hello')).toBe('hello');
      expect(mesh.stats().client.calls - before).toBe(1);
    });

    test('a server stream goes through the mesh', async () => {
      const before = mesh.stats().client.calls;
      expect(await client.count(3)).toEqual([1, 2, 3]);
      expect(mesh.stats().client.calls - before).toBe(1);
    });

    test('an error of the handler arrives as the stack shows errors', async () => {
      await expect(client.say(REFUSED)).rejects.toMatchObject({ code: grpc.status.FAILED_PRECONDITION, details: 'refused as asked' });
    });

    const title = batches ? 'share batches, and each gets its own answer' : 'each get their own answer, without batches';
    test(`${CALLERS} callers at once ${title}`, async () => {
      await client.say('the first answer tells whether this server takes batches');
      const before = { carriers: mesh.stats().coalesce.carriers, served: server.mesh.stats().server.calls };
      const texts = Array.from({ length: CALLERS }, (_, index) => `caller ${index}`);
      expect(await Promise.all(texts.map((text) => client.say(text)))).toEqual(texts);
      expect(mesh.stats().coalesce.carriers > before.carriers).toBe(batches);
      // The server half sees every call, whatever carried it.
      expect(server.mesh.stats().server.calls - before.served).toBe(CALLERS);
    });
  });
}
