/**
 * Deadlines and wait-for-ready.
 */
import { type CallOptions, Metadata } from '@grpc/grpc-js';
import type { Rig, Scenario } from '../rig.ts';
import { type Handlers, note } from '../service.ts';

const none = (): Metadata => new Metadata();

/** Long enough for a call to reach its handler on a busy machine, short enough for a test. */
const SHORT_MS = 150;

function silent(rig: Rig): Partial<Handlers> {
  return {
    unary: (call) => rig.watchServer(call, 'server unary'),
    clientStream: (call) => rig.watchServer(call, 'server clientStream'),
    serverStream: (call) => rig.watchServer(call, 'server serverStream'),
    bidi: (call) => rig.watchServer(call, 'server bidi'),
  };
}

async function callAll(rig: Rig, options: () => CallOptions): Promise<void> {
  const { client } = rig;
  await rig.warm();
  const up = client.clientStream(none(), options(), rig.callback('clientStream'));
  await Promise.all([
    rig.watch(client.unary(note('x'), none(), options(), rig.callback('unary')), 'unary'),
    rig.watch(up, 'clientStream'),
    rig.watch(client.serverStream(note('x'), none(), options()), 'serverStream'),
    rig.watch(client.bidi(none(), options()), 'bidi'),
  ]);
}

/** Reconnects soon, so that a scenario with a late server is a short one. */
const soon = { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 50 };

export const deadlines: readonly Scenario[] = [
  {
    name: 'a deadline passes while the server is silent',
    handlers: silent,
    run: (rig) => callAll(rig, () => ({ deadline: Date.now() + SHORT_MS })),
  },
  {
    name: 'a deadline given as a Date',
    transports: ['plaintext'],
    handlers: silent,
    run: (rig) => callAll(rig, () => ({ deadline: new Date(Date.now() + SHORT_MS) })),
  },
  {
    name: 'a deadline in the past',
    transports: ['plaintext'],
    handlers: silent,
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('x'), none(), { deadline: Date.now() - 1_000 }, rig.callback()));
    },
  },
  {
    name: 'a deadline in the past, before there is a connection',
    transports: ['plaintext'],
    run: async (rig) => {
      await rig.watch(rig.client.unary(note('x'), none(), { deadline: Date.now() - 1_000 }, rig.callback()));
    },
  },
  {
    name: 'a deadline that is kept',
    handlers: (rig) => ({
      unary: (call, callback) => {
        rig.watchServer(call);
        callback(null, note('in time'));
      },
    }),
    run: async (rig) => {
      await rig.watch(rig.client.unary(note('x'), none(), { deadline: Date.now() + 5_000 }, rig.callback('near')), 'near');
      await rig.watch(rig.client.unary(note('x'), none(), { deadline: Number.POSITIVE_INFINITY }, rig.callback('infinite')), 'infinite');
      await rig.watch(rig.client.unary(note('x'), none(), { deadline: Date.now() + 2 ** 40 }, rig.callback('far')), 'far');
    },
  },
  {
    name: 'the server is told how much time is left',
    transports: ['plaintext'],
    handlers: (rig) => ({
      unary: (call, callback) => {
        const leftMs = Number(call.getDeadline()) - Date.now();
        rig.log.add('server', 'has', leftMs > 3_000 && leftMs <= 5_000 ? '3 to 5 seconds' : 'another time');
        callback(null, note('ok'));
      },
    }),
    run: async (rig) => {
      await rig.warm();
      await rig.watch(rig.client.unary(note('x'), none(), { deadline: Date.now() + 5_000 }, rig.callback()));
    },
  },
  {
    name: 'wait-for-ready waits for a server that starts late',
    transports: ['plaintext'],
    serve: false,
    clientOptions: soon,
    run: async (rig) => {
      const port = await freePort(rig);
      rig.address = `localhost:${port}`;
      const metadata = new Metadata({ waitForReady: true });
      const waiting = rig.watch(rig.client.unary(note('x'), metadata, { deadline: Date.now() + 5_000 }, rig.callback('waits')), 'waits');
      await rig.watch(rig.client.unary(note('x'), none(), {}, rig.callback('does not wait')), 'does not wait');
      await rig.serve({}, port);
      await waiting;
    },
  },
  {
    name: 'wait-for-ready ends with its deadline',
    transports: ['plaintext'],
    serve: false,
    clientOptions: soon,
    run: async (rig) => {
      rig.address = 'localhost:1';
      const call = rig.client.unary(note('x'), new Metadata({ waitForReady: true }), { deadline: Date.now() + SHORT_MS }, rig.callback());
      await rig.watch(call);
    },
  },
];

/** A port that was free a moment ago. */
async function freePort(rig: Rig): Promise<number> {
  const address = await rig.serve();
  rig.killServers();
  return Number(address.split(':')[1]);
}
