import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import type { InmeshCallOptions } from '../../../src/call.ts';
import { CallScope, currentScope, NO_TRAITS } from '../../../src/deadline/call-scope.ts';
import { ConfigError } from '../../../src/errors.ts';
import type { CallInfo } from '../../../src/grpc/client-call.ts';
import { priorityOf, takeTraits, tenantOf, traitsToSend, writeTraits } from '../../../src/grpc/traits.ts';
import { metadataOf } from '../../support/loopback.ts';

const info = (options?: InmeshCallOptions): CallInfo => ({ options }) as CallInfo;
const serving = <T>(traits: Partial<typeof NO_TRAITS>, fn: () => T): T =>
  currentScope.run(new CallScope(Number.POSITIVE_INFINITY, { ...NO_TRAITS, ...traits }), fn);
const BOTH = { priority: true, tenant: true };

describe('what a client call says of itself', () => {
  test("nothing, then the call being served, then the call's own wish", () => {
    expect([priorityOf(info()), tenantOf(info())]).toEqual(['default', undefined]);
    serving({ priority: 'critical', tenant: 'a' }, () => {
      expect([priorityOf(info()), tenantOf(info())]).toEqual(['critical', 'a']);
      expect([priorityOf(info({ priority: 'sheddable' })), tenantOf(info({ tenant: 'b' }))]).toEqual(['sheddable', 'b']);
    });
  });

  test('only what says something is sent, and only what policy allows', () => {
    expect(traitsToSend(info(), BOTH)).toBeUndefined();
    expect(traitsToSend(info({ retry: false }), BOTH)).toBeUndefined();
    expect(traitsToSend(info({ priority: 'default' }), BOTH)).toBeUndefined();
    expect(traitsToSend(info({ priority: 'critical', tenant: 'a' }), BOTH)).toEqual({ priority: 'critical', tenant: 'a' });
    expect(traitsToSend(info({ priority: 'critical', tenant: 'a' }), { priority: false, tenant: true })).toEqual({ tenant: 'a' });
    expect(traitsToSend(info({ priority: 'critical', tenant: 'a' }), { priority: false, tenant: false })).toBeUndefined();
    // A call may say that it matters less than the one it is made for.
    serving({ priority: 'critical' }, () => expect(traitsToSend(info({ priority: 'default' }), BOTH)).toBeUndefined());
  });

  test.for<[unknown, string]>([
    ['crtical', 'options.inmesh.priority: expected one of critical, default, sheddable, got "crtical"; did you mean "critical"?'],
    [1, 'options.inmesh.priority: expected one of critical, default, sheddable, got 1'],
  ])('a priority of %j is refused', ([priority, message]) => {
    const bad = info({ priority } as InmeshCallOptions);
    expect(() => priorityOf(bad)).toThrow(ConfigError);
    expect(() => traitsToSend(bad, BOTH)).toThrow(message);
  });

  test.for(['', 'a\nb', 'ü', ' a', 'a ', 'x'.repeat(129), 7, null])('a tenant of %j is refused', (tenant) => {
    expect(() => tenantOf(info({ tenant } as InmeshCallOptions))).toThrow(
      'options.inmesh.tenant: expected 1 to 128 printable ASCII characters',
    );
  });

  test('a tenant of 128 characters is none too long', () => {
    expect(tenantOf(info({ tenant: 'x'.repeat(128) }))).toHaveLength(128);
  });
});

describe('what a server takes from a call', () => {
  test('Q15: nothing of priority and tenant unless it trusts its callers', () => {
    const metadata = metadataOf({ 'inmesh-priority': 'critical', 'inmesh-tenant': 'a', 'x-own': 'kept' });
    expect(takeTraits(metadata, false)).toEqual(NO_TRAITS);
    expect(metadata.getMap()).toEqual({ 'x-own': 'kept' });
  });

  test('where it does: both, and they are the handler’s business no more', () => {
    const metadata = new Metadata();
    writeTraits(metadata, { priority: 'critical', tenant: 'a b' });
    expect(takeTraits(metadata, true)).toEqual({ priority: 'critical', tenant: 'a b', attempt: 0 });
    expect(metadata.getMap()).toEqual({});
  });

  test.for<[Readonly<Record<string, string | readonly string[]>>]>([
    [{ 'inmesh-priority': 'root' }],
    [{ 'inmesh-priority': 'CRITICAL' }],
    [{ 'inmesh-priority': ['critical', 'critical'] }],
    [{ 'inmesh-tenant': ['a', 'b'] }],
    [{ 'inmesh-tenant': 'x'.repeat(129) }],
  ])('malformed is as good as not said: %j', ([values]) => {
    expect(takeTraits(metadataOf(values), true)).toEqual(NO_TRAITS);
  });

  test.for<[string | readonly string[], number]>([
    ['0', 0],
    ['1', 1],
    ['100', 100],
    ['101', 0],
    ['999', 0],
    ['-1', 0],
    ['01', 0],
    ['1.5', 0],
    ['1e2', 0],
    ['two', 0],
    ['', 0],
    [['1', '2'], 0],
  ])('grpc-previous-rpc-attempts %j is attempt %d', ([value, attempt]) => {
    expect(takeTraits(metadataOf({ 'grpc-previous-rpc-attempts': value }), false).attempt).toBe(attempt);
  });
});
