/** The live page: takes what the mesh says, draws it, and listens to keys. */
import type { OverviewView, ProcessView } from '../../observe/views.ts';
import { drawBatches } from './batches.ts';
import { byId, mark, on, say } from './dom.ts';
import { drawEndpoints } from './endpoints.ts';
import { drawEvents, forgetEvents, takeEvents } from './events.ts';
import { Feed, type FeedState } from './feed.ts';
import { clock, lasting } from './format.ts';
import { drawGuards } from './guards.ts';
import { openHelp } from './help.ts';
import { drawMethods } from './methods.ts';
import { drawTiles } from './tiles.ts';
import { drawTopology } from './topology.ts';

const THEMES = ['auto', 'light', 'dark'] as const;
const THEME_KEY = 'inmesh.theme';
const SECTIONS = ['methods', 'topology', 'endpoints', 'batches', 'breakers', 'limits', 'events'] as const;

let process: ProcessView | undefined;
let shownAtMs = 0;
/** When what is shown came, by this machine's clock: ages are never told across two clocks. */
let cameAtMs = 0;

function drawAll(view: OverviewView): void {
  const other = process !== undefined && (view.process.pid !== process.pid || view.process.uptimeMs < process.uptimeMs);
  if (other) forgetEvents();
  ({ process } = view);
  const { service, pid, node, inmesh, uptimeMs, draining } = view.process;
  const { hash, problem, pending } = view.policy;
  say(byId('service'), service);
  say(
    byId('process'),
    `${draining ? 'draining · ' : ''}pid ${pid} · up ${lasting(uptimeMs)} · policy ${hash.slice(0, 8)} · inmesh ${inmesh} · Node ${node.replace(/^v/, '')}`,
  );
  const trouble = problem ?? (pending.length > 0 ? `it waits for a restart: ${pending.join(', ')}` : undefined);
  byId('policy').hidden = trouble === undefined;
  say(byId('policy'), `The policy asked for is not in force: ${trouble}`);
  takeEvents(view.events);
  drawTiles(view);
  drawMethods(view);
  drawEndpoints(view);
  drawBatches(view);
  drawTopology(view);
  drawGuards(view);
  drawEvents();
  shownAtMs = view.atMs;
  cameAtMs = Date.now();
  byId('main').dataset['atMs'] = String(view.atMs);
}

const STATUS: Readonly<Record<FeedState, string>> = { waiting: 'Connecting', live: 'Live', paused: 'Paused', lost: 'Not live' };

function showState(state: FeedState, why: string): void {
  mark(document.body, 'data-state', state);
  say(byId('status'), STATUS[state]);
  byId('banner').hidden = state === 'live' || state === 'waiting';
  say(byId('trouble'), state === 'lost' ? `Connection lost: ${why}.` : 'Paused.');
  const age = state === 'lost' ? `, ${lasting(Date.now() - cameAtMs)} ago. Trying again each second.` : '.';
  say(byId('age'), shownAtMs === 0 ? 'Nothing has come yet.' : `The numbers are those of ${clock(shownAtMs)}${age}`);
  const name = process === undefined ? 'inmesh' : `${process.service} · inmesh`;
  document.title = state === 'live' ? name : `${STATUS[state]}: ${name}`;
}

function themeNow(): (typeof THEMES)[number] {
  return THEMES.find((theme) => theme === document.documentElement.dataset['theme']) ?? 'auto';
}

function setTheme(theme: (typeof THEMES)[number]): void {
  mark(document.documentElement, 'data-theme', theme === 'auto' ? undefined : theme);
  say(byId('theme'), `Theme: ${theme}`);
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    // Storage is forbidden here: the choice holds for this page only.
  }
}

function nextTheme(): void {
  setTheme(THEMES[(THEMES.indexOf(themeNow()) + 1) % THEMES.length] ?? 'auto');
}

function storedTheme(): (typeof THEMES)[number] {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(THEME_KEY)) ?? 'auto';
  } catch {
    return 'auto';
  }
}

function goTo(id: string): void {
  const section = byId(id);
  section.tabIndex = -1;
  section.focus({ preventScroll: true });
  section.scrollIntoView({ block: 'start' });
}

function onKey(event: KeyboardEvent): void {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || byId('help', 'dialog').open) return;
  if (target instanceof HTMLInputElement && target.type !== 'checkbox') {
    if (key !== 'Escape') return;
    target.value = '';
    target.dispatchEvent(new Event('input'));
    target.blur();
    return;
  }
  const section = SECTIONS[Number(key) - 1];
  if (key === 'p') pause();
  else if (key === 't') nextTheme();
  else if (key === '?') openHelp();
  else if (key === '/') byId('method-filter').focus();
  else if (key === 'e') byId('event-filter').focus();
  else if (section !== undefined) goTo(section);
  else return;
  event.preventDefault();
}

const feed = new Feed({
  overview: drawAll,
  events(events) {
    takeEvents(events);
    drawEvents();
  },
  state: showState,
});

function pause(): void {
  feed.pause(!feed.paused);
  mark(byId('pause'), 'aria-pressed', String(feed.paused));
  say(byId('pause'), feed.paused ? 'Go on' : 'Pause');
}

setTheme(storedTheme());
showState('waiting', '');
on(byId('pause'), 'click', pause);
on(byId('theme'), 'click', nextTheme);
on(byId('ask'), 'click', openHelp);
on(document, 'keydown', onKey);
