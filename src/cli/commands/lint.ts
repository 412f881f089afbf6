/**
 * `inmesh lint`: mistakes in a policy, before it runs.
 *
 * @packageDocumentation
 */
import type { Finding } from '../../lint/codes.ts';
import { LINT_CODES } from '../../lint/codes.ts';
import { toggle } from '../args.ts';
import { type Command, command } from '../command.ts';
import { Exit } from '../exit.ts';
import { type Io, print } from '../io.ts';
import { descriptorsFlag, protoFlag, readCatalog, readText } from '../policy-source.ts';
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
    'With the .proto files at hand it knows methods, marks (idempotency_level) and batch methods too. Each finding has a code: --codes lists them.',
  ],
  flags: {
    proto: protoFlag,
    descriptors: descriptorsFlag,
    strict: toggle('warnings count as errors'),
    codes: toggle('list every code, and read nothing'),
    json: toggle('as JSON: { findings, errors, warnings }'),
  },
  examples: [
    ['inmesh lint', 'the policy in inmesh.yaml by itself'],
    ['inmesh lint deploy/*.yaml --proto protos --strict', 'in CI: several, with their services'],
    ['inmesh lint inmesh.yaml --descriptors image.binpb --json', 'for an editor'],
  ],
  exits: '1 errors found, or warnings with --strict',
  async run({ values, words }, io) {
    if (values.codes) return listCodes(io, values.json);
    const { lintPolicy } = await import('../../lint/lint.ts');
    const catalog = await readCatalog(io, values.proto, values.descriptors);
    const files = words.length === 0 ? [DEFAULT_FILE] : words;
    const findings: Finding[] = [];
    for (const file of files) findings.push(...lintPolicy(await readText(io, file), { file, catalog }));
    const errors = findings.filter(({ severity }) => severity === 'error').length;
    const warnings = findings.filter(({ severity }) => severity === 'warning').length;
    if (values.json) io.out(`${json({ findings, errors, warnings }, 2)}\n`);
    else print(io, [...findings.flatMap((finding) => lines(finding, io)), summary(files.length, errors, warnings)]);
    return errors > 0 || (values.strict && warnings > 0) ? Exit.problems : Exit.ok;
  },
});

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
