import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { loadPolicy } from '../../../src/policy/load.ts';
import { parsePolicyText } from '../../../src/policy/policy-text.ts';

function fault(text: string): string {
  try {
    parsePolicyText(text, 'inmesh.yaml');
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

const YAML = `# what the client does
defaults:
  timeout: 2s
methods:
  demo.Atlas/GetPlace: { idempotent: true }
coalesce: auto
balance: off
`;

describe('policy file: text', () => {
  test('reads YAML, where off is a word', () => {
    expect(parsePolicyText(YAML, 'inmesh.yaml')).toEqual({
      defaults: { timeout: '2s' },
      methods: { 'demo.Atlas/GetPlace': { idempotent: true } },
      coalesce: { mode: 'auto' },
      balance: { policy: 'off' },
    });
  });

  test('reads JSON, with a byte order mark too', () => {
    expect(parsePolicyText('\uFEFF{"balance": "off"}', 'p.json')).toEqual({ balance: { policy: 'off' } });
  });

  test.each([
    [
      'a value',
      'defaults:\n  timeout: 500\n',
      'inmesh.yaml:2:3 policy.defaults.timeout: expected a duration such as "0.5s", got 500; did you mean "0.5s"?',
    ],
    [
      'an unknown key',
      'defaults:\n  timeout: 1s\n  timout: 1s\n',
      'inmesh.yaml:3:3 policy.defaults: unknown key "timout"; did you mean "timeout"?',
    ],
    [
      'an element of a list',
      'coalesce:\n  methods: [a.B/C, /a.B/D]\n',
      'inmesh.yaml:2:20 policy.coalesce.methods[1]: expected a method such as "pkg.Service/Method" or a service such as "pkg.Service", got "/a.B/D"; did you mean "a.B/D"?',
    ],
    [
      'what is missing',
      'balance: off\ndefaults:\n  bulkhead: {}\n',
      'inmesh.yaml:3:3 policy.defaults.bulkhead.slots: required, but not given',
    ],
    ['an empty value', 'defaults:\n', 'inmesh.yaml:1:1 policy.defaults: expected an object, got null'],
    ['F2 a reserved key', 'services:\n  __proto__: {}\n', 'inmesh.yaml:2:3 policy.services.__proto__: this key is reserved by JavaScript'],
    [
      'F2 a number without end',
      'retryBudget:\n  ratio: 1e309\n',
      'inmesh.yaml:2:3 policy.retryBudget.ratio: expected a number from 0 to 1000, got Infinity',
    ],
    [
      'F2 not a number',
      'retryBudget: {ratio: .nan}',
      'inmesh.yaml:1:15 policy.retryBudget.ratio: expected a number from 0 to 1000, got NaN',
    ],
    [
      'F2 a truncated file',
      '{"defaults": {"timeout": "1s"',
      'inmesh.yaml:1:30: not YAML: Flow map in block collection must be sufficiently indented and end with a }',
    ],
    ['F2 duplicate keys', 'balance: off\nbalance: peak_ewma\n', 'inmesh.yaml:2:1 policy: key "balance" stands here twice'],
    ['F2 a tag', 'defaults: !!js/function x', 'inmesh.yaml:1:11: not YAML: Unresolved tag: tag:yaml.org,2002:js/function'],
    ['two documents', '--- {}\n--- {}\n', 'inmesh.yaml:2:1: not YAML: expected one document, got several'],
    ['F2 an empty file', '', 'inmesh.yaml:1:1: expected a policy, got an empty file; write {} for all defaults'],
    ['F2 only a comment', '# later\n', 'inmesh.yaml:1:1: expected a policy, got an empty file; write {} for all defaults'],
    ['a key that is a list', '? [a]\n: 1\n', 'inmesh.yaml:1:3: not YAML: expected a name as key'],
    ['a list', '- a\n', 'inmesh.yaml:1:1 policy: expected an object, got a list'],
  ])('refuses %s and tells its line', (_, text, message) => {
    expect(fault(text)).toBe(message);
  });

  test('F2 bounds aliases of aliases', () => {
    const rows = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg']) rows.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]`);
    expect(fault(rows.join('\n'))).toBe('inmesh.yaml:1:1: not YAML: Excessive alias count indicates a resource exhaustion attack');
  });

  test('an alias may stand for a policy', () => {
    expect(parsePolicyText('services:\n  a.B: &slow {timeout: 9s}\n  a.C: *slow\n', 'p')).toEqual({
      services: { 'a.B': { timeout: '9s' }, 'a.C': { timeout: '9s' } },
    });
  });
});

describe('policy file: disk', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'inmesh-policy-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function file(content: string | Uint8Array): Promise<string> {
    const path = join(folder, 'inmesh.yaml');
    await writeFile(path, content);
    return path;
  }

  test('reads a file', async () => {
    await expect(loadPolicy(await file(YAML))).resolves.toMatchObject({ coalesce: { mode: 'auto' } });
  });

  test('F1 refuses a file that is not there', async () => {
    await expect(loadPolicy(join(folder, 'none.yaml'))).rejects.toThrow(
      new ConfigError(join(folder, 'none.yaml'), 'cannot be read (no such file)'),
    );
  });

  test('refuses a folder', async () => {
    await expect(loadPolicy(folder)).rejects.toThrow(new ConfigError(folder, 'expected a file, got something else'));
  });

  test('refuses an empty path', async () => {
    await expect(loadPolicy('')).rejects.toThrow(new ConfigError('path', 'expected the path of a policy file'));
  });

  test('F2 refuses more than 1 MiB', async () => {
    const path = await file(`balance: off\n${'#'.repeat(1024 * 1024)}`);
    await expect(loadPolicy(path)).rejects.toThrow('expected at most 1048576 bytes, got more');
  });

  test('F2 refuses bytes that are no text', async () => {
    await expect(loadPolicy(await file(new Uint8Array([0xff, 0xfe, 0x00])))).rejects.toThrow('expected UTF-8, got UTF-16');
    await expect(loadPolicy(await file(new Uint8Array([0x80])))).rejects.toThrow('expected UTF-8, got other bytes');
  });
});
