/**
 * What README and docs say is true: code is cut from programs that run, links lead somewhere, tables are those of the code.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { BUDGETS, LAYER_BUDGET_US } from '../bench/budgets.ts';
import { LAYER_NAMES } from '../bench/layer-variants.ts';
import { VARIANT_NAMES } from '../bench/variants.ts';
import { CLIENT_STAGES, SERVER_STAGES } from '../interceptors/pipeline.ts';
import * as inmesh from '../src/index.ts';
import { parsePolicy } from '../src/policy/parse.ts';
import { PolicyTable } from '../src/policy/resolve.ts';
import { FROM_SOURCE } from './support/from-source.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROGRAMS = 'examples/readme';
/** What else a block may be cut from, and who runs it. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  'test/package/quickstart.mjs': 'test/package/tarball.test.ts',
  'examples/codegen/run.ts': 'test/codegen/plugin.test.ts',
  'examples/codegen/buf.gen.yaml': 'test/codegen/plugin.test.ts',
};
/** Folders whose programs have a runner of their own. */
const RUNNERS: Readonly<Record<string, string>> = {
  'examples/stacks/': 'test/interop/stacks/examples.test.ts',
  'test/package/consumers/': 'test/package/consumers.ts',
  'examples/declared/': 'test/interop/declared.test.ts',
};
const runnerOf = (file: string): string | undefined =>
  RUN_ELSEWHERE[file] ?? Object.entries(RUNNERS).find(([folder]) => file.startsWith(folder))?.[1];
/** Blocks in these languages show what runs. */
const CODE = ['ts', 'js', 'yaml', 'json', 'proto'];
/** Support for the programs, not one itself. */
const LIBRARY = 'greeter.ts';
const PAGE_PARTS = ['**Default:**', '**Cost:**', '**When not:**'];

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const list = (folder: string, ending: string): string[] => readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(ending));

const docs = list('docs', '.md').map((name) => `docs/${name}`);
const pages = docs.filter((file) => file !== 'docs/README.md');
const texts = [...list('.', '.md'), 'llms.txt', 'examples/atlas/README.md', ...docs];
const programs = list(PROGRAMS, '.ts').filter((name) => name !== LIBRARY);
const withoutCode = (text: string): string => text.replace(/```[\s\S]*?```/g, '');

interface Block {
  readonly title: string;
  readonly language: string;
  readonly info: string;
  readonly code: string;
}

function blocksOf(file: string): Block[] {
  return [...read(file).matchAll(/^```(\w*)([^\n]*)\n([\s\S]*?)^```$/gm)].map(([, language = '', info = '', code = ''], index) => ({
    title: `${file}, block ${index + 1}`,
    language,
    info: info.trim(),
    code: code.trim(),
  }));
}

/** The lines of a region (`// #region name` to `// #endregion`) or of a whole file. */
function sourceOf(place: string): string {
  const [file = '', region] = place.split('#');
  const text = read(file);
  if (region === undefined) return text.trim();
  const found = new RegExp(`^// #region ${region}\\n([\\s\\S]*?)^// #endregion$`, 'm').exec(text);
  if (found === null) throw new Error(`${file} has no region ${region}`);
  return (found[1] ?? '').trim();
}

