/**
 * Which methods `stat` and `top` show.
 *
 * @packageDocumentation
 */
import type { OverviewView } from '../observe/views.ts';

/** What was asked for. */
export interface Filter {
  /** A part of a name in any case; with `*` the whole name. Undefined: all. */
  readonly pattern: string | undefined;
  readonly side: 'both' | 'client' | 'server';
  readonly target?: string | undefined;
}

/** The overview with less in it. */
export function filtered(overview: OverviewView, { pattern, side, target }: Filter): OverviewView {
  const matches = matcher(pattern);
  return {
    ...overview,
    methods: overview.methods.filter((row) => (side === 'both' || row.side === side) && matches(row.method)),
    endpoints: overview.endpoints.filter((row) => target === undefined || row.target === target),
    breakers: overview.breakers.filter(({ method }) => matches(method)),
  };
}

function matcher(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return () => true;
  const wanted = pattern.toLowerCase();
  if (!wanted.includes('*')) return (name) => name.toLowerCase().includes(wanted);
  // Pieces between the stars, in their order: no regular expression, so nothing in a pattern can run away.
  const pieces = wanted.split('*');
  return (name) => {
    const text = name.toLowerCase();
    const first = pieces[0] ?? '';
    const end = pieces.at(-1) ?? '';
    if (!text.startsWith(first) || text.length < first.length + end.length || !text.endsWith(end)) return false;
    let from = first.length;
    for (const piece of pieces.slice(1, -1)) {
      const at = text.indexOf(piece, from);
      if (at < 0 || at + piece.length > text.length - end.length) return false;
      from = at + piece.length;
    }
    return true;
  };
}
