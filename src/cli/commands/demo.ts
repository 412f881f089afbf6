/**
 * `inmesh demo`: something for `top`, `stat` and `tap` to look at.
 *
 * @packageDocumentation
 */
import { duration, number, toggle } from '../args.ts';
import { type Command, command } from '../command.ts';
import { CliError, Exit, usageError } from '../exit.ts';
import { print, sleep } from '../io.ts';
import { json } from '../text.ts';

const DAY_MS = 86_400_000;
const DEFAULT_PORT = 9902;

/** The command. */
export const demo: Command = command({
  name: 'demo',
  usage: '[flags]',
  about: [
    'Starts three servers of a small shop, a client that calls them some 150 times a second through a mesh, and an admin server, all in this process and on 127.0.0.1 only. Every half minute one server becomes twenty times slower for a while, and another one fails.',
    'Leave it running, and look at it with inmesh top, stat, tap and events in another terminal, or with a browser.',
  ],
  flags: {
    port: number('port of the admin server; 0 takes a free one', { min: 0, max: 65_535, fallback: DEFAULT_PORT }, 'p'),
    for: duration('end after that time [at Ctrl-C]', { minMs: 100, maxMs: DAY_MS, fallback: undefined }, 'd'),
    json: toggle('say the addresses as JSON: { url, target }'),
  },
  examples: [
    ['inmesh demo', 'until Ctrl-C'],
    ['inmesh demo -p 0 -d 1m --json', 'for a script'],
  ],
  exits: '1 the port is taken; 130 Ctrl-C',
  async run({ values, words }, io) {
    if (words.length > 0) throw usageError(`expected no words, got ${words.length}`);
    const [{ createMesh }, { startDemo, DEMO_POLICY }, { systemRandom }] = await Promise.all([
      import('../../mesh.ts'),
      import('../demo-stage.ts'),
      import('../../random.ts'),
    ]);
    // What it has to say is among its events.
    const mesh = createMesh(DEMO_POLICY, { warn: () => {} });
    try {
      let url: string;
      try {
        ({ url } = await mesh.admin.listen({ port: values.port }));
      } catch (error) {
        throw new CliError(Exit.problems, error instanceof Error ? error.message : String(error), 'another port: --port N, or --port 0');
      }
      const { target, stop } = await startDemo(mesh, io.clock, systemRandom);
      if (values.json) io.out(`${json({ url, target })}\n`);
      else
        print(io, [
          `admin server: ${url}`,
          `three servers: ${target}`,
          '',
          `look: inmesh top${values.port === DEFAULT_PORT ? '' : ` --url ${url}`}`,
          'end: Ctrl-C',
        ]);
      await sleep(io, values.for ?? DAY_MS * 365);
      stop();
    } finally {
      await mesh.close(0);
    }
    return Exit.ok;
  },
});
