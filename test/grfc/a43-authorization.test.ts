/**
 * gRFC A43 against real servers: every row of grpc-go's tables has the same verdict as a call of its own and as an item (Q6, Q10).
 */
import { describe, expect, test } from 'vitest';
import { type AuthorizationServerInterceptor, authorizationServerInterceptor } from '../../interceptors/standalone/authorization.ts';
import type { AuditEvent, AuditLogger } from '../../src/auth/audit.ts';
import type { AuthorizationPolicy } from '../../src/auth/policy.ts';
import { createMesh } from '../../src/mesh.ts';
import type { MeshServerOptions } from '../../src/mesh-server.ts';
import { AUDIT, BAD, END_TO_END, GOOD, type How, MORE, PRECEDENCE } from './a43-cases.ts';
import { askAsItems, askDirect, certificates, DENIED, guarded, ITEMS, PASSED, policyFile, stand } from './a43-stage.ts';

/** The two ways to a guarded server. */
const ways: readonly { readonly name: string; options(policy: AuthorizationPolicy | object, how?: How): MeshServerOptions }[] = [
  { name: 'policy.server.authorization', options: (policy) => ({ mesh: guarded(policy) }) },
  {
    name: 'authorizationServerInterceptor',
    options: (policy, how = 'plaintext') => ({ interceptors: [alone(policy, how)] }),
  },
];
const quiet: AuditLogger = () => undefined;
const alone = (policy: AuthorizationPolicy | object, how: How): AuthorizationServerInterceptor =>
  authorizationServerInterceptor({
    policy: policy as AuthorizationPolicy,
    tls: how !== 'plaintext',
    auditLoggers: { stdout_logger: quiet },
  });

describe.each(ways)('$name', ({ options }) => {
  test.for([...END_TO_END, ...MORE])('$name: a call, a stream and an item have the same verdict (Q6)', async (row) => {
    const { policy, metadata, how = 'plaintext', allowed } = row;
    const running = await stand({ options: options(policy, how), how });
    const direct = await askDirect(running, { how }, metadata);
    expect(direct.unary).toEqual(allowed ? PASSED : DENIED);
    expect(direct.stream).toBe(allowed ? 'OK' : '7: inmesh: unauthorized request rejected');
    const bare = (await askDirect(running, { how })).unary;
    for (const item of ITEMS) {
      expect(await askAsItems(running, { how, ...item }, metadata, metadata)).toEqual([direct.unary, direct.unary]);
      // In one batch with a call that says nothing: each is judged by what it says itself.
      expect(await askAsItems(running, { how, ...item }, metadata, {})).toEqual([direct.unary, bare]);
    }
  });

  test.for(PRECEDENCE)('%s: URI, else DNS, else subject', async ([, names, commonName, principal, allowed]) => {
    const client = certificates().issue(commonName, names);
    const running = await stand({
      options: options({ name: 'authz', allow_rules: [{ name: 'who', source: { principals: [principal] } }] }, 'mTLS'),
      how: 'mTLS',
    });
    const direct = await askDirect(running, { how: 'mTLS', client });
    expect(direct.unary).toEqual(allowed ? PASSED : DENIED);
    for (const item of ITEMS) expect(await askAsItems(running, { how: 'mTLS', client, ...item })).toEqual([direct.unary, direct.unary]);
  });

  test('an item is judged by its own path, not by that of its batch (Q6)', async () => {
    const running = await stand({
      options: options({ name: 'authz', allow_rules: [{ name: 'batches', request: { paths: ['*InmeshBatch', '*Tunnel', '/inmesh*'] } }] }),
    });
    expect((await askDirect(running, {})).unary).toEqual(DENIED);
    for (const item of ITEMS) expect(await askAsItems(running, item)).toEqual([DENIED, DENIED]);
  });

  test('a batch needs no rule of its own (Q6)', async () => {
    const running = await stand({
      options: options({
        name: 'authz',
        deny_rules: [{ name: 'batches', request: { paths: ['*InmeshBatch', '/inmesh*'] } }],
        allow_rules: [{ name: 'say', request: { paths: ['/loop.Echo/Say'] } }],
      }),
    });
    for (const item of ITEMS) expect(await askAsItems(running, item)).toEqual([PASSED, PASSED]);
  });
});

describe('rows of the translator', () => {
  test.for(GOOD)('%s: starts, and has the same verdict in both forms', async ([, policy]) => {
    const said: string[] = [];
    const mesh = guarded(policy, { auditLoggers: { stdout_logger: ({ fullMethodName }) => said.push(fullMethodName) } });
    const running = await stand({ options: { mesh } });
    expect((await askDirect(running, {})).unary).toEqual(DENIED);
    expect(await askAsItems(running, {})).toEqual([DENIED, DENIED]);
    const condition = (policy as AuthorizationPolicy).audit_logging_options?.audit_condition ?? 'NONE';
    // Call, stream, the call that learns, two items.
    expect(said).toHaveLength(condition.includes('ON_DENY') ? 5 : 0);
  });

  test.for(BAD)('%s: no server starts, whichever way (F1)', ([, document, message]) => {
    const file = policyFile(JSON.stringify(document));
    expect(() => createMesh({ server: { authorization: { file } } })).toThrow(`${file}${message}`);
    expect(() => authorizationServerInterceptor({ file, tls: false })).toThrow(`${file}${message}`);
    expect(() => authorizationServerInterceptor({ policy: document as AuthorizationPolicy, tls: false })).toThrow(`policy${message}`);
    expect(() => authorizationServerInterceptor({ policy: JSON.stringify(document), tls: false })).toThrow(`policy${message}`);
  });
});

describe('audit (A59)', () => {
  test.for(AUDIT)('$name', async ({ policy, events, unary, stream }) => {
    const seen: AuditEvent[] = [];
    const mesh = guarded(policy, { auditLoggers: { stat_logger: (event) => seen.push(event) } });
    const running = await stand({ options: { mesh }, how: 'mTLS' });
    const client = certificates().issue('', { uris: ['spiffe://foo.bar.com/client/workload/1'] });
    const direct = await askDirect(running, { how: 'mTLS', client }, {}, 2);
    expect(direct.unary).toEqual(unary ? PASSED : DENIED);
    expect(direct.stream.startsWith(stream ? 'OK' : '7')).toBe(true);
    const own = seen.splice(0);
    expect(own.filter(({ authorized }) => authorized)).toHaveLength(events.allowed);
    expect(own.filter(({ authorized }) => !authorized)).toHaveLength(events.denied);
    await askAsItems(running, { how: 'mTLS', client });
    // The call that learns, and two items: each is told as a call of its own would be.
    const [ofSay] = own.filter(({ fullMethodName }) => fullMethodName === '/loop.Echo/Say');
    expect(seen).toEqual(ofSay === undefined ? [] : [ofSay, ofSay, ofSay]);
  });

  test('Allow All Deny Streaming - Audit All: what an event says', async () => {
    const seen: AuditEvent[] = [];
    const mesh = guarded(AUDIT[1]?.policy ?? {}, { auditLoggers: { stat_logger: (event) => seen.push(event) } });
    const running = await stand({ options: { mesh }, how: 'mTLS' });
    const client = certificates().issue('', { uris: ['spiffe://foo.bar.com/client/workload/1'] });
    await askDirect(running, { how: 'mTLS', client });
    expect(seen.at(-1)).toEqual({
      fullMethodName: '/loop.Echo/Collect',
      principal: 'spiffe://foo.bar.com/client/workload/1',
      policyName: 'authz',
      matchedRule: 'authz_deny_all',
      authorized: false,
    });
  });
});
