/** The fields of the policy, by the JSON Schema that is shipped: a second opinion beside the checker's. */
import { readFileSync } from 'node:fs';

type Keys = readonly (string | number)[];

interface Node {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | false;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

const schema = JSON.parse(readFileSync(new URL('../../../schema/policy.schema.json', import.meta.url), 'utf8')) as Node & {
  readonly $defs: Readonly<Record<string, Node>>;
};

interface Found {
  readonly node: Node;
  /** Of the message. */
  readonly name: string;
}

/** The node that says something of a message's fields: of a message and its shorthand the message. */
function resolved(node: Node | undefined, name: string): Found {
  if (node?.$ref !== undefined) {
    const inner = node.$ref.replace('#/$defs/', '');
    return resolved(schema.$defs[inner], inner);
  }
  const parts = (node?.anyOf ?? []).map((part) => resolved(part, name));
  return parts.find((part) => part.node.properties !== undefined) ?? parts[0] ?? { node: node ?? {}, name };
}

const ROOT = resolved(schema, 'Policy');

function step({ node, name }: Found, key: string | number): Found {
  const own =
    typeof key === 'string' && node.properties !== undefined && Object.hasOwn(node.properties, key) ? node.properties[key] : undefined;
  const inner = typeof key === 'number' ? node.items : (own ?? (node.additionalProperties || undefined));
  return resolved(inner, name);
}

const known = new Map<string, string>();

/** The last field on the way along some keys: `RetryPolicy.maxAttempts`. */
export function fieldAt(keys: Keys): string {
  const id = keys.map((key) => (typeof key === 'number' ? `[${key}]` : key)).join('\n');
  const found = known.get(id) ?? lookUp(keys);
  known.set(id, found);
  return found;
}

function lookUp(keys: Keys): string {
  let at = ROOT;
  let field = '';
  for (const key of keys) {
    if (typeof key === 'string' && at.node.properties !== undefined) field = `${at.name}.${key}`;
    at = step(at, key);
  }
  return field;
}

/** Every field of every message. */
export function allFields(): string[] {
  return Object.entries({ ...schema.$defs, Policy: schema as Node }).flatMap(([name, node]) =>
    Object.keys(resolved(node, name).node.properties ?? {}).map((field) => `${name}.${field}`),
  );
}

/** Every key of a document that is a field of a message, or should be one. */
export function fieldsOf(document: unknown, keys: Keys = [], at: Found = ROOT): { readonly keys: Keys; readonly known: boolean }[] {
  if (typeof document !== 'object' || document === null) return [];
  if (Array.isArray(document)) return document.flatMap((item, index) => fieldsOf(item, [...keys, index], step(at, index)));
  return Object.entries(document).flatMap(([key, value]) => {
    // What is undefined is not said.
    if (value === undefined) return [];
    const message = at.node.properties;
    const own = message === undefined ? [] : [{ keys: [...keys, key], known: Object.hasOwn(message, key) }];
    return [...own, ...fieldsOf(value, [...keys, key], step(at, key))];
  });
}
