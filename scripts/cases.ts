/**
 * `npm run cases`: every case of the tables (`test/cases.json`) with the files whose tests name it in a title.
 *
 *     npm run cases              the table, and which cases no test names
 *     npm run cases -- --json    the same for programs
 *
 * Exit code: 0 each required case has a test; 1 some have none; 2 wrong flags.
 */
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { idsIn, titlesIn } from './case-titles.ts';
import { ROOT } from './process.ts';

interface Group {
  /** Whether a case without test is an error. */
  readonly required: boolean;
  readonly cases: Readonly<Record<string, string>>;
}

interface Row {
  readonly id: string;
  readonly group: string;
  readonly required: boolean;
  readonly what: string;
  readonly files: readonly string[];
  /** Titles that name it and say that it can't be had. */
  readonly blocked: readonly string[];
}

const flags = process.argv.slice(2);
const wrong = flags.find((flag) => flag !== '--json');
if (wrong !== undefined) {
  console.error(`unknown flag ${wrong}; there is: --json`);
  process.exit(2);
}

const groups = JSON.parse(readFileSync(join(ROOT, 'test/cases.json'), 'utf8')) as Readonly<Record<string, Group>>;
const files = new Map<string, Set<string>>();
const blocked = new Map<string, Set<string>>();

for await (const file of glob('test/**/*.ts', { cwd: ROOT })) {
  // Its own examples are no tests of cases.
  if (file.endsWith('case-titles.test.ts')) continue;
  for (const title of titlesIn(readFileSync(join(ROOT, file), 'utf8'))) {
    for (const id of idsIn(title)) {
      // A table of a proposal: "A6" is its name there.
      if (file.includes('/grfc/') && id.startsWith('A')) continue;
      note(files, id, file);
      if (title.includes('(blocked')) note(blocked, id, title);
    }
  }
}

function note(table: Map<string, Set<string>>, id: string, text: string): void {
  const texts = table.get(id);
  if (texts === undefined) table.set(id, new Set([text]));
  else texts.add(text);
}

const rows: readonly Row[] = Object.entries(groups).flatMap(([group, { required, cases }]) =>
  Object.entries(cases).map(([id, what]) => ({
    id,
    group,
    required,
    what,
    files: [...(files.get(id) ?? [])].sort(),
    blocked: [...(blocked.get(id) ?? [])],
  })),
);
const missing = rows.filter((row) => row.files.length === 0);
const fatal = missing.filter((row) => row.required);

if (flags.includes('--json')) console.log(JSON.stringify({ rows, missing: missing.map(({ id }) => id) }, null, 2));
else print();
process.exitCode = fatal.length > 0 ? 1 : 0;

function print(): void {
  for (const [group, { cases }] of Object.entries(groups)) {
    console.log(`\n${group}`);
    for (const { id, what, files, blocked } of rows.filter((row) => row.id in cases)) {
      console.log(`  ${id.padEnd(4)}${files.length === 0 ? 'MISSING ' : ''}${what}${blocked.length > 0 ? ' (blocked)' : ''}`);
      for (const file of files) console.log(`      ${file}`);
    }
  }
  const optional = missing.filter((row) => !row.required);
  console.log(`\n${rows.length} cases, ${rows.length - missing.length} with tests`);
  if (optional.length > 0) console.log(`no test, not required: ${optional.map(({ id }) => id).join(' ')}`);
  if (fatal.length > 0) console.log(`no test: ${fatal.map(({ id }) => id).join(' ')}`);
}
