/**
 * `inmesh tap`: calls as they end.
 *
 * @packageDocumentation
 */
import { choice, duration, number, text, toggle } from '../args.ts';
import { callLine } from '../call-line.ts';
import { type Command, command } from '../command.ts';
import { Exit, usageError } from '../exit.ts';
import { AdminClient, urlFlag } from '../http.ts';
import { dataOf, follow } from '../stream.ts';
import { json } from '../text.ts';
import { isCall, isLost } from '../views.ts';

const DAY_MS = 86_400_000;

/** The command. */
export const tap: Command = command({
  name: 'tap',
  usage: '[METHOD] [flags]',
  about: [
    'Shows calls as they end, one a line: when it began, its side, status, duration, method, the endpoints it asked, how it travelled, and who refused it and why. Never a message; metadata only where the process allows a key (telemetry.tapMetadata).',
    'METHOD is "pkg.Service/Method" or "pkg.Service/*". The process filters; while nobody taps, it pays nothing. A tap that cannot keep up loses calls, and says how many.',
  ],
  flags: {
    url: urlFlag,
    status: text('only this status code, such as UNAVAILABLE; "failed" is all but OK', 'CODE'),
    slow: duration('only calls that took longer', { minMs: 0, maxMs: DAY_MS, fallback: undefined }),
    reason: text('only calls that inmesh ended so, such as client.bulkhead/queue-full', 'REASON'),
    side: choice('only calls made, or only calls served', ['both', 'client', 'server'], 'both'),
    target: text('only calls to this target', 'TARGET'),
    count: number('end after so many calls; 0 goes on', { min: 0, max: 1e9, fallback: 0 }, 'n'),
    for: duration('end after that time', { minMs: 1, maxMs: DAY_MS, fallback: undefined }, 'd'),
    json: toggle('one JSON object a line'),
  },
  examples: [
    ['inmesh tap --status failed', 'what goes wrong, and who says so'],
    ['inmesh tap "shop.v1.Cart/*" --slow 200ms -n 20', 'the next twenty slow calls of one service'],
    ['inmesh tap --json | jq -r .method | sort | uniq -c', 'for programs'],
  ],
  exits: '3 nobody answers, or the process has ended; 130 Ctrl-C',
  async run({ values, words }, io) {
    if (words.length > 1) throw usageError(`expected one METHOD at most, got ${words.length}`, 'quote a pattern: "pkg.Service/*"');
    const { status, slow, reason, side, target } = values;
    const query = new URLSearchParams();
    const asked = { method: words[0], status: status === 'failed' ? status : status?.toUpperCase(), slowMs: slow, reason, target };
    for (const [key, value] of Object.entries(asked)) if (value !== undefined) query.set(key, String(value));
    if (side !== 'both') query.set('side', side);
    let seen = 0;
    const search = query.size === 0 ? '' : `?${query}`;
    await follow(new AdminClient(io, values.url), io, `/tap${search}`, values.for, (event) => {
      if (event.event !== 'call') {
        const lost = event.event === 'lost' ? dataOf(event, isLost) : undefined;
        if (lost !== undefined) io.err(`inmesh: ${lost.lost} calls lost: this reader is too slow\n`);
        return false;
      }
      const call = dataOf(event, isCall);
      if (call === undefined) return false;
      io.out(`${values.json ? json(call) : callLine(call, io.style)}\n`);
      seen++;
      return seen === values.count;
    });
    return Exit.ok;
  },
});
