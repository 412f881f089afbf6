/** `inmesh lint`: what it writes, for people and for other programs, and how it ends. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LINT_CODES } from '../../src/lint/codes.ts';
import { inmesh } from '../cli/rig.ts';

const FILES = fileURLToPath(new URL('../cli/files', import.meta.url));
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'inmesh-lint-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);
const get = (name: string): string => readFileSync(join(folder, name), 'utf8');
const lint = (line: string, cwd: string = folder): ReturnType<typeof inmesh> => inmesh(['lint', ...line.split(' ')], { cwd });

describe('inmesh lint --format', () => {
  test('github: annotations at their lines, escaped', async () => {
    put('a,b.yaml', 'defaults: { timeout: "50%\\n::error::x" }\n');
    const { out, exit } = await lint('a,b.yaml --format github');
    expect(exit).toBe(1);
    expect(out).toBe(
      '::error file=a%2Cb.yaml,line=1,col=13,title=IM101 policy.defaults.timeout::expected a duration such as "0.5s", got "50%25\\n::error::x"\n',
    );
    put('w.yaml', 'retryBudget: { ratio: 4 }');
    expect((await lint('w.yaml --format github')).out).toMatch(/^::warning file=w\.yaml,line=1,col=16,title=IM130 .*%0Afix: /);
  });

  test('github: nothing wrong is nothing said', async () => {
    put('inmesh.yaml', '{}');
    expect(await lint('inmesh.yaml --format github')).toEqual({ exit: 0, out: '', err: '' });
  });

  test('sarif: a rule for each code, a result for each finding', async () => {
    const { out, exit } = await lint('bad.yaml --proto protos --format sarif', FILES);
    expect(exit).toBe(1);
    const { version, runs } = JSON.parse(out);
    expect(version).toBe('2.1.0');
    const [{ tool, results }] = runs;
    expect(tool.driver.rules.map(({ id }: { id: string }) => id)).toEqual(Object.keys(LINT_CODES));
    expect(results).toHaveLength(13);
    for (const { ruleId, ruleIndex } of results) expect(tool.driver.rules[ruleIndex].id).toBe(ruleId);
    expect(results[0]).toMatchObject({
      ruleId: 'IM144',
      level: 'warning',
      locations: [{ physicalLocation: { artifactLocation: { uri: 'bad.yaml' }, region: { startLine: 2, startColumn: 3 } } }],
    });
  });

  test('json is what --json is', async () => {
    const json = await lint('bad.yaml --format json', FILES);
    expect(json).toEqual(await lint('bad.yaml --json', FILES));
  });

  test('a word that is none ends with 2', async () => {
    expect(await lint('--format sarfi')).toMatchObject({ exit: 2, err: expect.stringContaining('--format sarif') });
  });
});

describe('inmesh lint --fix', () => {
  test('writes what was meant, and tells what is left', async () => {
    put('inmesh.yaml', '# ours\ndefaults: { timeot: 1s }\nretryBudget: { ratio: 4 }\n');
    const { out, exit } = await lint('inmesh.yaml --fix');
    expect(get('inmesh.yaml')).toBe('# ours\ndefaults: { timeout: 1s }\nretryBudget: { ratio: 4 }\n');
    expect(exit).toBe(0);
    expect(out).toMatch(/^inmesh\.yaml:3:16 warning IM130[\s\S]*\n1 mended; 0 errors, 1 warning\n$/);
  });

  test('leaves a file alone that needs nothing, or is not UTF-8', async () => {
    put('a.yaml', '{}  ');
    await lint('a.yaml --fix');
    expect(get('a.yaml')).toBe('{}  ');
    const latin = Buffer.from('# caf\xe9\ndefaults: { timeot: 1s }', 'latin1');
    writeFileSync(join(folder, 'b.yaml'), latin);
    expect((await lint('b.yaml --fix')).exit).toBe(1);
    expect(readFileSync(join(folder, 'b.yaml'))).toEqual(latin);
  });
});

describe('inmesh lint of several files', () => {
  test('tells what they do to each other', async () => {
    put('web.yaml', 'services: { shop.v1.Cart: { timeout: 1s } }');
    put('cart.yaml', '# inmesh-lint: serves shop.v1.Cart\nservices: { stock.v1.Stock: { timeout: 5s } }');
    const { out, exit } = await lint('web.yaml cart.yaml');
    expect(exit).toBe(0);
    expect(out).toMatch(/^cart\.yaml:2:13 warning IM145 /);
    expect((await lint('cart.yaml')).out).toBe('nothing wrong\n');
  });
});
