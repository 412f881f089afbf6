/**
 * One handler, reached once by a call of its own and once as an item of a batch; all that either side sees, ready for comparison.
 */
import type { ServerInterceptor, ServerOptions, ServerUnaryCall } from '@grpc/grpc-js';
import { type Metadata, ServerInterceptingCall } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Transport } from '../contract/transports.ts';
import {
  type Door,
  EchoClient,
  flat,
  type Handlers,
  type Message,
  metadataOf,
  type Outcome,
  type SayOptions,
  serve,
} from '../support/loopback.ts';

export type Form = 'direct' | `item, ${Door}`;
export const itemForms: readonly Form[] = ['item, channel', 'item, interceptors'];

/** What the server sees of each call, by its `x-request-id`. */
export class ServerLog {
  readonly #lanes = new Map<string, unknown[]>();

  of(id: string): unknown[] {
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      lane = [];
      this.#lanes.set(id, lane);
    }
    return lane;
  }
  lane(metadata: Metadata): unknown[] {
    return this.of(String(metadata.get('x-request-id')[0]));
  }

  /** Writes down what a handler can see of its call, and the news it gets. */
  watch(call: ServerUnaryCall<Message, Message>): void {
    const lane = this.lane(call.metadata);
    const auth = call.getAuthContext();
    lane.push({
      path: call.getPath(),
      host: call.getHost().replace(/:\d+$/, ''),
      peer: call.getPeer().replace(/:\d+$/, ''),
      deadline: inSeconds(call.getDeadline()),
      auth: [auth?.transportSecurityType, auth?.sslPeerCertificate?.subject?.CN],
      metadata: flat(call.metadata),
      text: call.request.text,
      cancelled: call.cancelled,
    });
    call.on('cancelled', () => lane.push(`handler: cancelled, ${call.cancelled}`));
  }

  /** An interceptor that writes down all that passes. */
  interceptor(name: string): ServerInterceptor {
    return ({ path, requestStream, responseStream }, call) => {
      let lane: unknown[] = [];
      const add = (...what: unknown[]): void => {
        lane.push([name, ...what]);
      };
      return new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              lane = this.lane(metadata);
              const peer = call.getPeer().replace(/:\d+$/, '');
              add('metadata', path, requestStream, responseStream, flat(metadata), peer, inSeconds(call.getDeadline()));
              add('connection', call.getConnectionInfo().localAddress, call.getHost().replace(/:\d+$/, ''));
              pass(metadata);
            },
            onReceiveMessage: (message, pass) => {
              add('message', message);
              pass(message);
            },
            onReceiveHalfClose: (pass) => {
              add('half close');
              pass();
            },
            onCancel: () => add('cancel'),
          }),
        sendMetadata: (metadata, pass) => {
          add('send metadata', flat(metadata));
          pass(metadata);
        },
        sendMessage: (message, pass) => {
          add('send message', message);
          pass(message);
        },
        sendStatus: (status, pass) => {
          add('send status', status.code, status.details, status.metadata ? flat(status.metadata) : null);
          pass(status);
        },
      });
    };
  }
}

function inSeconds(deadline: Date | number): string {
  return deadline === Number.POSITIVE_INFINITY ? 'none' : `${((Number(deadline) - Date.now()) / 1000).toFixed(0)} s`;
}

export interface Scene {
  readonly name: string;
  /** The request; default 'hello'. */
  readonly text?: string;
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
  /** Time until the deadline. */
  readonly timeoutMs?: number;
  readonly transport?: Transport;
  handler?(log: ServerLog): Handlers['say'];
  server?(log: ServerLog): ServerOptions;
  /** The details tell one form from the other, and may. */
  readonly looseDetails?: true;
  /** A call of its own has got empty headers before it failed; an item has none. */
  readonly looseHeaders?: true;
}

export interface Seen {
  readonly outcome: Outcome;
  readonly server: readonly unknown[];
}

const FILLER = 'filler';

/** Plays a scene in one form. An item has a companion in its batch, which must always be fine. */
export async function play(scene: Scene, form: Form): Promise<Seen> {
  const { text = 'hello', metadata = {}, timeoutMs, transport } = scene;
  const log = new ServerLog();
  const handler =
    scene.handler?.(log) ??
    ((call, callback) => {
      log.watch(call);
      callback(null, { text: `say ${call.request.text}` });
    });
  const say: Handlers['say'] = (call, callback) => {
    if (call.request.text === 'learn' || call.request.text === FILLER) {
      callback(null, { text: `say ${call.request.text}` });
      return;
    }
    return handler(call, callback);
  };
  const server = new MeshServer(scene.server?.(log) ?? {});
  await using running = await serve({
    server,
    handlers: { say },
    ...(transport === undefined ? {} : { credentials: transport.serverCredentials() }),
  });
  const options = (id: string): SayOptions => ({
    metadata: metadataOf({ ...metadata, 'x-request-id': id }),
    ...(timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs }),
  });
  const credentials = transport === undefined ? {} : { credentials: transport.clientCredentials() };
  let outcome: Outcome;
  if (form === 'direct') {
    using client = new EchoClient({ address: running.address, ...credentials });
    await client.learn();
    outcome = await client.say(text, options('subject'));
  } else {
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({
      address: running.address,
      mesh,
      door: form === 'item, channel' ? 'channel' : 'interceptors',
      ...credentials,
    });
    await client.learn();
    const [filler, subject] = await Promise.all([client.say(FILLER, options('filler')), client.say(text, options('subject'))]);
    expect(filler.code).toBe('OK');
    expect(filler.text).toContain(`say ${FILLER}`);
    expect(mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 2 });
    outcome = subject;
  }
  const lane = log.of('subject');
  // The last thing that a handler hears, and so the end of the lane.
  if (lane.some((line) => typeof line === 'object'))
    await expect.poll(() => lane.filter((line) => String(line).includes('cancel'))).not.toEqual([]);
  if (scene.looseDetails) outcome = { ...outcome, details: '', trailers: {} };
  if (scene.looseHeaders) outcome = { ...outcome, headers: undefined };
  return { outcome, server: [...lane] };
}
