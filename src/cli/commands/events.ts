/**
 * `inmesh events`: what has happened.
 *
 * @packageDocumentation
 */
import type { EventView } from '../../observe/views.ts';
import { number, text, toggle } from '../args.ts';
import { eventLine } from '../call-line.ts';
import { type Command, command } from '../command.ts';
import { Exit, usageError } from '../exit.ts';
import { AdminClient, urlFlag } from '../http.ts';
import { dataOf, follow } from '../stream.ts';
import { json } from '../text.ts';
import { isEvent, isEventList } from '../views.ts';

/** The command. */
export const events: Command = command({
  name: 'events',
  usage: '[flags]',
  about: [
    'What the process noted: endpoints ejected and back, breakers, refusals, budgets used up, and every line that the mesh had to say, each with its reason. Equal ones within a second are one line, with x and how many.',
  ],
  flags: {
    url: urlFlag,
    follow: toggle('go on with what happens from now', 'f'),
    since: number('only events after this number (seq in JSON)', { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 0 }),
    kind: text('only kinds that begin so, such as endpoint or call.refused', 'KIND'),
    count: number('only the last so many; 0 is all', { min: 0, max: 1e6, fallback: 0 }, 'n'),
    json: toggle('one JSON object a line'),
  },
  examples: [
    ['inmesh events -n 20', 'the last twenty'],
    ['inmesh events -f --kind endpoint', 'endpoints, as they come and go'],
  ],
  exits: '3 nobody answers, or the process has ended; 130 Ctrl-C',
  async run({ values, words }, io) {
    if (words.length > 0) throw usageError(`expected no words, got ${words.length}`);
    const { kind = '', since } = values;
    const admin = new AdminClient(io, values.url);
    const show = (event: EventView): void => {
      io.out(`${values.json ? json(event) : eventLine(event, io.style)}\n`);
    };
    const past = await admin.json(`/events.json?since=${since}`, isEventList);
    const asked = past.filter((event) => event.kind.startsWith(kind));
    for (const event of values.count === 0 ? asked : asked.slice(-values.count)) show(event);
    if (!values.follow) return Exit.ok;
    const last = past.at(-1)?.seq ?? since;
    await follow(admin, io, `/events?since=${last}`, undefined, (sent) => {
      const event = sent.event === 'event' ? dataOf(sent, isEvent) : undefined;
      if (event !== undefined && event.seq > last && event.kind.startsWith(kind)) show(event);
      return false;
    });
    return Exit.ok;
  },
});
