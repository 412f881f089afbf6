import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

interface Recorded {
  readonly kind: 'client' | 'server';
  readonly scope: string;
  readonly status: string;
  readonly trace: string;
  readonly parent?: string;
  readonly id: string;
}

const OURS = 'inmesh';
const THEIRS = '@opentelemetry/instrumentation-grpc';

async function run(app: string, ...args: string[]): Promise<Recorded[]> {
  const path = fileURLToPath(new URL(`./dedup/${app}`, import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--no-warnings', path, ...args], { timeout: 15_000 });
  expect(stderr).toBe(''); // nothing that the SDK complains of, such as attributes after a span's end
  return JSON.parse(stdout) as Recorded[];
}

const shown = (spans: Recorded[], kind: string): string[] =>
  spans.filter((span) => span.kind === kind).map((span) => `${span.status} by ${span.scope}`);

describe('tracing beside instrumentation-grpc', () => {
  test.each([
    { where: 'CommonJS', app: 'app.cjs', args: [] },
    { where: 'ESM with the hook', app: 'app.mjs', args: ['hook'] },
  ])('$where: its span of a call is enriched, no second one opened', async ({ app, args }) => {
    const spans = await run(app, ...args);
    const calls = ['OK', 'INTERNAL', 'RESOURCE_EXHAUSTED', 'OK'];
    expect(shown(spans, 'client')).toEqual(calls.map((status) => `${status} by ${THEIRS}`));
    // Only a call turned away before its handler is one that it does not see.
    const server = [`OK by ${THEIRS}`, `INTERNAL by ${THEIRS}`, `RESOURCE_EXHAUSTED by ${OURS}`, `OK by ${THEIRS}`];
    expect(shown(spans, 'server').sort()).toEqual(server.sort());
    expectPairs(spans);
  });

  test('ESM without the hook, where it does nothing: ours', async () => {
    const spans = await run('app.mjs');
    const calls = ['INTERNAL', 'OK', 'OK', 'RESOURCE_EXHAUSTED'].map((status) => `${status} by ${OURS}`);
    expect(shown(spans, 'client').sort()).toEqual(calls);
    expect(shown(spans, 'server').sort()).toEqual(calls);
    expectPairs(spans);
  });
});

/** Every call is one trace of two: the server's span hangs under the client's. */
function expectPairs(spans: Recorded[]): void {
  expect(spans).toHaveLength(8);
  for (const served of spans.filter((span) => span.kind === 'server')) {
    const caller = spans.find((span) => span.id === served.parent);
    expect(caller).toMatchObject({ kind: 'client', trace: served.trace, status: served.status });
  }
}
