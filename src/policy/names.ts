/**
 * Names of methods, services, status codes and metadata keys, as the policy document writes them.
 *
 * Each function gives undefined for a good value, else what is wrong with it.
 *
 * @packageDocumentation
 */
import { Code, type CodeName, codeName, codeOf } from '../call.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';

/** A gRPC status code: its name in upper or lower case, or its number. */
export type StatusCodeText = CodeName | Lowercase<CodeName> | number;

const SERVICE = /^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$/;
const METHOD = /^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*\/[A-Za-z_][\w-]*$/;
/** No package or method name comes near it. */
const MAX_NAME = 512;

const isService = (text: string): boolean => text.length <= MAX_NAME && SERVICE.test(text);
const isMethod = (text: string): boolean => text.length <= MAX_NAME && METHOD.test(text);

/** A service has no slash; a method exactly one, in the middle. */
export function nameProblem(
  value: unknown,
  kinds: { readonly method: boolean; readonly service: boolean; readonly key: boolean },
): string | undefined {
  if (typeof value === 'string' && ((kinds.method && isMethod(value)) || (kinds.service && isService(value)))) return undefined;
  const forms = [
    ...(kinds.method ? ['a method such as "pkg.Service/Method"'] : []),
    ...(kinds.service ? ['a service such as "pkg.Service"'] : []),
  ];
  return `expected ${forms.join(' or ')}, got ${show(value)}${typeof value === 'string' ? nameHint(value, kinds) : ''}`;
}

function nameHint(value: string, kinds: { readonly method: boolean; readonly service: boolean; readonly key: boolean }): string {
  const bare = value
    .trim()
    .replace(/^\/+/, '')
    .replace(/\/\*?$/, '');
  if (kinds.method && isMethod(bare)) return `; did you mean ${show(bare)}?`;
  if (kinds.service && isService(bare)) return `; did you mean ${show(bare)}?`;
  if (!kinds.key) return '';
  if (isMethod(bare)) return `; a method belongs under methods: did you mean methods[${show(bare)}]?`;
  if (isService(bare)) return `; a service belongs under services: did you mean services[${show(bare)}]?`;
  return '';
}

/** A name in upper or lower case, or a number, of a status that is a failure. */
export function codeProblem(value: unknown): string | undefined {
  const code = toCode(value);
  if (code !== undefined && code !== Code.OK) return undefined;
  const expected = `expected a gRPC status code such as "UNAVAILABLE", got ${show(value)}`;
  if (code === Code.OK) return `${expected}; OK is no failure`;
  if (typeof value !== 'string') return expected;
  const asNumber = /^\d{1,2}$/.test(value) ? toCode(Number(value)) : undefined;
  const meant = asNumber === undefined ? nearest(value, Object.keys(Code)) : codeName(asNumber);
  return meant === undefined ? expected : `${expected}; did you mean "${meant}"?`;
}

/** The number of a status code given as name or number. */
export function toCode(value: unknown): number | undefined {
  if (typeof value === 'string') return value === value.toUpperCase() || value === value.toLowerCase() ? codeOf(value) : undefined;
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= Code.UNAUTHENTICATED ? (value as number) : undefined;
}

const METADATA_KEY = /^[0-9a-z_.-]{1,256}$/;
/** Belong to gRPC and HTTP/2: an application cannot set them. */
const TRANSPORT_KEYS = new Set([
  'te',
  'content-type',
  'content-length',
  'user-agent',
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);
/** Say who is calling: items that differ in them never share a batch. */
const IDENTITY_KEYS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'x-goog-api-key']);

/** A metadata key that may differ between the items of a batch. */
export function metadataKeyProblem(value: unknown): string | undefined {
  const expected = `expected a metadata key such as "x-tenant-hint", got ${show(value)}`;
  if (typeof value !== 'string') return expected;
  const lower = value.toLowerCase();
  if (IDENTITY_KEYS.has(lower)) return `${expected}; it tells who is calling, and batches never mix callers`;
  if (TRANSPORT_KEYS.has(lower) || lower.startsWith('grpc-') || lower.startsWith('inmesh-') || lower.startsWith(':'))
    return `${expected}; that key is reserved`;
  if (METADATA_KEY.test(value)) return undefined;
  return METADATA_KEY.test(lower) ? `${expected}; did you mean ${show(lower)}?` : expected;
}
