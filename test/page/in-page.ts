/** What tests of the live page put into it, or run in it. */
import type { OverviewView } from '../../src/observe/views.ts';

/** The same with numbers of another length. What comes and goes (events, ejections) stays as it is: that may move things. */
export function grown(view: OverviewView, factor: number): OverviewView {
  const by = (value: number): number => value * factor;
  return {
    ...view,
    atMs: Date.now(),
    methods: view.methods.map((method) => ({
      ...method,
      calls: by(method.calls),
      active: by(method.active),
      callsPerSecond: by(method.callsPerSecond),
      attemptsPerSecond: by(method.attemptsPerSecond) * (factor === 1 ? 1 : 1.3),
      success: method.success / (factor === 1 ? 1 : 2),
      latencyMs: { p50: by(method.latencyMs.p50), p95: by(method.latencyMs.p95), p99: by(method.latencyMs.p99) },
    })),
    endpoints: view.endpoints.map((endpoint) => ({
      ...endpoint,
      ...(endpoint.ejectedUntilMs === undefined ? {} : { ejectedUntilMs: Date.now() + 5_000 * factor }),
      inFlight: by(endpoint.inFlight),
      latencyMs: by(endpoint.latencyMs),
      share: endpoint.share / factor,
      picks: by(endpoint.picks),
    })),
    budgets: view.budgets.map((budget) => ({ ...budget, balance: by(budget.balance) })),
    limits: view.limits.map((limit) => ({ ...limit, inUse: by(limit.inUse), refused: by(limit.refused) })),
    breakers: view.breakers.map((breaker) => ({ ...breaker, refused: by(breaker.refused) })),
  };
}

/** Texts whose contrast with what is behind them is less than WCAG's AA asks for. Runs in the page. */
export function poorContrasts(): string[] {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  if (context === null) return ['no canvas'];
  const rgba = (colour: string): number[] => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const over = (top: number[], below: number[]): number[] => {
    const alpha = (top[3] ?? 0) / 255;
    return [0, 1, 2].map((part) => (top[part] ?? 0) * alpha + (below[part] ?? 0) * (1 - alpha)).concat(255);
  };
  const light = (colour: number[]): number => {
    const [r = 0, g = 0, b = 0] = colour.map((part) =>
      part / 255 <= 0.039_28 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const poor: string[] = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (parent === null || (node.textContent ?? '').trim() === '' || parent.closest('script,style,noscript,title,.hidden,.skip')) continue;
    if (!parent.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(parent);
    const chain: number[][] = [];
    for (let at: Element | null = parent; at !== null; at = at.parentElement) {
      const rect = at.querySelector(':scope > rect');
      if (rect !== null) chain.push(rgba(getComputedStyle(rect).fill));
      chain.push(rgba(getComputedStyle(at).backgroundColor));
    }
    const behind = chain.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 255]);
    const text = over(rgba(parent instanceof SVGElement ? style.fill : style.color), behind);
    const [high = 0, low = 0] = [light(text), light(behind)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} "${(node.textContent ?? '').trim().slice(0, 40)}" in ${parent.className.toString()}`);
  }
  return poor;
}
