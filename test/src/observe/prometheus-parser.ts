/**
 * A strict reader of the exposition format 0.0.4: what it takes, Prometheus takes. It throws at the first line that is not as the
 * format has it, at a family that is not in one piece, at a series that comes twice and at buckets that do not add up.
 */

/** One family. */
export interface Family {
  readonly type: string;
  readonly help: string;
  /** By series as the text has it: name and labels. */
  readonly samples: ReadonlyMap<string, number>;
}

interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;

export function parsePrometheus(text: string): Map<string, Family> {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  let current: { name: string; help: string; type: string | undefined; samples: Map<string, number>; parsed: Sample[] } | undefined;
  const close = (): void => {
    if (current === undefined) return;
    if (current.type === undefined) throw new Error(`${current.name}: HELP without TYPE`);
    if (current.samples.size === 0) throw new Error(`${current.name}: no samples`);
    if (current.type === 'histogram') checkHistogram(current.name, current.parsed);
    if (families.has(current.name)) throw new Error(`${current.name}: twice`);
    families.set(current.name, { type: current.type, help: current.help, samples: current.samples });
  };
  for (const line of text.split('\n').slice(0, -1)) {
    const help = /^# HELP (\S+) (.*)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (help !== null) {
      close();
      current = { name: nameOf(help[1] ?? ''), help: help[2] ?? '', type: undefined, samples: new Map(), parsed: [] };
    } else if (type !== null) {
      if (current === undefined || current.name !== type[1] || current.type !== undefined) throw new Error(`out of place: ${line}`);
      current.type = type[2];
    } else {
      const sample = parseSample(line);
      const base = current?.type === 'histogram' ? sample.name.replace(/_(bucket|sum|count)$/, '') : sample.name;
      if (current === undefined || current.type === undefined || base !== current.name) throw new Error(`out of place: ${line}`);
      const series = line.slice(0, line.lastIndexOf(' '));
      if (current.samples.has(series)) throw new Error(`twice: ${series}`);
      if (current.type === 'counter' && !(sample.value >= 0)) throw new Error(`a counter below 0: ${line}`);
      current.samples.set(series, sample.value);
      current.parsed.push(sample);
    }
  }
  close();
  return families;
}

function nameOf(text: string): string {
  if (NAME.exec(text)?.[0] !== text) throw new Error(`no name: ${text}`);
  return text;
}

function parseSample(line: string): Sample {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  let at = name.length;
  const labels = new Map<string, string>();
  if (line[at] === '{') {
    at++;
    while (line[at] !== '}') {
      const label = /^[a-zA-Z_][a-zA-Z0-9_]*/.exec(line.slice(at))?.[0];
      if (label === undefined || line.slice(at + label.length, at + label.length + 2) !== '="') throw new Error(`no label: ${line}`);
      at += label.length + 2;
      let value = '';
      while (line[at] !== '"') {
        const unescaped = line[at] === '\\' ? { '\\': '\\', '"': '"', n: '\n' }[line[at + 1] ?? ''] : undefined;
        if (line[at] === undefined || (line[at] === '\\' && unescaped === undefined)) throw new Error(`bad escape: ${line}`);
        value += unescaped ?? line[at];
        at += unescaped === undefined ? 1 : 2;
      }
      if (labels.has(label)) throw new Error(`label twice: ${line}`);
      labels.set(label, value);
      at++;
      if (line[at] === ',') at++;
      else if (line[at] !== '}') throw new Error(`no end of labels: ${line}`);
    }
    at++;
  }
  const number = /^ (\+Inf|-Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line.slice(at))?.[1];
  if (number === undefined) throw new Error(`no value: ${line}`);
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) };
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const seriesOf = ({ labels }: Sample): string => JSON.stringify([...labels].filter(([label]) => label !== 'le'));
  for (const series of new Set(samples.map(seriesOf))) {
    const own = samples.filter((sample) => seriesOf(sample) === series);
    const buckets = own.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels.get('le')?.replace('Inf', 'Infinity')));
    const counts = buckets.map(({ value }) => value);
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${name}${series}: no bucket for all`);
    if (bounds.some((bound, i) => !(bound > (bounds[i - 1] ?? Number.NEGATIVE_INFINITY)))) throw new Error(`${name}${series}: bounds`);
    if (counts.some((count, i) => count < (counts[i - 1] ?? 0))) throw new Error(`${name}${series}: buckets are not cumulative`);
    const count = own.filter((sample) => sample.name === `${name}_count`);
    if (count.length !== 1 || count[0]?.value !== counts.at(-1)) throw new Error(`${name}${series}: count is not that of all`);
    if (own.filter((sample) => sample.name === `${name}_sum`).length !== 1) throw new Error(`${name}${series}: no sum`);
  }
}
