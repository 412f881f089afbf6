/**
 * Checks a batch rule against the descriptors of its methods, and turns its names into numbers.
 *
 * @packageDocumentation
 */
import { splitMethod } from '../../call.ts';
import { ConfigError } from '../../errors.ts';
import { nearest } from '../../input/nearest.ts';
import { quote } from '../../input/show.ts';
import type { BatchRule } from '../../policy/policy.gen.ts';
import { compileReply } from './compile-reply.ts';
import { compileRequest } from './compile-request.ts';
import type { Catalog, Message, Method } from './descriptors.ts';
import type { NativePlan, OnBatchError } from './plan.ts';

/** What is known of the method besides the rule. */
export interface RuleFacts {
  /** `/pkg.Service/GetX`. */
  readonly method: string;
  /** The method is marked as harmless to repeat, by its file or by policy. */
  readonly idempotent: boolean;
  /** Where the rule stands, e.g. `policy.methods["pkg.Service/GetX"].batch`. */
  readonly path: string;
}

const OPERATION = 'google.longrunning.Operation';

/** @throws ConfigError naming the field and the reason. */
export function compileRule(rule: BatchRule, catalog: Catalog, facts: RuleFacts): NativePlan {
  const { path } = facts;
  const unary = methodOf(catalog, facts.method, path);
  if (unary.clientStreaming || unary.serverStreaming) throw new ConfigError(path, `${unary.path} is a stream; only unary calls are merged`);
  const stream = rule.result.stream ?? false;
  const via = batchMethod(catalog, rule, unary, stream, path);
  const types = {
    request: messageOf(catalog, unary.input, path),
    response: messageOf(catalog, unary.output, path),
    batch: messageOf(catalog, via.input, `${path}.via`),
    reply: messageOf(catalog, via.output, `${path}.via`),
  };
  const { plan: request, key } = compileRequest(rule, types.request, types.batch, path);
  const reply = compileReply(rule.result, catalog, types.response, types.reply, key, `${path}.result`);
  const onBatchError = errorRule(rule, unary, facts);
  const plan = { method: unary.path, via: via.path, onBatchError, request, reply };
  return rule.maxItems === undefined ? plan : { ...plan, maxItems: rule.maxItems };
}

function methodOf(catalog: Catalog, path: string, at: string): Method {
  const method = catalog.method(path);
  if (method !== undefined) return method;
  const meant = nearest(
    path.slice(1),
    [...catalog.methods].map((known) => known.path.slice(1)),
  );
  throw new ConfigError(
    at,
    `the descriptors have no method ${quote(path.slice(1))}${meant === undefined ? '' : `; did you mean ${quote(meant)}?`}`,
  );
}

function messageOf(catalog: Catalog, name: string, at: string): Message {
  const message = catalog.message(name);
  if (message === undefined)
    throw new ConfigError(at, `the descriptors have no message ${quote(name)}; give them with all that they import`);
  return message;
}

function batchMethod(catalog: Catalog, rule: BatchRule, unary: Method, stream: boolean, path: string): Method {
  const at = `${path}.via`;
  const name = rule.via.replace(/^\//, '');
  const via = methodOf(catalog, name.includes('/') ? `/${name}` : `/${splitMethod(unary.path).service}/${name}`, at);
  if (via.path === unary.path) throw new ConfigError(at, 'expected another method, got the method itself');
  if (via.clientStreaming) throw new ConfigError(at, `expected a unary method, got ${via.path}, which takes a stream`);
  if (via.serverStreaming && !stream)
    throw new ConfigError(at, `expected a unary method, got ${via.path}, which answers with a stream; say so with result.stream: true`);
  if (!via.serverStreaming && stream)
    throw new ConfigError(`${path}.result.stream`, `expected a method that answers with a stream, got ${via.path}, which is unary`);
  if (via.output === OPERATION) throw new ConfigError(at, `${via.path} answers with a long-running operation, not with results`);
  return via;
}

function errorRule(rule: BatchRule, unary: Method, { idempotent, path }: RuleFacts): OnBatchError {
  const at = `${path}.onBatchError`;
  const unmarked = 'idempotency_level in its .proto file, or idempotent: true in policy';
  if (!idempotent && (rule.onBatchError === 'retry_singles' || rule.onBatchError === 'bisect'))
    throw new ConfigError(
      at,
      `"${rule.onBatchError}" sends calls again, and ${unary.path} is not marked as harmless to repeat (${unmarked})`,
    );
  if (!idempotent)
    throw new ConfigError(path, `only methods that are marked as harmless to repeat are merged (${unmarked}), and ${unary.path} is not`);
  if (rule.onBatchError !== undefined) return rule.onBatchError;
  if (unary.idempotency === 'no_side_effects') return 'retry_singles';
  if (rule.result.status !== undefined || rule.result.failed !== undefined) return 'fail_all';
  throw new ConfigError(
    at,
    `required: the reply has no errors of single items (result.status, result.failed), so one bad request fails the batch, and ${unary.path} is not NO_SIDE_EFFECTS; expected "retry_singles", "bisect" or "fail_all"`,
  );
}
