/**
 * `inmesh explain`: what holds for one method, and why.
 *
 * @packageDocumentation
 */
import { resolve } from 'node:path';
import type { ExplainedView, ExplainView } from '../../observe/views.ts';
import { text, toggle } from '../args.ts';
import { type Command, command } from '../command.ts';
import { Exit, usageError } from '../exit.ts';
import { AdminClient, urlFlag } from '../http.ts';
import { type Io, print } from '../io.ts';
import { descriptorsFlag, protoFlag, readCatalog } from '../policy-source.ts';
import { type ReflectValues, readReflected, reflectFlags } from '../reflect-source.ts';
import { type Column, table } from '../table.ts';
import { json, safe } from '../text.ts';
import { isExplained } from '../views.ts';

/** The command. */
export const explain: Command = command({
  name: 'explain',
  usage: 'METHOD [flags]',
  about: [
    'Every setting that holds for "pkg.Service/Method", with the place that it comes from: methods, services, what the .proto file declares, a service config, the defaults of the policy, or what is built in.',
    'Asks a running process, or reads a policy file with --config. Settings that nobody has set are left out unless --all.',
  ],
  flags: {
    url: urlFlag,
    config: text('policy file to read, instead of asking a process', 'FILE', 'c'),
    proto: protoFlag,
    descriptors: descriptorsFlag,
    ...reflectFlags,
    all: toggle('also what is built in', 'a'),
    json: toggle('as JSON, always with everything'),
  },
  examples: [
    ['inmesh explain shop.v1.Cart/AddItem --config inmesh.yaml --proto protos', 'what this file means for a method'],
    ['inmesh explain shop.v1.Cart/AddItem --all', 'what the running process does, defaults too'],
  ],
  exits: '3 nobody answers',
  async run({ values, words }, io) {
    const [method] = words;
    if (method === undefined || words.length > 1)
      throw usageError(`expected one METHOD, got ${words.length}`, 'such as shop.v1.Cart/AddItem');
    const name = method.replace(/^\//, '');
    if (values.config === undefined && values.proto.length + values.descriptors.length + values.reflect.length > 0)
      throw usageError('--proto, --descriptors and --reflect go with --config: a running process knows its own');
    const view =
      values.config === undefined
        ? await new AdminClient(io, values.url).json(`/config.json?method=${encodeURIComponent(name)}`, isExplained)
        : await offline(io, name, values.config, values);
    if (values.json) io.out(`${json(view, 2)}\n`);
    else print(io, lines(view, values.all, io));
    return Exit.ok;
  },
});

interface Sources extends ReflectValues {
  readonly proto: readonly string[];
  readonly descriptors: readonly string[];
}

async function offline(io: Io, method: string, file: string, sources: Sources): Promise<ExplainView> {
  const [{ loadPolicy }, { PolicyTable }, { declaredBy }, policyExplain, { ConfigError }] = await Promise.all([
    import('../../policy/load.ts'),
    import('../../policy/resolve.ts'),
    import('../../policy/declared.ts'),
    import('../../policy/explain.ts'),
    import('../../errors.ts'),
  ]);
  try {
    const policy = await loadPolicy(resolve(io.cwd, file));
    const catalog = await readCatalog(io, sources.proto, sources.descriptors, await readReflected(io, sources));
    return policyExplain.explain(new PolicyTable(policy, declaredBy(catalog)), method);
  } catch (error) {
    if (error instanceof ConfigError) throw usageError(error.message.replaceAll(resolve(io.cwd, file), file).replace(/^explain: /, ''));
    throw error;
  }
}

const COLUMNS: readonly Column<ExplainedView>[] = [
  { title: 'SETTING', least: 16, cell: ({ field }) => safe(field) },
  { title: 'VALUE', least: 12, cell: ({ value }) => (value === null ? { text: 'unset', tone: 'dim' } : safe(written(value))) },
  { title: 'FROM', cell: ({ origin }) => ({ text: safe(origin), tone: origin === 'built-in' ? 'dim' : 'good' }) },
  { title: 'WHERE', least: 12, spare: 1, cutAt: 'start', cell: ({ where }) => ({ text: safe(where), tone: 'dim' }) },
];

const written = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

function lines({ method, values }: ExplainView, all: boolean, io: Io): string[] {
  const shown = all ? values : values.filter(({ origin }) => origin !== 'built-in');
  const hidden = values.length - shown.length;
  const note = hidden === 0 ? [] : [io.style('dim', `${hidden} settings are as built in; --all shows them`)];
  return [io.style('strong', safe(method)), ...table(COLUMNS, shown, io.width, io.style), ...note];
}
