/**
 * Carriers that come together, over the real wire: each begun in a turn of the event loop of its own, in its own context, and nothing lost.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ServerInterceptingCall } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { encodeFrame } from '../../src/batch/request-codec.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { type RunningServer, serve } from '../support/loopback.ts';
import { forms } from './pair.ts';
import { bytesOf, framed, itemOf, RawPeer } from './raw-carriers.ts';

const ITEMS = 64;
const FRAMES = 20;
const context = new AsyncLocalStorage<string>();

let running: RunningServer;
let peer: RawPeer;
let turn = 0;
/** The turn in which each text's handler ran. */
let ran: Map<string, number>;
let bled: string[];

beforeAll(async () => {
  const server = new MeshServer({
    mesh: createMesh(),
    interceptors: [
      (_method, call) => {
        if (context.getStore() !== undefined) bled.push('interceptor');
        return new ServerInterceptingCall(call, {
          start: (next) =>
            next({
              onReceiveMessage: (message, pass) => context.run((message as { text: string }).text, () => pass(message)),
            }),
        });
      },
    ],
  });
  running = await serve({
    server,
    handlers: {
      say: ({ request: { text } }, callback) => {
        if (context.getStore() !== undefined && context.getStore() !== text) bled.push(text);
        ran.set(text, turn);
        callback(null, { text: `say ${text}` });
      },
    },
  });
  peer = new RawPeer(running.address);
});
afterAll(() => {
  peer[Symbol.dispose]();
  running.kill();
});
beforeEach(() => {
  ran = new Map();
  bled = [];
  let over = false;
  const count = (): void => {
    turn++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  return () => {
    over = true;
  };
});

const texts = (frame: number): string[] => Array.from({ length: ITEMS }, (_, i) => `${frame}/${i}`);
const turnsOf = (frame: number): number[] => [...new Set(texts(frame).map((text) => ran.get(text) ?? Number.NaN))];

test.each(forms)('of the form %s: no two begin in one turn, and every item is answered', async (form) => {
  const all = Array.from({ length: FRAMES }, (_, frame) => texts(frame));
  const answers = await Promise.all(
    all.map((frame) =>
      peer.carrier(
        form,
        bytesOf(
          form,
          frame.map((text) => itemOf(text)),
        ),
      ),
    ),
  );
  for (const [frame, { status, results }] of answers.entries()) {
    expect(status.code).toBe(0);
    expect(results.map(({ response }) => String(response))).toEqual(texts(frame).map((text) => `say ${text}`));
    expect(turnsOf(frame)).toHaveLength(1);
  }
  const begun = all.map((_, frame) => turnsOf(frame)[0]);
  expect(new Set(begun).size).toBe(FRAMES);
  expect(bled).toEqual([]);
});

test('what follows on a tunnel waits for what came before it: more than may wait is read later, a cancellation finds its item', async () => {
  const tunnel = await peer.tunnel();
  for (let frame = 0; frame < FRAMES; frame++)
    tunnel.send(
      encodeFrame(
        texts(frame).map((text, i) => framed(frame * ITEMS + i + 1, text)),
        [],
      ),
    );
  const last = FRAMES * ITEMS;
  tunnel.send(encodeFrame([framed(last + 1, 'after')], [last]));
  tunnel.stream.end();
  const { status, results } = await tunnel.ended;
  expect(status.code).toBe(0);
  expect(results).toHaveLength(last + 1);
  const begun = Array.from({ length: FRAMES }, (_, frame) => turnsOf(frame));
  for (const turns of begun) expect(turns).toHaveLength(1);
  const order = begun.map(([first]) => first as number);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(ran.get('after')).toBeGreaterThanOrEqual(order.at(-1) as number);
  expect(bled).toEqual([]);
});

test('a tunnel whose last message has nothing but cancellations ends', async () => {
  const tunnel = await peer.tunnel();
  for (const frame of [0, 1])
    tunnel.send(
      encodeFrame(
        texts(frame).map((text, i) => framed(frame * ITEMS + i + 1, text)),
        [],
      ),
    );
  tunnel.send(encodeFrame([], [1]));
  tunnel.stream.end();
  expect((await tunnel.ended).status.code).toBe(0);
  expect(tunnel.results).toHaveLength(2 * ITEMS);
});
