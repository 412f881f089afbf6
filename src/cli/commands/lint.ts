/**
 * `inmesh lint`: mistakes in a policy, before it runs.
 *
 * @packageDocumentation
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Finding } from '../../lint/codes.ts';
import { LINT_CODES } from '../../lint/codes.ts';
import type { LintSource } from '../../lint/lint.ts';
import { choice, toggle } from '../args.ts';
import { type Command, command } from '../command.ts';
import { Exit, usageError } from '../exit.ts';
import { type Io, print } from '../io.ts';
import { githubLines, sarif } from '../lint-formats.ts';
import { descriptorsFlag, protoFlag, readCatalog, readText } from '../policy-source.ts';
import { readReflected, reflectFlags } from '../reflect-source.ts';
import type { Tone } from '../style.ts';
import { table } from '../table.ts';
import { json, safe, wrap } from '../text.ts';

/** Where `inmesh init` writes to. */
const DEFAULT_FILE = 'inmesh.yaml';

const TONES: Readonly<Record<Finding['severity'], Tone>> = { error: 'bad', warning: 'warn', info: 'dim' };

/** The command. */
export const lint: Command = command({
  name: 'lint',
  usage: '[FILE...] [flags]',
  about: [
    'Reads policies (YAML or JSON; inmesh.yaml if none is named) and tells what is wrong with them, or hardly meant: names that do not exist, retries that cannot happen, load that an outage would multiply, times in the wrong order.',
    'With the .proto files at hand it knows methods, marks (idempotency_level), batch methods and options of inmesh too. Several policies at once are looked at as those of services that call each other. Each finding has a code: --codes lists them.',
  ],
  flags: {
    proto: protoFlag,
    descriptors: descriptorsFlag,
    ...reflectFlags,
    strict: toggle('warnings count as errors'),
    fix: toggle('write what was meant where a name or value is misspelt, and tell what is left'),
    codes: toggle('list every code, and read nothing'),
    format: choice('how findings are told', ['text', 'json', 'github', 'sarif'], 'text'),
    json: toggle('the same as --format json: { findings, errors, warnings }'),
  },
  examples: [
    ['inmesh lint', 'the policy in inmesh.yaml by itself'],
    ['inmesh lint deploy/*.yaml --proto protos --strict', 'in CI: several, with their services'],
    ['inmesh lint deploy/*.yaml --format github', 'in a GitHub workflow: findings at their lines'],
    ['inmesh lint inmesh.yaml --descriptors image.binpb --json', 'for an editor'],
    ['inmesh lint --reflect orders:50051 --tls', 'with what a running server serves'],
  ],
  exits: '1 errors found, or warnings with --strict; 3 the server of --reflect does not answer',
  async run({ values, words }, io) {
    if (values.codes) return listCodes(io, values.json || values.format === 'json');
    const { lintPolicies } = await import('../../lint/lint.ts');
    const { readProtoSources } = await import('../lint-protos.ts');
    const reflected = await readReflected(io, values);
    const catalog = await readCatalog(io, values.proto, values.descriptors, reflected);
    const facts = { catalog, ...(await readProtoSources(io, values.proto, values.descriptors, reflected)) };
    // Services that declare all they want in their .proto files need no policy beside them.
    const none = words.length === 0 && catalog !== undefined && !existsSync(resolve(io.cwd, DEFAULT_FILE));
    const files = words.length === 0 && !none ? [DEFAULT_FILE] : words;
    const policies = await Promise.all(files.map(async (file) => ({ file, text: await readText(io, file) })));
    const sources = none ? [{ file: DEFAULT_FILE, text: '{}' }] : policies;
    const found = lintPolicies(sources, facts);
    const mended = values.fix ? await mendFiles(io, sources, found) : { sources, count: 0 };
    const findings = mended.count === 0 ? found : lintPolicies(mended.sources, facts);
    const errors = findings.filter(({ severity }) => severity === 'error').length;
    const warnings = findings.filter(({ severity }) => severity === 'warning').length;
    const format = values.json ? 'json' : values.format;
    if (format === 'json') io.out(`${json({ findings, errors, warnings }, 2)}\n`);
    else if (format === 'sarif') io.out(`${sarif(findings)}\n`);
    else if (format === 'github') print(io, githubLines(findings));
    else {
      const total = summary(sources.length, errors, warnings);
      print(io, [...findings.flatMap((finding) => lines(finding, io)), mended.count === 0 ? total : `${mended.count} mended; ${total}`]);
    }
    return errors > 0 || (values.strict && warnings > 0) ? Exit.problems : Exit.ok;
  },
});

/** Writes the files in which something could be mended. */
async function mendFiles(
  io: Io,
  sources: readonly LintSource[],
  findings: readonly Finding[],
): Promise<{ readonly sources: readonly LintSource[]; readonly count: number }> {
  const { mend } = await import('../../lint/fixes.ts');
  let total = 0;
  const mended: LintSource[] = [];
  for (const { file, text } of sources) {
    const { text: better, count } = mend(
      text,
      // A file that is not UTF-8 was read with gaps, which nobody wants written.
      text.includes('\ufffd') ? [] : findings.filter((finding) => finding.file === file),
    );
    if (count > 0) await writeText(io, file, better);
    mended.push({ file, text: better });
    total += count;
  }
  return { sources: mended, count: total };
}

async function writeText(io: Io, file: string, text: string): Promise<void> {
  try {
    await writeFile(resolve(io.cwd, file), text);
  } catch (error) {
    throw usageError(`${file}: cannot be written (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'})`);
  }
}

function lines({ file, line, column, severity, code, path, message, fix }: Finding, io: Io): string[] {
  const head = `${safe(file)}:${line}:${column} ${io.style(TONES[severity], severity)} ${io.style('strong', code)} ${io.style('dim', safe(path))}`;
  const width = Math.min(120, io.width) - 2;
  const text = wrap(safe(message), width).map((one) => `  ${one}`);
  return [head, ...text, ...(fix === undefined ? [] : wrap(`fix: ${safe(fix)}`, width, '     ').map((one) => `  ${io.style('dim', one)}`))];
}

function summary(files: number, errors: number, warnings: number): string {
  const of = files === 1 ? '' : ` in ${files} files`;
  const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
  return errors + warnings === 0 ? `nothing wrong${of}` : `${plural(errors, 'error')}, ${plural(warnings, 'warning')}${of}`;
}

function listCodes(io: Io, asJson: boolean): number {
  const rows = Object.entries(LINT_CODES).map(([code, entry]) => ({ code, ...entry }));
  if (asJson) io.out(`${json(rows, 2)}\n`);
  else
    print(
      io,
      table(
        [
          { title: 'CODE', cell: ({ code }) => code },
          { title: 'SEVERITY', cell: ({ severity }) => severity },
          { title: 'MEANS', cell: ({ about }) => about },
        ],
        rows,
        Number.POSITIVE_INFINITY,
        io.style,
      ),
    );
  return Exit.ok;
}
