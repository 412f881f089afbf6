/** The overlay with shortcuts and words. */
import { byId, h, on } from './dom.ts';

/** What each key does; the functions are in main.ts. */
export const KEYS: readonly (readonly [key: string, what: string])[] = [
  ['p', 'pause, and go on'],
  ['t', 'theme: auto, light, dark'],
  ['/', 'filter methods'],
  ['e', 'filter events'],
  ['1 … 7', 'go to methods, picture, endpoints, batches, breakers, limits, events'],
  ['Esc', 'leave a filter, close this'],
  ['?', 'this'],
];

const WORDS: readonly (readonly [word: string, meaning: string])[] = [
  ['Calls/s', 'effective: what the app asked for and got an answer to, over the last 10 s.'],
  ['Actual/s', 'attempts on the wire. More than calls: retries and hedges. “1.20×” is a fifth more.'],
  ['EWMA', 'the balancer’s view of how long an endpoint takes: up at once, down slowly.'],
  ['Ejected', 'gets no calls for a while, because it failed, fell silent or stood out.'],
  ['Calls per carrier', 'how many calls share one RPC.'],
  ['Refused by the mesh', 'ended by a limit, a breaker or a deadline of ours; the events say which.'],
];

/** Fills and opens the overlay. */
export function openHelp(): void {
  const dialog = byId('help', 'dialog');
  if (dialog.childElementCount === 0) {
    const close = h('button', { type: 'button' }, 'Close');
    on(close, 'click', () => dialog.close());
    const list = (pairs: typeof KEYS, tag: 'kbd' | 'b'): HTMLElement =>
      h('dl', {}, ...pairs.map(([name, text]) => h('div', {}, h('dt', {}, h(tag, {}, name)), h('dd', {}, text))));
    dialog.append(h('h2', { id: 'help-h' }, 'Keys'), list(KEYS, 'kbd'), h('h2', {}, 'Words'), list(WORDS, 'b'), close);
    on(dialog, 'click', ({ target }) => {
      if (target === dialog) dialog.close();
    });
  }
  if (!dialog.open) dialog.showModal();
}
