import { afterEach, describe, expect, test, vi } from 'vitest';
import { resolveTracing } from '../../../src/observe/options.ts';
import { SpanStarts, TargetStarts } from '../../../src/observe/span-start.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('tracing options', () => {
  test.each([
    [{}, 'auto'],
    [{ names: 'semconv' }, 'auto'],
    [{ names: 'grpc' }, 'always'],
    [{ names: 'both' }, 'always'],
    [{ names: 'both', attemptSpans: 'off' }, 'off'],
    [{ names: 'semconv', attemptSpans: 'always' }, 'always'],
  ] as const)('%j: spans of attempts %s', (options, attemptSpans) => {
    expect(resolveTracing(options)).toMatchObject({ attemptSpans, names: 'semconv', grpcTraceBin: false, ...options });
  });

  test.each([
    [undefined, 128],
    ['', 128],
    ['many', 128],
    ['-1', 128],
    ['0', 0],
    [' 32 ', 32],
  ])('OTEL_SPAN_LINK_COUNT_LIMIT=%s: %i links', (text, maxLinks) => {
    vi.stubEnv('OTEL_SPAN_LINK_COUNT_LIMIT', text);
    expect(resolveTracing()?.maxLinks).toBe(maxLinks);
  });

  test.each([
    [undefined, 'semconv', false],
    ['rpc', 'semconv', false],
    ['http/dup', 'semconv', false],
    ['rpc/dup', 'semconv', true],
    ['http, RPC/DUP', 'both', true],
    ['rpc/dup', 'grpc', false],
  ] as const)('OTEL_SEMCONV_STABILITY_OPT_IN=%s with names %s: old names %s', (text, names, oldNames) => {
    vi.stubEnv('OTEL_SEMCONV_STABILITY_OPT_IN', text);
    expect(resolveTracing({ names })?.oldNames).toBe(oldNames);
  });
});

describe('beginnings of spans', () => {
  const words = { names: 'semconv', oldNames: false } as const;

  test('of one method and target are built once; each target has its own address', () => {
    const starts = new TargetStarts(words);
    const one = starts.of('dns:///a:1', '/s.S/M');
    expect(one.attributes['server.address']).toBe('a');
    expect(starts.of('dns:///b:2', '/s.S/M').attributes['server.address']).toBe('b');
    expect(starts.of('dns:///a:1', '/s.S/M')).toBe(one);
  });

  test('are kept for so many methods; others are told by their right name all the same', () => {
    const starts = new SpanStarts(words, 'Recv');
    for (let i = 0; i < 10_000; i++) starts.of(`/s.S/M${i}`);
    expect(starts.of('/s.S/M0')).toBe(starts.of('/s.S/M0'));
    expect(starts.of('/s.S/Late').name).toBe('s.S/Late');
    expect(starts.of('/s.S/Late')).not.toBe(starts.of('/s.S/Late'));
  });
});
