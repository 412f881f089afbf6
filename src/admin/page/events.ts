/** What has happened, the newest first. */
import type { EventView } from '../../observe/views.ts';
import { byId, each, h, mark, on, type Part, say, span } from './dom.ts';
import { clock, count } from './format.ts';

/** Events kept, and shown. */
const MOST = 300;

const known = new Map<number, EventView>();
const list = h('ol', { class: 'events', 'aria-label': 'Events, the newest first', tabindex: '0' });
const none = h('p', { class: 'empty' });
let wanted = '';
let warningsOnly = false;
let newest = 0;

function makeEvent({ seq, atMs, kind, level, subject }: EventView): Part<EventView> {
  const before = span('text');
  const text = span('text');
  const reason = h('code');
  const times = span('times');
  const element = h(
    'li',
    { 'data-level': level, 'data-seq': String(seq) },
    h('time', { datetime: new Date(atMs).toISOString() }, clock(atMs)),
    span('kind', level === 'warn' ? span('hidden', 'warning: ') : '', kind),
    times,
    h('p', {}, before, subject === '' ? '' : h('b', {}, subject), text, ' ', reason),
  );
  return {
    element,
    update(event) {
      // The sentence may name it already.
      const at = subject === '' ? -1 : event.text.indexOf(subject);
      say(before, event.text.slice(0, Math.max(0, at)));
      say(text, at < 0 ? ` ${event.text}` : event.text.slice(at + subject.length));
      say(reason, event.reason ?? '');
      reason.hidden = event.reason === undefined || event.text.includes(event.reason);
      say(times, event.times > 1 ? `${count(event.times)} times` : '');
    },
  };
}

const has = ({ kind, subject, text, reason = '' }: EventView): boolean =>
  `${kind} ${subject} ${text} ${reason}`.toLowerCase().includes(wanted);

/** Draws the list. */
export function drawEvents(): void {
  if (list.parentNode === null) {
    byId('events').append(list, none);
    on(byId('event-filter', 'input'), 'input', ({ target }) => {
      wanted = (target as HTMLInputElement).value.trim().toLowerCase();
      drawEvents();
    });
    on(byId('event-warn', 'input'), 'change', ({ target }) => {
      warningsOnly = (target as HTMLInputElement).checked;
      drawEvents();
    });
  }
  const shown = [...known.values()]
    .filter((event) => (!warningsOnly || event.level === 'warn') && has(event))
    .sort((a, b) => b.seq - a.seq);
  // One who reads further down is not pushed on by what comes.
  const { scrollTop, scrollHeight } = list;
  each(list, shown, ({ seq }) => String(seq), makeEvent);
  if (scrollTop > 0) list.scrollTop = scrollTop + list.scrollHeight - scrollHeight;
  say(none, known.size === 0 ? 'Nothing has happened yet.' : 'No event is like that.');
  none.hidden = shown.length > 0;
  mark(list, 'data-newest', String(newest));
}

/** Takes events in; what is known already is replaced, for several may have become one. True when one is new. */
export function takeEvents(events: readonly EventView[]): boolean {
  const before = newest;
  for (const event of events) {
    known.set(event.seq, event);
    newest = Math.max(newest, event.seq);
  }
  if (known.size > MOST) for (const seq of [...known.keys()].sort((a, b) => a - b).slice(0, known.size - MOST)) known.delete(seq);
  return newest > before;
}

/** Forgets all: another process answers now, and it counts from one again. */
export function forgetEvents(): void {
  known.clear();
  newest = 0;
}
