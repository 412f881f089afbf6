/**
 * The invariant file of the cache: a bounded map against a plain list, whatever happens in whatever order.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CacheClient, cacheClient, noCacheCounts } from '../../interceptors/cache.ts';
import { placed } from '../../interceptors/pipeline.ts';
import { BoundedLru } from '../../src/cache/bounded-lru.ts';
import { type CacheOptions, resolveCacheOptions } from '../../src/cache/options.ts';
import { ResponseCache } from '../../src/cache/response-cache.ts';
import { Code } from '../../src/call.ts';
import { MethodCodecs } from '../../src/grpc/codecs.ts';
import { Ear, type LowerCall, Rig, type UpperCall } from '../doors/rig.ts';
import { metadataOf } from '../support/loopback.ts';

interface Row {
  readonly key: string;
  readonly value: number;
  readonly bytes: number;
}

/** The obvious one: an array, the youngest last. */
class Model {
  rows: Row[] = [];
  readonly maxEntries: number;
  readonly maxBytes: number;
  constructor(maxEntries: number, maxBytes: number) {
    this.maxEntries = maxEntries;
    this.maxBytes = maxBytes;
  }
  get bytes(): number {
    return this.rows.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  get(key: string): number | undefined {
    const row = this.rows.find((one) => one.key === key);
    if (row !== undefined) this.rows = [...this.rows.filter((one) => one !== row), row];
    return row?.value;
  }
  set(key: string, value: number, bytes: number): void {
    this.delete(key);
    if (bytes > this.maxBytes) return;
    this.rows.push({ key, value, bytes });
    while (this.rows.length > this.maxEntries || this.bytes > this.maxBytes) this.rows.shift();
  }
  delete(key: string): void {
    this.rows = this.rows.filter((one) => one.key !== key);
  }
}

const key = fc.integer({ min: 0, max: 9 }).map((n) => `k${n}`);
const action = fc.oneof(
  fc.record({ kind: fc.constant('get' as const), key }),
  fc.record({ kind: fc.constant('set' as const), key, value: fc.nat(), bytes: fc.nat(60) }),
  fc.record({ kind: fc.constant('delete' as const), key }),
);

describe('law: BoundedLru', () => {
  test('both bounds hold after every action, and it agrees with a list', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 120 }),
        fc.array(action, { maxLength: 200 }),
        (entries, bytes, actions) => {
          const lru = new BoundedLru<number>(entries, bytes);
          const model = new Model(entries, bytes);
          for (const one of actions) {
            if (one.kind === 'get') expect(lru.get(one.key)).toBe(model.get(one.key));
            else if (one.kind === 'delete') {
              lru.delete(one.key);
              model.delete(one.key);
            } else {
              lru.set(one.key, one.value, one.bytes);
              model.set(one.key, one.value, one.bytes);
            }
            expect(lru.size).toBe(model.rows.length);
            expect(lru.bytes).toBe(model.bytes);
            expect(lru.size).toBeLessThanOrEqual(entries);
            expect(lru.bytes).toBeLessThanOrEqual(bytes);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('law: ResponseCache', () => {
  const step = fc.record({ key, store: fc.boolean(), waitMs: fc.nat(40) });

  test('an answer is the last one stored, never older than its time, and fresh only within the ttl', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), fc.array(step, { maxLength: 100 }), (ttlMs, staleIfErrorMs, steps) => {
        const cache = new ResponseCache<{ n: number }>(resolveCacheOptions({ ttlMs, staleIfErrorMs, maxEntries: 5 }, 'cache'));
        const stored = new Map<string, { n: number; atMs: number }>();
        let nowMs = 0;
        for (const [n, one] of steps.entries()) {
          nowMs += one.waitMs;
          if (one.store) {
            cache.store(one.key, { n }, 10, nowMs);
            stored.set(one.key, { n, atMs: nowMs });
          }
          const last = stored.get(one.key);
          const ageMs = nowMs - (last?.atMs ?? Number.NEGATIVE_INFINITY);
          const fresh = cache.fresh(one.key, nowMs);
          const stale = cache.stale(one.key, nowMs);
          if (fresh !== undefined) expect([fresh.n, ageMs < ttlMs]).toEqual([last?.n, true]);
          if (stale !== undefined) expect([stale.n, ageMs < ttlMs + staleIfErrorMs]).toEqual([last?.n, true]);
          expect(cache.entries).toBeLessThanOrEqual(5);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** What one caller hears. */
class Caller extends Ear {
  readonly question: string;
  readonly heard: string[] = [];
  constructor(question: string) {
    super();
    this.question = question;
  }
  override onReceiveMessage(message: unknown): void {
    super.onReceiveMessage(message);
    this.heard.push(String(message));
  }
}

const TENANTS = 5;
const QUESTIONS = 3;
const CODES = [Code.UNAVAILABLE, Code.NOT_FOUND, Code.DEADLINE_EXCEEDED, Code.CANCELLED];

/** One number is one action with its arguments: short to generate, and it shrinks to 0. */
async function play(options: CacheOptions, codes: readonly number[]): Promise<void> {
  const rules = resolveCacheOptions({ ...options, metadata: ['who'] }, 'cache');
  let client: CacheClient | undefined;
  const rig = new Rig('channel', {
    behaviour: (clock) => {
      const settings = { clock, codecs: new MethodCodecs(), counts: noCacheCounts(), warn: () => {}, oneClient: false };
      client = cacheClient(new Map([['/loop.Echo/Say', rules]]), settings);
      return placed('cache', client.intercept);
    },
  });
  const { clock } = rig;
  const callers: Caller[] = [];
  const calls: UpperCall[] = [];
  const gone = new Set<number>();
  const open = (): LowerCall[] => rig.lowers.filter(({ log }) => !log.includes('over'));

  for (const code of codes) {
    const argument = code >> 3;
    const kind = code & 7;
    if (kind < 4) ask(argument);
    else if (kind === 4) answer(argument);
    else if (kind === 5) fail(argument);
    else if (kind === 6) cancel(argument);
    else {
      await turn();
      clock.advance(argument % 60);
    }
    expire();
    check();
  }
  // Quiescence: every server answers.
  for (let lower = open()[0]; lower !== undefined; lower = open()[0]) end(lower, Code.OK);
  await turn();
  for (const { log, heard, question } of callers) {
    if (log.filter((line) => line === 'status').length > 1 || log.indexOf('status') !== log.length - 1 || log.length === 0)
      throw new Error(`heard ${log.join()}`);
    for (const text of heard) if (text !== `answer to ${question}`) throw new Error(`${question} heard ${text}`);
  }
  expect(clock.pending).toBe(0);
  const { hits = 0, misses = 0 } = client?.stats() ?? {};
  expect(misses).toBe(rig.lowers.length);
  expect(hits).toBeLessThanOrEqual(callers.length - misses);

  function ask(argument: number): void {
    const who = `tenant${argument % TENANTS}`;
    const text = `question ${(argument >> 3) % QUESTIONS}`;
    const inMs = (argument >> 6) % 3 === 0 ? Number.POSITIVE_INFINITY : clock.nowMs() + 1 + ((argument >> 5) % 70);
    const call = rig.make('unary', inMs);
    const caller = new Caller(`${who} ${text}`);
    callers.push(caller);
    calls.push(call);
    call.start(metadataOf({ who }), caller);
    call.startRead();
    call.sendMessageWithContext({}, Buffer.from(text));
    call.halfClose();
  }
  function answer(argument: number): void {
    const lower = open()[argument % Math.max(1, open().length)];
    if (lower !== undefined) end(lower, Code.OK);
  }
  function fail(argument: number): void {
    const lower = open()[argument % Math.max(1, open().length)];
    if (lower !== undefined) end(lower, CODES[(argument >> 4) % CODES.length] ?? Code.UNKNOWN);
  }
  function end(lower: LowerCall, code: number): void {
    lower.log.push('over');
    if (code === Code.OK) {
      lower.listener?.onReceiveMetadata(new Metadata());
      lower.listener?.onReceiveMessage(Buffer.from(`answer to ${String(lower.metadata?.get('who')[0])} ${String(lower.messages[0])}`));
    }
    lower.end(code);
  }
  function cancel(argument: number): void {
    if (calls.length === 0) return;
    const at = argument % calls.length;
    calls[at]?.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
    gone.add(at);
  }
  /** Nothing is out that nobody waits for. */
  function check(): void {
    const waiting = callers.filter(({ log }, at) => !log.includes('status') && !gone.has(at)).length;
    if (open().length > waiting) throw new Error(`${open().length} out, ${waiting} waiting`);
  }
  /** The transport's part: what is cancelled or late ends. */
  function expire(): void {
    for (const lower of open()) {
      if (lower.log.includes('cancel 1')) end(lower, Code.CANCELLED);
      else if (lower.deadlineMs <= clock.nowMs()) end(lower, Code.DEADLINE_EXCEEDED);
    }
  }
}

describe('law: calls with a cache', () => {
  const actions = fc.array(fc.nat(0xffff), { maxLength: 120, size: 'max' });
  const options = fc.record({
    ttlMs: fc.constantFrom(0, 20),
    staleIfErrorMs: fc.constantFrom(0, 30),
    maxEntries: fc.integer({ min: 1, max: 8 }),
  });

  test('Q8 K14: each hears exactly one status, last, and never the answer to another’s question; nothing is left over', async () => {
    await fc.assert(fc.asyncProperty(options, actions, play), { numRuns: 1000 });
  });
});
