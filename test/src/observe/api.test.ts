import { execFileSync } from 'node:child_process';
import * as api from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { afterEach, describe, expect, test } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { isSuppressed, loadOtel, scopeVersion, TracerSource } from '../../../src/observe/api.ts';
import { startTraces, stopTelemetry } from './rig.ts';

afterEach(stopTelemetry);

describe('the OpenTelemetry API', () => {
  test('is found, and shares what the application registers', () => {
    const { provider } = startTraces();
    const otel = loadOtel();
    expect(otel?.trace.getTracerProvider()).toMatchObject({ _delegate: provider });
  });

  test("the key that exporters suppress tracing with is the SDK's", () => {
    expect(isSuppressed(suppressTracing(api.ROOT_CONTEXT))).toBe(true);
    expect(isSuppressed(api.ROOT_CONTEXT)).toBe(false);
  });

  test("the scope carries the package's version", () => {
    expect(scopeVersion()).toBe(packageJson.version);
  });

  test('a tracer made before the SDK, or before its successor, is asked for again', () => {
    const source = new TracerSource(api);
    source.tracer.startSpan('early').end();
    const first = startTraces();
    source.tracer.startSpan('one').end();
    stopTelemetry();
    const second = startTraces();
    source.tracer.startSpan('two').end();
    expect(first.spans().map((span) => span.name)).toEqual(['one']);
    expect(second.spans().map((span) => span.name)).toEqual(['two']);
  });

  test('where it is not installed, every behaviour passes through', () => {
    const program = `
      import { registerHooks } from 'node:module';
      registerHooks({ resolve(id, context, next) {
        if (id === '@opentelemetry/api') throw Object.assign(new Error('gone'), { code: 'MODULE_NOT_FOUND' });
        return next(id, context);
      } });
      const { tracingClientInterceptor, attemptTracingInterceptor, tracingServerLayer } = await import('./interceptors/tracing.ts');
      const { metricsClientInterceptor, metricsServerLayer } = await import('./interceptors/metrics.ts');
      const { carrierSpans, servedCarrierSpans } = await import('./src/observe/carrier-span.ts');
      const { loadOtel } = await import('./src/observe/api.ts');
      const info = {}, call = {};
      const client = [tracingClientInterceptor, attemptTracingInterceptor, metricsClientInterceptor].map((make) => make()(info, (i) => i === info && call) === call);
      const server = [tracingServerLayer, metricsServerLayer].map((make) => make()(info, call) === call);
      console.log(JSON.stringify([loadOtel() ?? null, client, server, carrierSpans()('/a/b', '', []) ?? null, servedCarrierSpans()('/a/b', {}, 2, '') ?? null]));
    `;
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      cwd: new URL('../../..', import.meta.url),
    });
    expect(JSON.parse(out)).toEqual([null, [true, true, true], [true, true], null, null]);
  });
});
