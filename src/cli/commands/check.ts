/**
 * `inmesh check`: is everything in place.
 *
 * @packageDocumentation
 */
import { duration, text, texts, toggle } from '../args.ts';
import { checkPackages, checkPolicyFile } from '../check-install.ts';
import { type Checked, inGroup, type Verdict } from '../check-types.ts';
import { type Command, command } from '../command.ts';
import { CliError, Exit, usageError } from '../exit.ts';
import { AdminClient, urlFlag } from '../http.ts';
import { type Io, print } from '../io.ts';
import { readText } from '../policy-source.ts';
import type { Tone } from '../style.ts';
import { json, safe, wrap } from '../text.ts';
import { isOverview } from '../views.ts';

const MARKS: Readonly<Record<Verdict, readonly [mark: string, tone: Tone]>> = {
  ok: ['√', 'good'],
  warn: ['!', 'warn'],
  fail: ['×', 'bad'],
  skip: ['-', 'dim'],
};

/** The command. */
export const check: Command = command({
  name: 'check',
  usage: '[flags]',
  about: [
    'Looks at the project in this folder: the version of Node, copies of @grpc/grpc-js and @opentelemetry/api (two of them do not work together), other instrumentation of gRPC, the policy.',
    'With --target also at a server: is it reachable, what does its health service say, what does it serve. With --url also at the admin server of a running process.',
  ],
  flags: {
    config: text('policy file [inmesh.yaml, if it is there]', 'FILE', 'c'),
    target: texts('gRPC server to ask, such as 127.0.0.1:50051', 'TARGET'),
    tls: toggle('connect to targets with TLS'),
    ca: text('root certificates for that, in PEM', 'FILE'),
    url: urlFlag,
    timeout: duration('longest wait for each answer', { minMs: 10, maxMs: 600_000, fallback: 3000, shown: '3s' }),
    json: toggle('as JSON: { ok, checks }'),
  },
  examples: [
    ['inmesh check', 'the installation and the policy in this folder'],
    ['inmesh check --target orders:50051 --tls', 'and a server'],
    ['inmesh check --url 127.0.0.1:9902 --json', 'and a running process, for a script'],
  ],
  exits: '1 something failed',
  async run({ values, words }, io) {
    if (words.length > 0) throw usageError(`expected no words, got ${words.length}`, `did you mean --target ${words[0]}?`);
    const checks = [...(await checkPackages(io)), ...(await checkPolicyFile(io, values.config, (file) => readText(io, file)))];
    if (values.target.length > 0) {
      const { checkTarget } = await import('../probe.ts');
      const options = { tls: values.tls, ca: values.ca, timeoutMs: values.timeout };
      for (const target of values.target) checks.push(...(await checkTarget(io, target, options)));
    }
    if (values.url !== undefined) checks.push(...(await checkAdmin(io, values.url)));
    const failed = checks.filter(({ verdict }) => verdict === 'fail').length;
    if (values.json) io.out(`${json({ ok: failed === 0, checks }, 2)}\n`);
    else print(io, lines(checks, io));
    return failed === 0 ? Exit.ok : Exit.problems;
  },
});

async function checkAdmin(io: Io, url: string): Promise<Checked[]> {
  const admin = new AdminClient(io, url);
  const fact = inGroup(`process ${admin.url}`);
  try {
    const { process, endpoints } = await admin.json('/overview.json', isOverview);
    const facts = [fact('ok', 'admin server', `${process.service}, inmesh ${process.inmesh}`)];
    if (process.draining) facts.push(fact('warn', 'draining', 'takes no more calls'));
    const dead = [...new Set(endpoints.map(({ target }) => target))].filter(
      (target) => !endpoints.some((one) => one.target === target && one.ready),
    );
    facts.push(
      dead.length === 0
        ? fact('ok', 'endpoints', `${endpoints.filter(({ ready }) => ready).length} of ${endpoints.length} ready`)
        : fact('fail', 'endpoints', `none ready for ${dead.join(', ')}`, 'inmesh stat and inmesh events tell more'),
    );
    return facts;
  } catch (error) {
    if (error instanceof CliError) return [fact('fail', 'admin server', error.message, error.hint)];
    throw error;
  }
}

function lines(checks: readonly Checked[], io: Io): string[] {
  const out: string[] = [];
  let group = '';
  const width = Math.min(120, io.width);
  for (const { group: own, what, verdict, detail, hint } of checks) {
    if (own !== group) {
      out.push(...(group === '' ? [] : ['']), io.style('strong', safe(own)));
      group = own;
    }
    const [mark, tone] = MARKS[verdict];
    const [first = '', ...rest] = wrap(`${safe(what)}: ${safe(detail)}`, width - 4);
    out.push(`  ${io.style(tone, mark)} ${first}`, ...rest.map((line) => `    ${line}`));
    if (hint !== undefined) out.push(...wrap(`-> ${safe(hint)}`, width - 4, '   ').map((line) => `    ${line}`));
  }
  const count = (wanted: Verdict): number => checks.filter(({ verdict }) => verdict === wanted).length;
  return [...out, '', `${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failed, ${count('skip')} not there`];
}
