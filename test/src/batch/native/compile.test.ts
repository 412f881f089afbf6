/**
 * A batch rule that does not fit its methods is refused at the start, with the field and the reason.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readDescriptors } from '../../../../src/batch/native/sources.ts';
import { ConfigError } from '../../../../src/errors.ts';
import { createMesh, loadMesh } from '../../../../src/mesh.ts';
import type { BatchRule, Policy, ResultMap } from '../../../../src/policy/policy.gen.ts';
import { library, type Mode, policyOf, RULES } from '../../../support/native.ts';
import { BAD_RULES } from './bad-rules.ts';

const SERVICE = 'library.v1.Library';

/** The fault of a policy, as path below the method's rule and problem. */
function faultOf(policy: Policy, descriptors: object | null = library): { path: string; problem: string } {
  try {
    createMesh(policy, descriptors === null ? {} : { descriptors });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { path: error.path, problem: error.message.slice(error.path.length + 2) };
  }
  throw new Error('the policy was taken');
}

const ruleFault = (mode: Mode, change: Partial<BatchRule>, result: Partial<ResultMap> = {}): { path: string; problem: string } => {
  const base = RULES[mode];
  const undefinedOut = (value: object): object => Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));
  const batch = undefinedOut({ ...base, ...change, result: undefinedOut({ ...base.result, ...result }) }) as BatchRule;
  const { path, problem } = faultOf({ methods: { [`${SERVICE}/${mode}`]: { batch } } });
  return { path: path.replace(`policy.methods["${SERVICE}/${mode}"].batch`, ''), problem };
};

describe('a rule is refused where', () => {
  test.each(BAD_RULES)('%s', (_why, mode, change, result, path, problem) => {
    expect(ruleFault(mode, change, result)).toEqual({ path, problem });
  });

  test.each(['retry_singles', 'bisect', 'fail_all', undefined] as const)(
    'its method is not marked as harmless to repeat (%s)',
    (onBatchError) => {
      const batch: BatchRule = { ...RULES.Check, ...(onBatchError === undefined ? {} : { onBatchError }) };
      const { path, problem } = faultOf({ methods: { [`${SERVICE}/Pay`]: { batch } } });
      const sendsAgain = onBatchError === 'retry_singles' || onBatchError === 'bisect';
      expect(path).toBe(`policy.methods["${SERVICE}/Pay"].batch${sendsAgain ? '.onBatchError' : ''}`);
      expect(problem).toContain('idempotency_level in its .proto file, or idempotent: true in policy');
    },
  );

  test('policy says that its method is not to be repeated, whatever its file says', () => {
    const { path } = faultOf({ methods: { [`${SERVICE}/GetBook`]: { batch: RULES.GetBook, idempotent: false } } });
    expect(path).toBe(`policy.methods["${SERVICE}/GetBook"].batch`);
  });

  test('its method is unknown, or a stream', () => {
    expect(faultOf({ methods: { [`${SERVICE}/GetBok`]: { batch: RULES.GetBook } } }).problem).toContain(
      'did you mean "library.v1.Library/GetBook"?',
    );
    expect(faultOf({ methods: { [`${SERVICE}/Watch`]: { batch: RULES.GetBook } } }).problem).toBe(
      '/library.v1.Library/Watch is a stream; only unary calls are merged',
    );
  });

  test('it stands for a whole service, or for all', () => {
    expect(faultOf({ defaults: { batch: RULES.GetBook } }).path).toBe('policy.defaults.batch');
    expect(faultOf({ services: { [SERVICE]: { batch: RULES.GetBook } } }).path).toBe(`policy.services["${SERVICE}"].batch`);
  });

  test('its batch method is merged itself', () => {
    const batch: BatchRule = { via: 'GetBook', wrap: 'x', result: { items: 'x' } };
    const policy = policyOf(['GetBook']);
    const both: Policy = { methods: { ...policy.methods, [`${SERVICE}/BatchGetBooks`]: { batch: { ...batch, via: 'BatchGetUsers' } } } };
    expect(faultOf(both).path).toContain('BatchGetBooks');
  });

  test('there are no descriptors, or none with the method', () => {
    expect(faultOf(policyOf(['GetBook']), null)).toMatchObject({
      problem: expect.stringContaining('needs the descriptors of the service'),
    });
    expect(faultOf({}, Buffer.from('no descriptors'))).toEqual({
      path: 'descriptors',
      problem: 'expected a FileDescriptorSet, as `buf build -o image.binpb` writes it, got other bytes',
    });
    expect(faultOf({}, [{}])).toEqual({
      path: 'descriptors[0]',
      problem: "expected a FileDescriptorSet as bytes, or what proto-loader's load() gave, got an object without descriptors",
    });
  });
});

describe('a rule in a file', () => {
  test('is refused with line and column', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-native-'));
    try {
      const file = join(folder, 'policy.yaml');
      const rule = '{ via: BatchGetBooks, lift: { from: nam, to: names }, result: { items: books } }';
      await writeFile(file, `methods:\n  ${SERVICE}/GetBook:\n    batch: ${rule}\n`);
      const error = await loadMesh(file, { descriptors: library }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).path).toBe(`${file}:3:42 policy.methods["${SERVICE}/GetBook"].batch.lift.from`);
      expect((error as ConfigError).message).toContain('has no field "nam"; did you mean "name"?');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a rule is taken', () => {
  test.each(Object.keys(RULES) as Mode[])('for %s', (mode) => {
    expect(() => createMesh(policyOf([mode]), { descriptors: library })).not.toThrow();
  });

  test('by the names of the .proto file or by lowerCamelCase, whichever the descriptors keep', () => {
    const policy = policyOf(['GetBook'], (rule) => ({ ...rule, groupBy: ['parent', 'readMask'] }));
    expect(() => createMesh(policy, { descriptors: library })).not.toThrow();
  });

  test('for a method that policy marks', () => {
    const policy: Policy = { methods: { [`${SERVICE}/Pay`]: { batch: RULES.Check, idempotent: true } } };
    expect(() => createMesh(policy, { descriptors: library })).not.toThrow();
  });

  test('from a service definition, and from a list of sources', () => {
    const service = library[SERVICE] as object;
    expect(() => createMesh(policyOf(['GetBook']), { descriptors: service })).not.toThrow();
    expect(() => createMesh(policyOf(['GetBook']), { descriptors: [Buffer.alloc(0), service] })).not.toThrow();
    expect(readDescriptors(service).method(`/${SERVICE}/GetBook`)?.idempotency).toBe('no_side_effects');
  });
});
