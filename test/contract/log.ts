/**
 * What an observer of a call saw, as lines of text that are equal whenever the behaviour is equal.
 *
 * Lines are kept in lanes ("client", "server", "writes", ...), because only the order inside a lane is promised.
 */
import { type Metadata, status } from '@grpc/grpc-js';

/** Lines by lane. */
export type Lanes = Readonly<Record<string, readonly string[]>>;

/** Headers whose value says when or by which version, not what. */
const VOLATILE = new Map([
  ['date', 'DATE'],
  ['user-agent', 'AGENT'],
]);

/** Replaces what differs from run to run: ports, durations, moments. */
export function normalise(text: string): string {
  return (
    text
      .replace(/127\.0\.0\.1:\d+|\[::1\]:\d+|localhost:\d+/g, 'HOST:PORT')
      .replace(/port: \d+/g, 'port: PORT')
      .replace(/\d+(\.\d+)?s\b/g, '#s')
      // grpc-js tells how long each step took, but leaves out the steps that took no measurable time.
      .replace(/,(name resolution|metadata filters|LB pick|time to current attempt start): #s/gi, '')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'MOMENT')
  );
}

function showMetadata(metadata: Metadata): string {
  const entries = Object.keys(metadata.getMap()).sort();
  const shown = entries.map((key) => {
    const values = metadata.get(key).map((value) => (typeof value === 'string' ? value : `0x${value.toString('hex')}`));
    return `${key}=${VOLATILE.get(key) ?? values.join(',')}`;
  });
  return `{${shown.join(' ')}}`;
}

function isMetadata(value: object): value is Metadata {
  return 'getMap' in value && 'getOptions' in value;
}

function showError(error: Error): string {
  const parts = [`${error.constructor.name}(${JSON.stringify(error.message)}`];
  if ('code' in error) {
    parts.push(`code=${typeof error.code === 'number' ? status[error.code] : error.code}`);
  }
  if ('details' in error) {
    parts.push(`details=${JSON.stringify(error.details)}`);
  }
  if ('metadata' in error) {
    parts.push(`metadata=${show(error.metadata)}`);
  }
  // A service error tells where the call was made; that is worth as much as its code.
  if (error.stack?.includes('for call at')) {
    parts.push(`caller=${/for call at[\s\S]*scenarios\//.test(error.stack) ? 'named' : 'missing'}`);
  }
  return `${parts.join(' ')})`;
}

/** One value as text: metadata sorted, binary as hex, errors with all that a caller can read. */
export function show(value: unknown): string {
  if (value instanceof Error) {
    return showError(value);
  }
  if (Buffer.isBuffer(value)) {
    return value.length > 64 ? `bytes(${value.length})` : `0x${value.toString('hex')}`;
  }
  if (Array.isArray(value)) {
    return `[${value.map(show).join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    if (isMetadata(value)) {
      return showMetadata(value);
    }
    return `{${Object.entries(value)
      .map(([key, part]) => `${key}: ${show(part)}`)
      .join(', ')}}`;
  }
  if (typeof value === 'string') {
    return value.length > 300 ? `text(${value.length})` : JSON.stringify(value);
  }
  return String(value);
}

/** Collects lines. */
export class Log {
  readonly #lanes = new Map<string, string[]>();

  /** Adds a line to a lane: a word and the values that came with it. */
  add(lane: string, word: string, ...values: readonly unknown[]): void {
    let lines = this.#lanes.get(lane);
    if (lines === undefined) {
      lines = [];
      this.#lanes.set(lane, lines);
    }
    lines.push(normalise([word, ...values.map(show)].join(' ')));
  }

  /** For lanes in which even the order is chance (many calls at once). */
  sort(lane: string): void {
    this.#lanes.get(lane)?.sort();
  }

  /** All that was seen, lanes in alphabetical order. */
  lanes(): Lanes {
    return Object.fromEntries([...this.#lanes].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
