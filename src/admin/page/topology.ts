/** One hop around this process: who calls it, and which endpoints it calls. Wide: three columns with edges; narrow: a tree. */
import type { OverviewView } from '../../observe/views.ts';
import { byId, each, mark, type Part, say, svg, tint } from './dom.ts';
import { standing } from './endpoints.ts';
import { percent, rate } from './format.ts';

const MOST_PEERS = 8;
const MOST_ENDPOINTS = 16;
const WIDE_PX = 430;
const NODE_HEIGHT = 34;
const GAP = 8;
/** Least room between columns, and how far the tree's branches stand in. */
const BETWEEN = 44;
const INDENT = 24;
/** One letter of the small monospaced type. */
const LETTER_PX = 6.7;

interface Box {
  readonly title: string;
  readonly about: string;
  readonly level: string;
  /** Of the traffic on its side, 0 to 1: how thick its edge is. */
  readonly share: number;
}

function callers({ peers }: OverviewView): readonly Box[] {
  const sorted = [...peers].sort((a, b) => b.calls - a.calls);
  const all = peers.reduce((sum, peer) => sum + peer.callsPerSecond, 0);
  const boxes = sorted.slice(0, MOST_PEERS).map(({ peer, callsPerSecond }) => ({
    title: peer,
    about: `${rate(callsPerSecond)} calls/s`,
    level: callsPerSecond > 0 ? 'ok' : 'idle',
    share: all === 0 ? 0 : callsPerSecond / all,
  }));
  return more(boxes, peers.length - MOST_PEERS, 'callers');
}

function more(boxes: readonly Box[], hidden: number, what: string): readonly Box[] {
  return hidden > 0 ? [...boxes, { title: `+ ${hidden} ${what}`, about: '', level: 'idle', share: 0 }] : boxes;
}

/** Each address once, however many channels have it. */
function called({ endpoints, atMs }: OverviewView): readonly Box[] {
  const boxes = [...Map.groupBy(endpoints, ({ address }) => address)].map(([address, own]) => {
    const stands = own.map((endpoint) => standing(endpoint, atMs));
    const worst = stands.find((stand) => stand.level !== 'ok');
    const share = own.reduce((sum, endpoint) => sum + endpoint.share, 0) / own.length;
    return { title: address, about: worst?.text ?? percent(share), level: worst?.level ?? 'ok', share };
  });
  return more(boxes.slice(0, MOST_ENDPOINTS), boxes.length - MOST_ENDPOINTS, 'endpoints');
}

function self({ process, methods }: OverviewView): Box {
  const active = methods.reduce((sum, method) => sum + method.active, 0);
  return {
    title: process.service,
    about: process.draining ? 'draining' : `${active} in flight`,
    level: process.draining ? 'warn' : 'self',
    share: 1,
  };
}

function cutTo(text: string, px: number): string {
  const letters = Math.max(4, Math.floor(px / LETTER_PX));
  return text.length <= letters
    ? text
    : `${text.slice(0, Math.ceil(letters / 2) - 1)}…${text.slice(text.length - Math.floor(letters / 2))}`;
}

/** A node at its place, with the line to this process. */
interface Placed {
  readonly key: string;
  readonly box: Box;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly line: string;
}

function makeNode(): Part<Placed> {
  const edge = svg('path');
  const frame = svg('rect', { rx: 6, height: NODE_HEIGHT });
  const title = svg('text', { class: 'title', x: 10, y: 14 });
  const about = svg('text', { class: 'about', x: 10, y: 27 });
  const tip = svg('title');
  const node = svg('g', {}, tip, frame, title, about);
  const element = svg('g', { class: 'node' }, edge, node);
  return {
    element,
    update({ box, x, y, width, line }) {
      tint(element, box.level);
      mark(edge, 'd', line);
      mark(edge, 'stroke-width', (1 + 4 * box.share).toFixed(1));
      mark(node, 'transform', `translate(${x} ${y})`);
      mark(frame, 'width', String(width));
      say(title, cutTo(box.title, width - 18));
      say(about, cutTo(box.about, width - 18));
      say(tip, box.about === '' ? box.title : `${box.title}: ${box.about}`);
    },
  };
}

const picture = svg('svg', { class: 'topology', role: 'img' });
let width = 0;
let last: OverviewView | undefined;

/** Draws the picture. */
export function drawTopology(view: OverviewView): void {
  last = view;
  if (picture.parentNode === null) {
    const parent = byId('topology');
    parent.append(picture);
    new ResizeObserver(() => {
      if (picture.clientWidth !== width && last !== undefined) place(last);
    }).observe(parent);
  }
  place(view);
}

const STEP = NODE_HEIGHT + GAP;

function place(view: OverviewView): void {
  width = picture.clientWidth;
  const [left, middle, right] = [callers(view), self(view), called(view)];
  const placed = width < WIDE_PX ? tree(left, middle, right) : columns(left, middle, right);
  each(picture, placed, ({ key }) => key, makeNode);
  mark(picture, 'height', String(Math.max(...placed.map(({ y }) => y)) + NODE_HEIGHT + 4));
  const { peers, process, endpoints } = view;
  mark(
    picture,
    'aria-label',
    `${peers.length} callers, ${process.service}, ${endpoints.length} endpoints; their numbers are in the tables`,
  );
}

/** Callers, this process and endpoints beside each other; a side without any has no column. */
function columns(left: readonly Box[], middle: Box, right: readonly Box[]): readonly Placed[] {
  const sides = 1 + Math.min(1, left.length) + Math.min(1, right.length);
  const own = Math.min(180, (width - BETWEEN * (sides - 1)) / sides);
  const next = sides === 1 ? 0 : (width - own) / (sides - 1);
  const most = Math.max(left.length, right.length, 1);
  const middleX = left.length > 0 ? next : 0;
  const middleY = ((most - 1) * STEP) / 2;
  const side = (boxes: readonly Box[], name: string, x: number, from: number, to: number): readonly Placed[] =>
    boxes.map((box, index) => {
      const y = ((most - boxes.length) / 2 + index) * STEP;
      const half = (from + to) / 2;
      const [start, end] = [y + NODE_HEIGHT / 2, middleY + NODE_HEIGHT / 2];
      return { key: name + box.title, box, x, y, width: own, line: `M${from} ${start}C${half} ${start} ${half} ${end} ${to} ${end}` };
    });
  return [
    ...side(left, '<', 0, own, middleX),
    { key: '', box: middle, x: middleX, y: middleY, width: own, line: '' },
    ...side(right, '>', middleX + next, middleX + next, middleX + own),
  ];
}

/** The same below each other. */
function tree(left: readonly Box[], middle: Box, right: readonly Box[]): readonly Placed[] {
  return [...left, middle, ...right].map((box, index) => {
    const y = index * STEP;
    const x = box === middle ? 0 : INDENT;
    const root = left.length * STEP + (index < left.length ? 0 : NODE_HEIGHT);
    return {
      key: `${index - left.length}`,
      box,
      x,
      y,
      width: Math.max(0, width - x),
      line: x > 0 ? `M12 ${root}V${y + NODE_HEIGHT / 2}H${x}` : '',
    };
  });
}
