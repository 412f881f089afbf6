/**
 * `inmesh stat`: one look at a running process.
 *
 * @packageDocumentation
 */
import { choice, text, toggle } from '../args.ts';
import { batchFactors } from '../batch-factors.ts';
import { type Command, command } from '../command.ts';
import { Exit, usageError } from '../exit.ts';
import { AdminClient, urlFlag } from '../http.ts';
import { print } from '../io.ts';
import { filtered } from '../method-filter.ts';
import { report } from '../overview-report.ts';
import { json } from '../text.ts';
import { isOverview } from '../views.ts';

/** The command. */
export const stat: Command = command({
  name: 'stat',
  usage: '[METHOD] [flags]',
  about: [
    'One table of methods over the last ten seconds: SUCCESS is the share of calls that ended OK, RPS what the app asked for, ACTUAL what was sent for it (more by retries and hedges), P50 to P99 latency as the app sees it, BATCH how many calls go together on average. Then endpoints with their SHARE of the calls, and what is in trouble.',
    'METHOD is a part of a name, or a pattern with * for any text.',
  ],
  flags: {
    url: urlFlag,
    output: choice('wide shows every column and every list', ['table', 'wide', 'json'], 'table', 'o'),
    side: choice('only calls made, or only calls served', ['both', 'client', 'server'], 'both'),
    json: toggle('the same as -o json: what /overview.json says'),
    target: text('only endpoints of this target', 'TARGET'),
  },
  examples: [
    ['inmesh stat', 'how are things'],
    ['inmesh stat Greeter -o wide', 'everything about the methods of Greeter'],
    ['inmesh stat --json | jq ".methods[] | select(.success < 0.99)"', 'for programs: methods that fail too often'],
  ],
  exits: '3 nobody answers',
  async run({ values: { url, output, side, json: asJson, target }, words }, io) {
    if (words.length > 1) throw usageError(`expected one METHOD at most, got ${words.length}`);
    const admin = new AdminClient(io, url);
    const overview = filtered(await admin.json('/overview.json', isOverview), { pattern: words[0], side, target });
    if (asJson || output === 'json') {
      io.out(`${json(overview, 2)}\n`);
      return Exit.ok;
    }
    const batches = await batchFactors(admin, overview);
    print(io, report(overview, { width: io.width, style: io.style, wide: output === 'wide', batches }));
    return Exit.ok;
  },
});
