/** What coalescing saves: carriers against calls, sizes, waits, and why batches went out. */
import type { BatchView, OverviewView } from '../../observe/views.ts';
import { byId, each, figure, fill, h, meter, type Part, say, span } from './dom.ts';
import { count, ms, percent, rate } from './format.ts';

const SAYS_WHY: Readonly<Record<string, string>> = {
  lead: 'alone and at once: no company lately',
  tick: 'the turn of the event loop ended',
  full: 'as many calls as a batch takes',
  bytes: 'as many bytes as a batch takes',
  answer: 'an answer made room for it',
  hold: 'it had waited as long as it may',
  'no-peer': 'no endpoint is known to take batches',
  alone: 'no other call came along',
  endpoint: 'the endpoint chosen takes none',
  key: 'nothing it could share a batch with',
  'queue-full': 'too many were waiting',
  fallback: 'its batch could not be used',
};

/** A bar with a name, a number and its share of all. */
interface Bar {
  readonly name: string;
  readonly metric: string;
  readonly value: number;
  readonly share: number;
}

function makeBar({ name, metric }: Bar): Part<Bar> {
  const value = h('b');
  const bar = meter();
  const part = span('about');
  const why = SAYS_WHY[name];
  const element = h('li', { class: 'bar-row', ...(why === undefined ? {} : { title: why }) }, span('name', name), bar, value, part);
  return {
    element,
    update(item) {
      figure(value, metric, name, item.value, count(item.value));
      say(part, percent(item.share));
      fill(bar, item.share);
    },
  };
}

function barsOf(reasons: Readonly<Record<string, number>>, metric: string): readonly Bar[] {
  const entries = Object.entries(reasons).filter(([, value]) => value > 0);
  const all = entries.reduce((sum, [, value]) => sum + value, 0);
  return entries.map(([name, value]) => ({ name, metric, value, share: value / all }));
}

/** Up to 128 calls. */
const USUAL_BUCKETS = 8;

/** One column of the histogram. */
interface Bucket {
  readonly name: string;
  readonly value: number;
  readonly share: number;
}

function makeBucket({ name }: Bucket): Part<Bucket> {
  const value = h('b');
  const column = meter('column-bar');
  const element = h('li', {}, value, column, span('upto', name));
  return {
    element,
    update(bucket) {
      figure(value, 'batch.sizes', name, bucket.value, bucket.value === 0 ? '' : count(bucket.value));
      fill(column, bucket.share);
    },
  };
}

/** Names like `3–4`; the last bucket has no upper bound. */
function bucketsOf({ upTo, counts }: BatchView['sizes']): readonly Bucket[] {
  const most = Math.max(1, ...counts);
  // The usual limit is 128; larger ones are shown once there are any.
  const last = Math.max(counts.findLastIndex((value) => value > 0) + 1, USUAL_BUCKETS);
  return counts.slice(0, last).map((value, index) => {
    const from = (upTo[index - 1] ?? 0) + 1;
    const to = upTo[index];
    return { name: to === undefined ? `${from}+` : from >= to ? String(to) : `${from}–${to}`, value, share: value / most };
  });
}

interface Parts {
  readonly body: HTMLElement;
  readonly none: HTMLElement;
  readonly perRpc: HTMLElement;
  readonly items: HTMLElement;
  readonly rpcs: HTMLElement;
  readonly rpcBar: HTMLElement;
  readonly sizes: HTMLElement;
  readonly flushes: HTMLElement;
  readonly bypasses: HTMLElement;
  readonly facts: HTMLElement;
}

function build(): Parts {
  const value = (): HTMLElement => h('b');
  const [perRpc, items, rpcs] = [h('p', { class: 'big' }), value(), value()];
  const rpcBar = meter('meter second');
  const itemBar = meter();
  fill(itemBar, 1);
  const sizes = h('ol', { class: 'histogram', 'aria-label': 'Batches by size, in calls' });
  const flushes = h('ul', { class: 'bars', 'aria-label': 'Why batches went out' });
  const bypasses = h('ul', { class: 'bars', 'aria-label': 'Why calls went alone' });
  const facts = h('dl');
  const body = h(
    'div',
    { class: 'batch' },
    h(
      'div',
      { class: 'against' },
      perRpc,
      h('p', { class: 'about' }, 'calls per carrier or tunnel'),
      h(
        'ul',
        { class: 'bars' },
        h('li', { class: 'bar-row' }, span('name', 'calls'), itemBar, items),
        h('li', { class: 'bar-row' }, span('name', 'RPCs'), rpcBar, rpcs),
      ),
      facts,
    ),
    h('div', { class: 'sizes' }, h('h3', {}, 'Batches by size'), sizes),
    h('div', {}, h('h3', {}, 'Why batches went out'), flushes),
    h('div', {}, h('h3', {}, 'Why calls went alone'), bypasses),
  );
  const none = h('p', { class: 'empty' }, 'No call has gone in a batch.');
  byId('batches').append(body, none);
  return { body, none, perRpc, items, rpcs, rpcBar, sizes, flushes, bypasses, facts };
}

/** A number of the small print. */
type Fact = readonly [name: string, metric: string, value: number, text: (value: number) => string];

function makeFact([name, metric]: Fact): Part<Fact> {
  const shown = h('dd');
  return {
    element: h('div', {}, h('dt', {}, name), shown),
    update: ([, , value, text]) => figure(shown, `batch.${metric}`, '', value, text(value)),
  };
}

let parts: Parts | undefined;

/** Draws the panel. */
export function drawBatches({ batches: { client, server } }: OverviewView): void {
  parts ??= build();
  const { carriers, tunnels, items, waitMs } = client;
  const rpcs = carriers + tunnels;
  const any = items + rpcs + server.items + Object.values(client.bypassReasons).reduce((sum, value) => sum + value, 0) > 0;
  parts.body.hidden = !any;
  parts.none.hidden = any;
  const perRpc = rpcs === 0 ? 0 : items / rpcs;
  figure(parts.perRpc, 'batch.callsPerRpc', '', perRpc, perRpc === 0 ? '–' : rate(perRpc));
  figure(parts.items, 'batch.items', '', items, count(items));
  figure(parts.rpcs, 'batch.rpcs', '', rpcs, count(rpcs));
  fill(parts.rpcBar, items === 0 ? 0 : rpcs / items);
  each(parts.sizes, bucketsOf(client.sizes), ({ name }) => name, makeBucket);
  each(parts.flushes, barsOf(client.flushReasons, 'batch.flushReasons'), ({ name }) => name, makeBar);
  each(parts.bypasses, barsOf(client.bypassReasons, 'batch.bypassReasons'), ({ name }) => name, makeBar);
  const facts: readonly Fact[] = [
    ['Carriers', 'carriers', carriers, count],
    ['Tunnels', 'tunnels', tunnels, count],
    ['Wait p50', 'waitP50', waitMs.p50, ms],
    ['Wait p99', 'waitP99', waitMs.p99, ms],
    ['Turned away', 'turnedAway', client.turnedAway, count],
    ['Ambiguous', 'ambiguous', client.ambiguous, count],
    ['Late', 'late', client.late, count],
    ['Served items', 'served', server.items, count],
  ];
  each(parts.facts, facts, ([name]) => name, makeFact);
}
