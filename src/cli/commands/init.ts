/**
 * `inmesh init`: a policy to begin with, and the lines that put it to use.
 *
 * @packageDocumentation
 */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { text, toggle } from '../args.ts';
import { type Command, command } from '../command.ts';
import { CliError, Exit, usageError } from '../exit.ts';
import { codeFor, policyTemplate, stacksOf } from '../init-template.ts';
import { print } from '../io.ts';
import { dependenciesOf, readJson } from '../packages.ts';
import { protoFlag, readCatalog } from '../policy-source.ts';
import { policyOfServiceConfig } from '../service-config-source.ts';
import { json, safe } from '../text.ts';

/** The command. */
export const init: Command = command({
  name: 'init',
  usage: '[flags]',
  about: [
    'Writes a policy with comments, and prints the lines that put it to use in the gRPC library that package.json names (grpc-js, ts-proto, nice-grpc, NestJS, google-gax). A file that is there already stays as it is.',
  ],
  flags: {
    file: text('file to write [inmesh.yaml]', 'FILE', 'f'),
    force: toggle('overwrite it if it is there'),
    print: toggle('print the file instead of writing it'),
    proto: protoFlag,
    'service-config': text('begin with what a gRPC service config (JSON) says', 'FILE'),
    json: toggle('as JSON: { file, written, stacks, code }'),
  },
  examples: [
    ['inmesh init', 'begin'],
    ['inmesh init --proto protos', 'with a method of your own in the comments'],
    ['inmesh init --print > deploy/mesh.yaml', 'elsewhere'],
    ['inmesh init --service-config service-config.json', 'with the timeouts and retries that clients had before'],
  ],
  async run({ values, words }, io) {
    if (words.length > 0) throw usageError(`expected no words, got ${words.length}`, `did you mean --file ${words[0]}?`);
    const catalog = await readCatalog(io, values.proto, []);
    const method = [...(catalog?.methods ?? [])].find(({ clientStreaming, serverStreaming }) => !clientStreaming && !serverStreaming);
    const given = values['service-config'];
    const policy = given === undefined ? policyTemplate(method?.path.slice(1)) : await policyOfServiceConfig(io, given);
    if (values.print) {
      io.out(policy);
      return Exit.ok;
    }
    const file = values.file ?? 'inmesh.yaml';
    try {
      await writeFile(resolve(io.cwd, file), policy, { flag: values.force ? 'w' : 'wx' });
    } catch (error) {
      const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EEXIST')
        throw usageError(`${file} is there already, and stays as it is`, '--force overwrites it, --print shows what would be written');
      throw new CliError(Exit.usage, `${file} cannot be written (${String(code)})`);
    }
    const stacks = stacksOf(await dependenciesOf(io.cwd));
    const isModule = (await readJson(join(io.cwd, 'package.json')))?.['type'] === 'module';
    const code = Object.fromEntries(stacks.map((stack) => [stack, codeFor(stack, file, isModule)]));
    if (values.json) {
      io.out(`${json({ file, written: true, stacks, code }, 2)}\n`);
      return Exit.ok;
    }
    print(io, [`wrote ${safe(file)}`]);
    for (const [stack, lines] of Object.entries(code))
      print(io, ['', `${stack}:`, '', ...lines.map((line) => (line === '' ? '' : `  ${line}`))]);
    print(io, ['', `then: inmesh lint ${safe(file)}, inmesh check`]);
    return Exit.ok;
  },
});
