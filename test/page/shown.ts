/** What the live page shows, read back, and what it should show of an overview. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type { OverviewView } from '../../src/observe/views.ts';

/** One number on the page. */
export interface Shown {
  readonly metric: string;
  readonly key: string;
  readonly value: string;
  readonly text: string;
}

/** All numbers, and the time of the overview that they are of: read in one go, so they are of the same one. */
export function readPage(page: Page): Promise<{ readonly atMs: number; readonly shown: readonly Shown[] }> {
  return page.evaluate(() => ({
    atMs: Number(document.getElementById('main')?.dataset['atMs']),
    shown: [...document.querySelectorAll<HTMLElement>('[data-metric]')].map(({ dataset, textContent }) => ({
      metric: dataset['metric'] ?? '',
      key: dataset['key'] ?? '',
      value: dataset['value'] ?? '',
      text: textContent ?? '',
    })),
  }));
}

/** Keeps the overviews that the page got, by their time. Call it before the page is opened. */
export function overviewsOf(page: Page): ReadonlyMap<number, OverviewView> {
  const views = new Map<number, OverviewView>();
  page.on('response', (response) => {
    if (!response.url().endsWith('/overview.json')) return;
    response.json().then(
      (view: OverviewView) => void views.set(view.atMs, view),
      () => {},
    );
  });
  return views;
}

/** Every number of an overview that the page has, by metric and key. Details are there only for methods whose row is open. */
export function expectedOf({ methods, endpoints, breakers, limits, budgets, batches }: OverviewView): ReadonlyMap<string, string> {
  const numbers = new Map<string, string>();
  const put = (metric: string, key: string, value: number | string): void => void numbers.set(`${metric} ${key}`, String(value));
  for (const method of methods) {
    const key = `${method.side} ${method.method}`;
    for (const field of ['calls', 'active', 'failed', 'refused', 'attempts', 'retries', 'hedges'] as const)
      put(`method.${field}`, key, method[field]);
    for (const field of ['callsPerSecond', 'attemptsPerSecond', 'success', 'attemptSuccess'] as const)
      put(`method.${field}`, key, method[field]);
    for (const field of ['p50', 'p95', 'p99'] as const) put(`method.${field}`, key, method.latencyMs[field]);
    for (const [status, calls] of Object.entries(method.byStatus)) put(`method.byStatus.${status}`, key, calls);
  }
  const seen = new Map<string, number>();
  for (const endpoint of endpoints) {
    const name = `${endpoint.target} ${endpoint.address}`;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    const key = times === 1 ? name : `${name} #${times}`;
    for (const field of ['share', 'latencyMs', 'inFlight', 'ejections', 'picks'] as const) put(`endpoint.${field}`, key, endpoint[field]);
  }
  for (const { method, state, opened, refused } of breakers) {
    put('breaker.state', method, state);
    put('breaker.opened', method, opened);
    put('breaker.refused', method, refused);
  }
  for (const { side, kind, key, inUse } of limits) put('limit.inUse', `${side} ${kind} ${key}`, inUse);
  for (const { service, balance } of budgets) put('budget.balance', service, balance);
  const { client, server } = batches;
  for (const field of ['carriers', 'items', 'tunnels', 'turnedAway', 'late', 'ambiguous'] as const)
    put(`batch.${field}`, '', client[field]);
  put('batch.served', '', server.items);
  put('batch.rpcs', '', client.carriers + client.tunnels);
  put('batch.callsPerRpc', '', client.carriers + client.tunnels === 0 ? 0 : client.items / (client.carriers + client.tunnels));
  put('batch.waitP50', '', client.waitMs.p50);
  put('batch.waitP99', '', client.waitMs.p99);
  for (const [reason, batchCount] of Object.entries(client.flushReasons)) put('batch.flushReasons', reason, batchCount);
  for (const [reason, calls] of Object.entries(client.bypassReasons)) put('batch.bypassReasons', reason, calls);
  client.sizes.counts.forEach((batchCount, index) => {
    const from = (client.sizes.upTo[index - 1] ?? 0) + 1;
    const to = client.sizes.upTo[index];
    put('batch.sizes', to === undefined ? `${from}+` : from === to ? String(to) : `${from}–${to}`, batchCount);
  });
  return numbers;
}

/** Each number on the page against the answer that it says it shows. */
export function compare(shown: readonly Shown[], view: OverviewView): void {
  const expected = expectedOf(view);
  const own = shown.filter(({ metric }) => !metric.startsWith('total.'));
  const wrong = own.filter(({ metric, key, value }) => expected.get(`${metric} ${key}`) !== value);
  expect(wrong).toEqual([]);
  const there = new Set(own.map(({ metric, key }) => `${metric} ${key}`));
  const details = /^method\.(failed|refused|attempts|retries|hedges|attemptSuccess|p95|byStatus)/;
  const missing = [...expected].filter(
    ([name, value]) =>
      !there.has(name) &&
      !details.test(name) &&
      !(value === '0' && /^batch\.\w+(Reasons|sizes)/.test(name)) &&
      !name.startsWith('batch.sizes'),
  );
  expect(missing).toEqual([]);
}
