/**
 * The built-in demo: three servers of a small shop on this machine, a client that is never quiet, and faults by a timetable.
 *
 * @packageDocumentation
 */
import {
  Client,
  credentials,
  Metadata,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Mesh } from '../mesh.ts';
import { MeshServer } from '../mesh-server.ts';
import type { Policy } from '../policy/policy.gen.ts';
import type { Random } from '../random.ts';

const SERVICE = 'demo.v1.Shop';
const asIs = (bytes: Buffer): Buffer => bytes;
const REPLICAS = 3;
/** One round of the timetable; in its second half replica 1 is slow, near its end replica 2 fails. */
const ROUND_MS = 30_000;

/** How long a method takes, how often it fails by itself, how many calls of it there are in a second. */
interface Habit {
  readonly ms: number;
  readonly fails: number;
  readonly perSecond: number;
}

const METHODS: Readonly<Record<string, Habit>> = {
  GetItem: { ms: 4, fails: 0.002, perSecond: 120 },
  ListOffers: { ms: 18, fails: 0.005, perSecond: 30 },
  PlaceOrder: { ms: 30, fails: 0.02, perSecond: 8 },
};

/** What the demo's mesh is told. */
export const DEMO_POLICY: Policy = {
  defaults: { timeout: '2s' },
  methods: {
    [`${SERVICE}/GetItem`]: { idempotent: true, hedgingPolicy: { maxAttempts: 2 }, coalesce: 'auto' },
    [`${SERVICE}/ListOffers`]: { idempotent: true, retryPolicy: { maxAttempts: 3 } },
    [`${SERVICE}/PlaceOrder`]: { breaker: { failureRatio: 0.5 }, bulkhead: { slots: 20, queue: 20 } },
  },
};

const definition: ServiceDefinition = Object.fromEntries(
  Object.keys(METHODS).map((name) => [
    name,
    {
      path: `/${SERVICE}/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  ]),
);

type Call = ServerUnaryCall<Buffer, Buffer>;

/** What is wrong with one replica. */
interface Health {
  slow: number;
  fails: boolean;
}

/** Starts servers, client and timetable. The function that it gives ends all of them. */
export async function startDemo(mesh: Mesh, clock: Clock, random: Random): Promise<{ readonly target: string; stop(): void }> {
  const health: Health[] = Array.from({ length: REPLICAS }, () => ({ slow: 1, fails: false }));
  const servers: MeshServer[] = [];
  const ports: number[] = [];
  for (const own of health) {
    const server = new MeshServer({ mesh });
    server.addService(
      definition,
      Object.fromEntries(Object.entries(METHODS).map(([name, habit]) => [name, handler(habit, own, clock, random)])),
    );
    ports.push(await listen(server));
    servers.push(server);
  }
  const target = `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(',')}`;
  const client = new Client(target, credentials.createInsecure(), mesh.client());
  let isOver = false;
  const every = (ms: () => number, act: () => void): void => {
    clock.setTimer(() => {
      if (isOver) return;
      act();
      every(ms, act);
    }, ms());
  };
  for (const [name, { perSecond }] of Object.entries(METHODS)) {
    const path = `/${SERVICE}/${name}`;
    // Bursts of a few, as a page makes them: something to coalesce.
    const burst = perSecond >= 100 ? 6 : 1;
    const send = (): void => {
      for (let i = 0; i < burst; i++) client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), () => {});
    };
    every(() => (-Math.log(1 - random()) * 1000 * burst) / perSecond, send);
  }
  const startedMs = clock.nowMs();
  every(
    () => 250,
    () => {
      const at = (clock.nowMs() - startedMs) % ROUND_MS;
      const [first, second] = health;
      if (first !== undefined) first.slow = at > ROUND_MS / 2 && at < ROUND_MS * 0.8 ? 20 : 1;
      if (second !== undefined) second.fails = at > ROUND_MS * 0.85;
    },
  );
  return {
    target,
    stop() {
      isOver = true;
      client.close();
      for (const server of servers) server.forceShutdown();
    },
  };
}

function handler({ ms, fails }: Habit, health: Health, clock: Clock, random: Random) {
  return (_call: Call, callback: sendUnaryData<Buffer>): void => {
    clock.setTimer(
      () => {
        if (health.fails || random() < fails)
          callback({ code: Code.UNAVAILABLE, details: 'the demo fails now and then', metadata: new Metadata() });
        else callback(null, Buffer.alloc(0));
      },
      ms * health.slow * (0.5 - Math.log(1 - random()) / 2),
    );
  };
}

function listen(server: MeshServer): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}
