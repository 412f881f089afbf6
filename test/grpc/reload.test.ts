import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { ConfigError, UsageError } from '../../src/errors.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { BAD } from '../src/policy/bad-documents.ts';
import { clientDoors, EchoClient, Gate, type Handlers, serve } from '../support/loopback.ts';

const SAY = 'loop.Echo/Say';
/** Never answers. */
const silent: Partial<Handlers> = { say: () => {} };
/** Fails, and counts. */
function failing(): { readonly handlers: Partial<Handlers>; calls: number } {
  const state = {
    calls: 0,
    handlers: {
      say: (_call, callback) => {
        state.calls++;
        callback({ code: status.UNAVAILABLE, details: 'down' });
      },
    } satisfies Partial<Handlers>,
  };
  return state;
}
const attempts = (maxAttempts: number, initialBackoff: `${number}s` = '0.001s'): Policy => ({
  methods: { [SAY]: { idempotent: true, retryPolicy: { maxAttempts, initialBackoff, maxBackoff: initialBackoff } } },
});

describe.for(clientDoors)('mesh.reload() behind %s', (door) => {
  test('calls of a client that is there already see the new policy', async () => {
    await using running = await serve({ handlers: silent });
    const mesh = createMesh({});
    using client = new EchoClient({ address: running.address, mesh, door });
    const before = client.say('no deadline');
    const result = mesh.reload({ methods: { [SAY]: { timeout: '0.05s' } } });
    expect(result.changed).toEqual([`policy.methods["${SAY}"].timeout`]);
    expect((await client.say('late')).code).toBe('DEADLINE_EXCEEDED');
    expect(mesh.explain(SAY).values.find(({ field }) => field === 'timeout')).toMatchObject({ value: '0.05s', origin: 'methods' });
    await mesh.close(0);
    expect((await before).trailers['inmesh-reason']).toEqual(['client.mesh/closed']); // it had no deadline, to its end
  });

  test('F4 a call keeps the policy that it began with: its attempts are those of its version', async () => {
    const rig = failing();
    await using running = await serve({ handlers: rig.handlers });
    const mesh = createMesh(attempts(4, '0.1s'));
    using client = new EchoClient({ address: running.address, mesh, door });
    const old = client.say('old');
    await expect.poll(() => rig.calls).toBe(1);
    mesh.reload(attempts(2, '0.001s'));
    expect((await client.say('new')).code).toBe('UNAVAILABLE');
    expect(rig.calls).toBeLessThanOrEqual(1 + 2 + 1);
    await old;
    expect(rig.calls).toBe(4 + 2);
    await mesh.close();
  });

  test('F4 a stage that is new, and one that has gone, hold for calls from then on', async () => {
    const held = new Gate();
    await using running = await serve({ handlers: { say: (call, callback) => void held.opened.then(() => callback(null, call.request)) } });
    const mesh = createMesh({});
    using client = new EchoClient({ address: running.address, mesh, door });
    const out = client.say('out');
    await expect.poll(() => mesh.stats().client.active).toBe(1);
    mesh.reload({ faults: [{ abort: 'ABORTED' }] });
    expect((await client.say('hit')).code).toBe('ABORTED');
    mesh.reload({});
    held.open();
    expect((await client.say('passes')).code).toBe('OK');
    expect((await out).code).toBe('OK');
    await mesh.close();
  });

  test('rules of a client with a service config of its own stand on the new policy', async () => {
    const rig = failing();
    await using running = await serve({ handlers: rig.handlers });
    const config = {
      methodConfig: [
        {
          name: [{ service: 'loop.Echo' }],
          retryPolicy: {
            maxAttempts: 3,
            initialBackoff: '0.001s',
            maxBackoff: '0.001s',
            backoffMultiplier: 1,
            retryableStatusCodes: ['UNAVAILABLE'],
          },
        },
      ],
    };
    const mesh = createMesh({ defaults: { idempotent: true } });
    using client = new EchoClient({ address: running.address, mesh, door, options: { 'grpc.service_config': JSON.stringify(config) } });
    await client.say('three');
    expect(rig.calls).toBe(3);
    mesh.reload({ ...attempts(1) });
    await client.say('one');
    expect(rig.calls).toBe(4);
    mesh.reload({ methods: { [SAY]: { idempotent: true } } });
    await client.say('three again');
    expect(rig.calls).toBe(7);
    await mesh.close();
  });
});

