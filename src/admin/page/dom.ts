/**
 * Building and changing the document. Text goes in as text only: names and events come from peers, so nothing here parses HTML.
 *
 * @packageDocumentation
 */

/** What an element may hold. */
export type Child = Node | string;

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element with attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A span of a class. */
export function span(className: string, ...children: readonly Child[]): HTMLSpanElement {
  return h('span', { class: className }, ...children);
}

/** A bar for {@link fill}. Its number stands beside it. */
export function meter(className = 'meter'): HTMLSpanElement {
  return h('span', { class: className, 'aria-hidden': 'true' });
}

/** An SVG element with attributes. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** The element of page.html with that id. */
export function byId<K extends keyof HTMLElementTagNameMap>(id: string, tag: K): HTMLElementTagNameMap[K];
export function byId(id: string): HTMLElement;
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no #${id}`);
  return element;
}

/** Listens. */
export function on<K extends keyof HTMLElementEventMap>(
  to: HTMLElement | Document,
  type: K,
  listener: (event: HTMLElementEventMap[K]) => void,
): void {
  to.addEventListener(type, listener as EventListener);
}

/** Changes the text where it differs: the browser has nothing to do for what stays. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or takes away an attribute where it differs. */
export function mark(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** How well or badly what it shows stands: the colour follows. */
export function tint(element: Element, value: string | undefined): void {
  mark(element, 'data-level', value);
}

/** A number that the page shows, with what it is, of whom, and its exact value beside the text. */
export function figure(element: HTMLElement, metric: string, key: string, value: number, text: string): void {
  const { dataset } = element;
  if (dataset['value'] !== String(value)) dataset['value'] = String(value);
  if (dataset['metric'] !== metric) dataset['metric'] = metric;
  if (dataset['key'] !== key) dataset['key'] = key;
  say(element, text);
}

/** The filled part of a bar, 0 to 1. By the style object: an attribute would need a hole in the page's content policy. */
export function fill(element: HTMLElement, share: number): void {
  element.style.setProperty('--share', `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`);
}

/** A part of the page that stands for one thing and follows its changes. */
export interface Part<T> {
  readonly element: Element;
  update(item: T): void;
}

const kept = new WeakMap<Element, Map<string, Part<never>>>();

/**
 * Makes the children of `parent` those of `items`, in their order. A part lives as long as its key is there: focus, an open
 * detail and the scroll position survive each second. Children that were not made here stay in front.
 */
export function each<T>(parent: Element, items: readonly T[], keyOf: (item: T) => string, make: (item: T) => Part<T>): void {
  const parts = (kept.get(parent) ?? new Map()) as Map<string, Part<T>>;
  kept.set(parent, parts as Map<string, Part<never>>);
  const gone = new Map(parts);
  let after: Element | null = null;
  for (const item of items) {
    const key = keyOf(item);
    const part: Part<T> = parts.get(key) ?? make(item);
    parts.set(key, part);
    gone.delete(key);
    part.update(item);
    const place: ChildNode | null = after === null ? firstOf(parent, parts) : after.nextSibling;
    if (place !== part.element) parent.insertBefore(part.element, place);
    after = part.element;
  }
  for (const [key, part] of gone) {
    part.element.remove();
    parts.delete(key);
  }
}

/** The first child that is a part of ours. */
function firstOf<T>(parent: Element, parts: ReadonlyMap<string, Part<T>>): ChildNode | null {
  const own = new Set<Element>([...parts.values()].map(({ element }) => element));
  return [...parent.children].find((child) => own.has(child)) ?? null;
}
