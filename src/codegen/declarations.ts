/**
 * What a .proto file declares for inmesh, checked as the mesh itself would check it, with the place of each fault.
 *
 * @packageDocumentation
 */
import { create, type DescFile, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { nativePlans } from '../batch/native/rules.ts';
import { readDescriptors } from '../batch/native/sources.ts';
import { ConfigError } from '../errors.ts';
import { type Declaration, declaredBy } from '../policy/declared.ts';
import type { BatchRule, MethodPolicy, Policy } from '../policy/policy.gen.ts';
import { PolicyTable } from '../policy/resolve.ts';
import { placeOfOption } from './places.ts';

/** What one file gives. */
export interface FileDeclarations {
  /** A `FileDescriptorSet` of the file and what it needs, options included. */
  readonly descriptors: Uint8Array;
  /** The document that says the same. */
  readonly policies: Pick<Policy, 'services' | 'methods'>;
  /** Its batch rules, by path of the method. */
  readonly batches: ReadonlyMap<string, BatchRule>;
}

/** Ours and the compiler's own: nobody needs them at run time. */
const LEFT_OUT = /^(inmesh\/v1\/(options|policy|check)|google\/protobuf\/(descriptor|duration))\.proto$/;

/** @throws Error that begins with `file:line:column`. */
export function declarationsOf(file: DescFile): FileDeclarations {
  const descriptors = descriptorSet(file);
  try {
    const catalog = readDescriptors(descriptors);
    const declared = declaredBy(catalog);
    nativePlans({}, catalog, new PolicyTable({}, declared));
    return { descriptors, policies: policiesOf(file, declared), batches: batchesOf(file, declared) };
  } catch (error) {
    if (error instanceof ConfigError) throw new Error(`${placeOfOption(file, error.path)}: ${error.message}`);
    throw error;
  }
}

function descriptorSet(file: DescFile): Uint8Array {
  const files = new Map<string, DescFile>();
  const add = (one: DescFile): void => {
    if (files.has(one.name) || LEFT_OUT.test(`${one.name}.proto`)) return;
    for (const dependency of one.dependencies) add(dependency);
    files.set(one.name, one);
  };
  add(file);
  // Unknown fields of a file are its compiler's own.
  const protos = [...files.values()].map(({ proto: { $unknown: _, ...proto } }) =>
    create(FileDescriptorProtoSchema, { ...proto, sourceCodeInfo: undefined }),
  );
  return toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: protos }));
}

type Declared = (path: string) => readonly Declaration[];

/** In the document: a service has what its file says too, a method only what its own options say. */
function policiesOf(file: DescFile, declared: Declared): FileDeclarations['policies'] {
  const services: Record<string, MethodPolicy> = {};
  const methods: Record<string, MethodPolicy> = {};
  for (const service of file.services) {
    for (const method of service.methods) {
      const name = `${service.typeName}/${method.name}`;
      const declarations = declared(`/${name}`);
      const own = merged(declarations.filter(({ where }) => where.endsWith(name)));
      const wide = merged(declarations.filter(({ where }) => !where.endsWith(name)));
      if (Object.keys(own).length > 0) methods[name] = own;
      if (Object.keys(wide).length > 0) services[service.typeName] = wide;
    }
  }
  return { ...(Object.keys(services).length > 0 ? { services } : {}), ...(Object.keys(methods).length > 0 ? { methods } : {}) };
}

/** The first wins, field by field; `retryPolicy` is merged. */
function merged(declarations: readonly Declaration[]): MethodPolicy {
  const layers = declarations.map(({ says }) => says).toReversed();
  const retryPolicy = Object.assign({}, ...layers.map((layer) => layer.retryPolicy));
  return { ...Object.assign({}, ...layers), ...(Object.keys(retryPolicy).length > 0 ? { retryPolicy } : {}) };
}

function batchesOf(file: DescFile, declared: Declared): ReadonlyMap<string, BatchRule> {
  const rules = new Map<string, BatchRule>();
  for (const service of file.services) {
    for (const { name } of service.methods) {
      const path = `/${service.typeName}/${name}`;
      const rule = declared(path).find(({ says }) => says.batch !== undefined)?.says.batch;
      if (rule !== undefined) rules.set(path, rule);
    }
  }
  return rules;
}