describe('mesh.reload()', () => {
  test('an equal document is no reload: nothing changes, nothing is told', () => {
    const mesh = createMesh({ methods: { [SAY]: { timeout: '1s', idempotent: true } } });
    const before = mesh.stats().policy;
    const { policy } = mesh;
    expect(mesh.reload({ methods: { [SAY]: { idempotent: true, timeout: '1s' } } })).toEqual({
      changed: [],
      pending: [],
      hash: before.hash,
    });
    expect(mesh.stats().policy).toEqual(before);
    expect(mesh.policy).toBe(policy);
    expect(mesh.observer.events.last(10)).toEqual([]);
  });

  test('says which fields differ, with a hash that tells versions apart, and since when it is in force', () => {
    const mesh = createMesh({ methods: { [SAY]: { timeout: '1s' } }, deadline: { hopMargin: '0.1s' } });
    const before = mesh.overview().policy;
    const result = mesh.reload({ methods: { [SAY]: { timeout: '2s' } }, retryBudget: { ratio: 0.5 } });
    expect(result.changed).toEqual([`policy.methods["${SAY}"].timeout`, 'policy.retryBudget.ratio', 'policy.deadline.hopMargin']);
    const { policy } = mesh.overview();
    expect(policy).toMatchObject({ hash: result.hash, reloads: 1, rejected: 0, pending: [] });
    expect(policy.hash).not.toBe(before.hash);
    expect(policy.sinceMs).toBeGreaterThanOrEqual(before.sinceMs);
    expect(mesh.observer.events.last(1)).toMatchObject([{ kind: 'policy.reloaded', subject: 'mesh', level: 'info' }]);
    expect(mesh.reload({ deadline: { hopMargin: '0.1s' }, methods: { [SAY]: { timeout: '1s' } } }).hash).toBe(before.hash);
  });

  test('F3 what can not change before a restart stays as it was, and is said', async () => {
    const lines: string[] = [];
    const mesh = createMesh({}, { warn: (line) => lines.push(line) });
    const document: Policy = {
      balance: { policy: 'off', decay: '5s' },
      telemetry: { traces: false, accessLog: 'off' },
      endpoints: { refresh: '9s', hold: '10s' },
      defaults: { timeout: '1s' },
    };
    const result = mesh.reload(document);
    expect(result.pending).toEqual(['policy.telemetry.traces', 'policy.balance.policy', 'policy.endpoints.refresh']);
    expect(result.changed).toEqual([
      'policy.defaults.timeout',
      'policy.balance.decay',
      'policy.telemetry.accessLog',
      'policy.endpoints.hold',
    ]);
    const value = (field: string): unknown => mesh.explain(SAY).values.find((row) => row.field === field)?.value;
    expect(value('balance.policy')).toBe('peak_ewma');
    expect(value('balance.decay')).toBe('5s');
    expect(value('telemetry.traces')).toBe(true);
    expect(value('endpoints.refresh')).toBe('1.5s');
    expect(value('timeout')).toBe('1s');
    expect(mesh.stats().policy.pending).toEqual(result.pending);
    expect(mesh.observer.events.last(1)).toMatchObject([{ kind: 'policy.pending', level: 'warn' }]);
    // The same document again changes nothing, and is not told of again.
    const { seq } = mesh.observer.events;
    expect(mesh.reload(document)).toEqual({ ...result, changed: [] });
    expect(mesh.observer.events.seq).toBe(seq);
    expect(mesh.reload({ defaults: { timeout: '1s' } }).pending).toEqual([]);
    expect(mesh.stats().policy.pending).toEqual([]);
    await mesh.close();
  });

  test.each(BAD)('F2 refuses %s, and nothing changes', async (_what, document, message) => {
    const mesh = createMesh({ methods: { [SAY]: { timeout: '1s' } } });
    const before = mesh.stats().policy;
    const fault = (): unknown => {
      try {
        return mesh.reload(document as Policy);
      } catch (error) {
        return error;
      }
    };
    expect(fault()).toBeInstanceOf(ConfigError);
    expect(fault()).toMatchObject({ message });
    expect(mesh.policy).toEqual({ methods: { [SAY]: { timeout: '1s' } } });
    expect(mesh.stats().policy).toEqual({ ...before, rejected: 2 });
    expect(mesh.observer.events.last(1)).toMatchObject([{ kind: 'policy.rejected', level: 'warn', times: 2 }]);
    await mesh.close();
  });

  test('F1 a document that does not fit the program is refused as a whole: not one field of it is in force', async () => {
    await using running = await serve({ handlers: silent });
    const mesh = createMesh({ defaults: { timeout: '0.05s' } });
    using client = new EchoClient({ address: running.address, mesh });
    for (const document of [
      {
        defaults: { timeout: '9s' },
        methods: { [SAY]: { batch: { via: 'loop.Echo/SayAll', itemsField: 'a', result: { itemsField: 'b' } } } },
      },
      { defaults: { timeout: '9s' }, methods: { [SAY]: { fallback: {} } } },
      { defaults: { timeout: '9s' }, methods: { [SAY]: { cache: { ttl: '1s' } } } },
      { defaults: { timeout: '9s' }, clusters: { c: { target: 'x' } }, mirrors: [{ cluster: 'c', compare: true }] },
      { defaults: { timeout: '9s' }, server: { authorization: { file: '/no/such/file' } } },
      { defaults: { timeout: '9s' }, coalesce: { flush: 'tick', linger: '0.001s' } },
    ] as Policy[]) {
      expect(() => mesh.reload(document), JSON.stringify(document)).toThrow(ConfigError);
      expect((await client.say('late')).code).toBe('DEADLINE_EXCEEDED');
    }
    expect(mesh.stats().policy).toMatchObject({ reloads: 0, rejected: 6 });
    await mesh.close(0);
  });

  test('a closed mesh takes none; one that drains does', async () => {
    const mesh = createMesh({});
    mesh.drain();
    expect(mesh.reload({ defaults: { timeout: '1s' } }).changed).toEqual(['policy.defaults.timeout']);
    await mesh.close();
    expect(() => mesh.reload({})).toThrow(UsageError);
  });

  test('F3 server rules hold for calls that begin then, on servers that run already', async () => {
    const serverMesh = createMesh({});
    const held = new Gate();
    await using running = await serve({
      server: new MeshServer({ mesh: serverMesh }),
      handlers: {
        say: (call, callback) =>
          void (call.request.text === 'held' ? held.opened : Promise.resolve()).then(() => callback(null, call.request)),
      },
    });
    using client = new EchoClient({ address: running.address });
    const out = client.say('held');
    await expect.poll(() => serverMesh.stats().server.active).toBe(1);
    serverMesh.reload({ server: { bulkhead: { slots: 1 } } });
    const other = client.say('held'); // takes the slot: the one before holds none
    await expect.poll(() => serverMesh.stats().server.active).toBe(2);
    expect((await client.say('refused')).trailers['inmesh-reason']).toEqual(['server.bulkhead/queue-full']);
    serverMesh.reload({ server: { defaultTimeout: '0.05s' } });
    expect((await client.say('held')).code).toBe('DEADLINE_EXCEEDED');
    held.open();
    expect((await out).code).toBe('OK');
    expect((await other).code).toBe('OK');
    serverMesh.reload({});
    expect((await client.say('fine')).code).toBe('OK');
    await serverMesh.close();
  });

  test('F3 a guard can be added to servers of the mesh; where one of them could not have it, the reload is refused', async () => {
    const { mkdtemp, writeFile } = await import('node:fs/promises');
    const { tmpdir } = await import('node:os');
    const { join } = await import('node:path');
    const file = join(await mkdtemp(join(tmpdir(), 'inmesh-')), 'authorization.json');
    await writeFile(file, JSON.stringify({ name: 'only tell', allow_rules: [{ name: 'tell', request: { paths: ['/loop.Echo/Tell'] } }] }));
    const guarded: Policy = { server: { authorization: { file } } };
    const serverMesh = createMesh({});
    await using running = await serve({ server: new MeshServer({ mesh: serverMesh }) });
    using client = new EchoClient({ address: running.address });
    expect((await client.say('open')).code).toBe('OK');
    serverMesh.reload(guarded);
    expect((await client.say('closed')).code).toBe('PERMISSION_DENIED');
    expect((await client.say('open', { method: 'tell' })).code).toBe('OK');
    expect(serverMesh.stats().server.authorization).toMatchObject({ allowed: 1, denied: 1 });
    serverMesh.reload({ ...guarded, defaults: { timeout: '1s' } });
    expect(serverMesh.stats().server.authorization).toMatchObject({ allowed: 1, denied: 1 }); // the same guard
    serverMesh.reload({});
    expect((await client.say('open again')).code).toBe('OK');
    await using elsewhere = await serve();
    const other = createMesh({});
    other.attach(elsewhere.server, { interceptors: [], credentialInterceptors: [] });
    expect(() => other.reload(guarded)).toThrow(/would not be in force on a server made elsewhere/);
    expect(other.stats().server.authorization).toBeUndefined();
    await Promise.all([serverMesh.close(), other.close()]);
  });

  test('telemetry of single calls changes at once: the access log', async () => {
    const lines: string[] = [];
    await using running = await serve();
    const mesh = createMesh({}, { log: (line) => lines.push(line) });
    using client = new EchoClient({ address: running.address, mesh });
    await client.say('unseen');
    mesh.reload({ telemetry: { accessLog: 'all', tapMetadata: ['x-shown'] } });
    const metadata = new Metadata();
    metadata.set('x-shown', 'yes');
    await client.say('seen', { metadata });
    expect(lines.map((line) => JSON.parse(line).metadata)).toEqual([{ 'x-shown': ['yes'] }]);
    await mesh.close();
  });
});

describe('what a mesh says, over reloads', () => {
  test('is said once, however often the policy changes', async () => {
    const lines: string[] = [];
    await using running = await serve({ handlers: { say: (_call, callback) => callback({ code: status.UNAVAILABLE }) } });
    const mesh = createMesh({ coalesce: 'auto' }, { warn: (line) => lines.push(line) });
    using client = new EchoClient({ address: running.address, mesh, door: 'interceptors', options: { interceptors: [] } });
    for (let i = 1; i <= 5; i++) {
      mesh.reload({ coalesce: { mode: 'auto', maxItems: 10 + i }, retryBudget: { minPerSecond: i } });
      await client.say('fails');
    }
    expect(lines.filter((line) => line.includes('nothing says that running it twice'))).toHaveLength(1);
    await mesh.close();
  });
});