describe('blocks of code', () => {
  const blocks = texts.flatMap(blocksOf).filter(({ language }) => CODE.includes(language));

  test('there are some', () => {
    expect(blocks.length).toBeGreaterThan(20);
  });

  test.each(blocks)('$title is cut from a file that runs', ({ info, code }) => {
    const place = /^file=(\S+)$/.exec(info)?.[1] ?? '';
    const file = place.replace(/#.*/, '');
    const runner = runnerOf(file);
    if (runner === undefined) expect(dirname(file)).toBe(PROGRAMS);
    else expect(read(runner)).toContain(file.replace(/.*\//, ''));
    expect(code).toBe(sourceOf(place));
  });

  test('every region of a program is shown somewhere', () => {
    const shown = new Set(blocks.map(({ info }) => info.replace('file=', '')));
    const regions = programs.flatMap((name) =>
      [...read(join(PROGRAMS, name)).matchAll(/^\/\/ #region (\S+)$/gm)].map(([, region]) => `${PROGRAMS}/${name}#${region}`),
    );
    expect(regions.filter((region) => !shown.has(region))).toEqual([]);
  });
});

/** What a program says it prints: `// prints TEXT`, `// prints TEXT (4 times)`. */
function promised(text: string): string[] {
  return [...text.matchAll(/\/\/ prints (.*?)(?: \((\d+) times\))?$/gm)].flatMap(([, line = '', times = '1']) =>
    new Array<string>(Number(times)).fill(line),
  );
}

// Most of their time is the start of a process: two at a time.
describe.concurrent(`programs in ${PROGRAMS}`, () => {
  test.for(programs)('%s prints what it says, warns of nothing and ends by itself', { timeout: 90_000 }, async (name, { expect }) => {
    const file = join(ROOT, PROGRAMS, name);
    const args = ['--disable-warning=ExperimentalWarning', '--import', FROM_SOURCE, file];
    const ran = await new Promise<{ code: number | string; out: string; said: string }>((resolve) => {
      execFile(process.execPath, args, { timeout: 60_000 }, (error, out, said) => resolve({ code: error?.code ?? 0, out, said }));
    });
    expect(ran.said).toBe('');
    expect(ran.out.trim().split('\n')).toEqual(promised(readFileSync(file, 'utf8')));
    expect(ran.code).toBe(0);
  });
});

/** GitHub's name for a heading. */
const slug = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

const anchorsOf = (file: string): string[] => [...withoutCode(read(file)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => slug(heading));

describe.each(texts)('%s', (file) => {
  const text = read(file);

  test('links to files and headings that exist', () => {
    const broken = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [path = '', anchor] = target.split('#');
        const found = path === '' ? file : relative(ROOT, join(ROOT, dirname(file), path));
        if (!existsSync(join(ROOT, found))) return true;
        return anchor !== undefined && !(statSync(join(ROOT, found)).isFile() && anchorsOf(found).includes(anchor));
      });
    expect(broken).toEqual([]);
  });

  test('names scripts and files of commands that exist', () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
    const named = [...text.matchAll(/npm (?:run ([\w:-]+)|(start|test))\b/g)].map(([, script, short]) => script ?? short ?? '');
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
    const files = [...text.matchAll(/`((?:src|interceptors|test|examples|docs|bench|scripts|protos|\.ci)\/[\w./-]+)`/g)].map(
      ([, path = '']) => path,
    );
    expect(files.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

describe('README', () => {
  const readme = read('README.md');

  test('is at most 250 lines', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(251);
  });

  test('says what createMesh() without a policy does: the table as a policy changes nothing', () => {
    const table = /^## What `createMesh\(\)` changes$[\s\S]*?^## /m.exec(readme)?.[0] ?? '';
    const cells = [...table.matchAll(/^\|.*\| `(\{?.*)` +\|$/gm)].map(([, cell = '']): unknown => parse(cell));
    const said = parsePolicy(Object.assign({}, ...cells));
    expect(Object.keys(said).sort()).toEqual([
      'balance',
      'coalesce',
      'deadline',
      'defaults',
      'endpoints',
      'outlierDetection',
      'retryBudget',
      'server',
      'telemetry',
    ]);
    const facts = (table: PolicyTable): unknown => {
      const { retryBudget, balance, endpoints, coalesce, deadline, telemetry, server } = table;
      return {
        retryBudget,
        balance: { ...balance, explicit: false },
        endpoints,
        coalesce,
        deadline,
        telemetry,
        server,
        method: table.method('/a.B/C'),
      };
    };
    expect(facts(new PolicyTable(said))).toEqual(facts(new PolicyTable(parsePolicy({}))));
    expect(Object.keys(new PolicyTable(said).method('/a.B/C')).sort()).toEqual(['coalesce', 'idempotent', 'retry']);
  });
});

describe('figures', () => {
  test('README names the budgets of the bench, each with its target', () => {
    const rows = read('README.md')
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const missing = BUDGETS.flatMap(({ variants, callers, metric, target }) =>
      variants.filter((variant) => {
        const bound = `${metric === 'rate' ? '>=' : '<='} ${target}`;
        return !rows.some(([, what = '', at, budget]) => what.includes(`\`${variant}\``) && at === String(callers) && budget === bound);
      }),
    );
    expect(missing).toEqual([]);
    expect(rows.some(([, what = '', , budget]) => what.includes('layers') && budget === `<= ${LAYER_BUDGET_US.budget} us`)).toBe(true);
  });

  test('every row or variant of the bench that docs point to exists', () => {
    const known: readonly string[] = [...VARIANT_NAMES, ...LAYER_NAMES];
    const pointed = docs.flatMap((file) =>
      [...read(file).matchAll(/(?:rows?|variants?) ((?:`[\w-]+`(?:, | and )?)+)/gi)].flatMap(([, names = '']) =>
        [...names.matchAll(/`([\w-]+)`/g)].map(([, name = '']) => name),
      ),
    );
    expect(pointed.length).toBeGreaterThan(10);
    expect(pointed.filter((name) => !known.includes(name))).toEqual([]);
  });
});

describe('docs', () => {
  test.each(pages)('%s says default, cost and when not, and is in the index', (file) => {
    const text = read(file);
    expect(PAGE_PARTS.filter((part) => !text.includes(part))).toEqual([]);
    expect(read('docs/README.md')).toContain(`(${file.replace('docs/', '')})`);
    expect(read('llms.txt')).toContain(`(${file})`);
  });

  test('name every function and class of the package', () => {
    const all = docs.map(read).join('\n') + read('README.md');
    expect(Object.keys(inmesh).filter((name) => !all.includes(name))).toEqual([]);
  });

  test('policy.md has every field of policy.proto', () => {
    const fields = [...read('protos/inmesh/v1/policy.proto').matchAll(/^ {2}(?:optional |repeated )?[\w.<>, ]+ (\w+) = \d+/gm)]
      .map(([, name = '']) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()))
      .filter((name) => !/^[A-Z_]+$/.test(name));
    expect(fields.length).toBeGreaterThan(30);
    const page = read('docs/policy.md');
    expect(fields.filter((name) => !new RegExp(`\\b${name}\\b`).test(page))).toEqual([]);
  });

  test('the table of reasons has those of the code, no more and no fewer', () => {
    const sources = ['src', 'interceptors'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => read(join(folder, name)).replace(/^\s*(?:\*|\/\/|\/\*\*).*$/gm, '')),
    );
    const inCode = sources
      .flatMap((text) => [...text.matchAll(/['`](client|server|\$\{side\})(\.[a-z]+\/[a-z-]+)['`]/g)])
      .flatMap(([, side = '', rest]) => (side.startsWith('$') ? ['client', 'server'] : [side]).map((one) => one + rest));
    const inDocs = [...read('docs/README.md').matchAll(/^\| `((?:client|server)\.\S+)`/gm)].map(([, reason]) => reason);
    expect([...inDocs].sort()).toEqual([...new Set(inCode)].sort());
  });
});

describe('ARCHITECTURE.md', () => {
  test('has the stack of pipeline.ts', () => {
    const text = read('ARCHITECTURE.md');
    expect(text).toContain(`- Client: ${CLIENT_STAGES.map(({ name }) => name).join(', ')}\n`);
    expect(text).toContain(`- Server: ${SERVER_STAGES.map(({ name }) => name).join(', ')}\n`);
  });

  test('SECURITY.md says what tenants that share no carrier share all the same (Q9)', () => {
    expect(read('SECURITY.md')).toMatch(/\*\*What tenants still share is time\.\*\*/);
  });
});
