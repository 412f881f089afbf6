/**
 * Tables and verdicts of the bench, in words.
 *
 * @packageDocumentation
 */
import { BUDGETS, type Budget, judge, ROUNDS_TO_JUDGE, type Verdict } from './budgets.ts';
import type { Cell, Outcome } from './rounds.ts';
import { ratios, type Spread, spread } from './stats.ts';
import { VARIANT_NAMES, VARIANTS, type VariantName } from './variants.ts';

/** One line of a table: a variant at one number of callers, over all rounds. */
export interface Row {
  readonly variant: VariantName;
  readonly callers: number;
  /** Rounds measured. */
  readonly rounds: number;
  /** Calls per second against bare of the same round. */
  readonly rate: Spread;
  /** Median latency against bare of the same round. */
  readonly p50: Spread;
  /** CPU of both sides per call against bare of the same round: what a busy machine disturbs least. */
  readonly cpu: Spread;
  /** The server's CPU per call against bare, or bare with the same interceptors, of the same round. */
  readonly serverCpu: Spread;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly clientCpuUs: number;
  readonly serverCpuUs: number;
  /** Calls in one batch; undefined where nothing was batched. */
  readonly perCarrier: number | undefined;
}

/** A budget, judged for one variant. */
export interface Judged {
  readonly budget: Budget;
  readonly variant: VariantName;
  readonly ratio: Spread;
  readonly noise: Spread;
  readonly verdict: Verdict;
}

/** Folds the cells of all rounds into one row for each variant and number of callers. */
export function summarise(outcome: Outcome, callers: readonly number[]): Row[] {
  return callers.flatMap((level) => {
    const cells = Map.groupBy(
      outcome.cells.filter((cell) => cell.callers === level),
      ({ variant }) => variant,
    );
    const bare = cells.get('bare') ?? [];
    const three = cells.get('bare-three') ?? [];
    return VARIANT_NAMES.flatMap((variant) => {
      const mine = cells.get(variant) ?? [];
      return mine.length === 0 ? [] : [rowOf(variant, level, mine, bare, variant.endsWith('-three') ? three : bare)];
    });
  });
}

function rowOf(variant: VariantName, callers: number, mine: readonly Cell[], bare: readonly Cell[], sameServer: readonly Cell[]): Row {
  const median = (pick: (cell: Cell) => number): number => spread(mine.map(pick)).median;
  const against = (pick: (cell: Cell) => number, base: readonly Cell[] = bare): Spread => spread(roundRatios(mine, base, pick));
  const batched = mine.map((cell) => cell.perCarrier).filter((size) => size !== undefined);
  return {
    variant,
    callers,
    rounds: new Set(mine.map(({ round }) => round)).size,
    rate: against((cell) => cell.callsPerSecond),
    p50: against((cell) => cell.p50Ms),
    cpu: against((cell) => cell.clientCpuUs + cell.serverCpuUs),
    serverCpu: against((cell) => cell.serverCpuUs, sameServer),
    callsPerSecond: median((cell) => cell.callsPerSecond),
    p50Ms: median((cell) => cell.p50Ms),
    p99Ms: median((cell) => cell.p99Ms),
    clientCpuUs: median((cell) => cell.clientCpuUs),
    serverCpuUs: median((cell) => cell.serverCpuUs),
    perCarrier: batched.length > 0 ? spread(batched).median : undefined,
  };
}

/** One ratio for each round: the median over its passes, each against the base of the same pass. */
function roundRatios(mine: readonly Cell[], base: readonly Cell[], pick: (cell: Cell) => number): number[] {
  const key = ({ round, pass }: Cell): string => `${round}/${pass}`;
  const below = new Map(base.map((cell) => [key(cell), pick(cell)]));
  return [...Map.groupBy(mine, ({ round }) => round).values()].flatMap((cells) => {
    const all = ratios(
      cells.map(pick),
      cells.map((cell) => below.get(key(cell))),
    );
    return all.length === 0 ? [] : [spread(all).median];
  });
}

/** Every budget that these rows can answer. */
export function judgeRows(rows: readonly Row[]): Judged[] {
  const find = (variant: VariantName, callers: number): Row | undefined =>
    rows.find((row) => row.variant === variant && row.callers === callers);
  return BUDGETS.flatMap((budget) => {
    const again = find('bare-again', budget.callers);
    if (again === undefined) return [];
    const noise = again[budget.metric];
    return budget.variants.flatMap((variant) => {
      const row = find(variant, budget.callers);
      if (row === undefined) return [];
      const ratio = row[budget.metric];
      return [{ budget, variant, ratio, noise, verdict: judge(budget, ratio, noise) }];
    });
  });
}

function ratioText({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} [${min.toFixed(2)}..${max.toFixed(2)}]`;
}

/** Markdown table, columns aligned; the first column is text. */
export function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)));
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [row(head), rule, ...lines.map(row)].join('\n');
}

/** The tables, one for each number of callers. */
export function renderRows(rows: readonly Row[]): string {
  const levels = [...new Set(rows.map((row) => row.callers))];
  return levels
    .map((callers) => {
      const lines = rows
        .filter((row) => row.callers === callers)
        .map((row) => [
          row.variant,
          row.callsPerSecond.toFixed(0),
          ratioText(row.rate),
          row.p50Ms.toFixed(2),
          ratioText(row.p50),
          row.p99Ms.toFixed(2),
          row.clientCpuUs.toFixed(1),
          row.serverCpuUs.toFixed(1),
          ratioText(row.cpu),
          row.perCarrier?.toFixed(1) ?? '-',
        ]);
      const head = [
        `${callers} caller${callers === 1 ? '' : 's'}`,
        'calls/s',
        'x bare',
        'p50 ms',
        'x bare',
        'p99 ms',
        'client us',
        'server us',
        'x bare',
        'per batch',
      ];
      return table(head, lines);
    })
    .join('\n\n');
}

const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
  holds: 'holds',
  noise: 'holds (within the interval of bare against itself)',
  missed: 'MISSED',
  unclear: 'UNCLEAR: bare strays too far from itself, this machine is too busy',
};

const METRIC_WORDS: Readonly<Record<Budget['metric'], string>> = { rate: 'calls/s', p50: 'p50', serverCpu: "server's CPU" };

/** One line for each budget and variant. */
export function renderVerdicts(judged: readonly Judged[], rounds: number): string {
  const lines = judged.map(({ budget, variant, ratio, noise, verdict }) => {
    const what = `${METRIC_WORDS[budget.metric]} ${ratioText(ratio)} ${budget.metric === 'rate' ? '>=' : '<='} ${budget.target}`;
    const word = rounds < ROUNDS_TO_JUDGE ? `(not judged below ${ROUNDS_TO_JUDGE} rounds)` : VERDICT_WORDS[verdict];
    const noiseText = `bare-again ${noise.min.toFixed(2)}..${noise.max.toFixed(2)}`;
    return `${variant}, ${budget.callers} caller${budget.callers === 1 ? '' : 's'}: ${what}; ${noiseText}: ${word}`;
  });
  return lines.join('\n');
}

/** What the names stand for. */
export function legend(variants: readonly VariantName[]): string {
  return variants.map((name) => `${name}: ${VARIANTS[name].about}`).join('\n');
}
