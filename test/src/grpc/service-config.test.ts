import type { ChannelOptions } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { balanceOptions } from '../../../interceptors/balance.ts';
import { ConfigError } from '../../../src/errors.ts';
import { bookOption, newBook, PEAK_EWMA } from '../../../src/grpc/lb-policy.ts';
import { newSettings, settingsOption } from '../../../src/grpc/lb-settings.ts';
import { type PreparedOptions, prepareChannelOptions } from '../../../src/grpc/service-config.ts';

const KEY = 'grpc.service_config';
const book = newBook();

function prepare(config?: unknown, balance: 'peak_ewma' | 'off' = 'peak_ewma', more: ChannelOptions = {}): PreparedOptions {
  return prepareChannelOptions(config === undefined ? more : { ...more, [KEY]: JSON.stringify(config) }, book, balance);
}

/** The service config that grpc-js gets. */
function configOf(prepared: PreparedOptions): unknown {
  return JSON.parse(prepared.options[KEY] ?? 'null');
}

describe('channel options without a service config', () => {
  test('get our policy, our book, quick reconnects and lookups, no TXT service config, and keep what the user set', () => {
    const prepared = prepare(undefined, 'peak_ewma', { 'grpc.keepalive_time_ms': 5_000 });
    expect(prepared).toEqual({
      ours: true,
      options: {
        'grpc.keepalive_time_ms': 5_000,
        'grpc.service_config_disable_resolution': 1,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 5_000,
        'grpc.dns_min_time_between_resolutions_ms': 750,
        [KEY]: `{"loadBalancingConfig":[{"${PEAK_EWMA}":{}}]}`,
        ...bookOption(book),
        ...settingsOption(newSettings()),
      },
    });
  });

  test('keep the times that the user set', () => {
    const own = {
      'grpc.initial_reconnect_backoff_ms': 2_000,
      'grpc.max_reconnect_backoff_ms': 3_000,
      'grpc.dns_min_time_between_resolutions_ms': 4_000,
    };
    expect(prepare(undefined, 'peak_ewma', own).options).toMatchObject(own);
  });

  test.each([
    [0, undefined],
    [1_000, 500],
    [60_000, 1_000],
  ])('let grpc-js resolve a name often enough for a refresh of %i ms', (refreshMs, expected) => {
    const { options } = prepareChannelOptions({}, book, 'peak_ewma', 'take', newSettings({ refreshMs }));
    expect(options['grpc.dns_min_time_between_resolutions_ms']).toBe(expected);
  });

  test('leave everything but TXT to grpc-js when balance is off', () => {
    expect(prepare(undefined, 'off')).toEqual({
      ours: false,
      reason: 'balance is off',
      options: { 'grpc.service_config_disable_resolution': 1 },
    });
  });

  test('never change retries, nor a choice about TXT, nor the object given', () => {
    const given = Object.freeze({ 'grpc.enable_retries': 0, 'grpc.service_config_disable_resolution': 0 });
    const { options } = prepareChannelOptions(given, book, 'peak_ewma');
    expect(options).toMatchObject(given);
    expect(prepare().options).not.toHaveProperty('grpc.enable_retries');
  });
});

describe('a policy in the service config', () => {
  test('wins over ours, with a reason', () => {
    const prepared = prepare({ loadBalancingConfig: [{ round_robin: {} }] });
    expect(prepared).toMatchObject({ ours: false, reason: 'the service config chooses round_robin' });
    expect(prepared.options).not.toHaveProperty(Object.keys(bookOption(book)));
    expect(configOf(prepared)).toEqual({ loadBalancingConfig: [{ round_robin: {} }] });
  });

  test('is the first of the list that grpc-js knows', () => {
    expect(prepare({ loadBalancingConfig: [{ future_policy: {} }, { pick_first: {} }] }).reason).toContain('pick_first');
  });

  test('may be ours, with options, even when balance is off', () => {
    const config = { loadBalancingConfig: [{ [PEAK_EWMA]: { decayMs: 500 } }] };
    for (const balance of ['peak_ewma', 'off'] as const) {
      const prepared = prepare(config, balance);
      expect(prepared.ours).toBe(true);
      expect(configOf(prepared)).toEqual(config);
      expect(prepared.options).toMatchObject(bookOption(book));
    }
  });

  test('is left open by an empty list', () => {
    expect(configOf(prepare({ loadBalancingConfig: [] }))).toEqual({ loadBalancingConfig: [{ [PEAK_EWMA]: {} }] });
  });

  test('under its old key keeps ours out and says that grpc-js ignores it', () => {
    const prepared = prepare({ loadBalancingPolicy: 'ROUND_ROBIN' });
    expect(prepared.ours).toBe(false);
    expect(prepared.reason).toContain('write "loadBalancingConfig":[{"round_robin":{}}]');
  });
});

describe('a broken service config', () => {
  test.each([
    ['not JSON', '{"methodConfig":', 'options["grpc.service_config"]: not JSON'],
    ['not text', { methodConfig: [] }, 'expected JSON text'],
    ['no object', '[1]', 'expected a JSON object, got "[1]"'],
    ['null', 'null', 'expected a JSON object'],
    ['LB config no list', '{"loadBalancingConfig":{"round_robin":{}}}', 'loadBalancingConfig: expected a list'],
    [
      'LB entry of two keys',
      '{"loadBalancingConfig":[{"round_robin":{},"pick_first":{}}]}',
      'loadBalancingConfig[0]: expected an object with one key',
    ],
    ['LB entry no object', '{"loadBalancingConfig":["round_robin"]}', 'loadBalancingConfig[0]: expected an object with one key'],
    ['M13: unknown policy', '{"loadBalancingConfig":[{"roundrobin":{}}]}', 'would use pick_first; did you mean round_robin?'],
    ['M13: far from any policy', '{"loadBalancingConfig":[{"x":{}}]}', 'known are inmesh_peak_ewma, pick_first, round_robin'],
    [
      'M13: a known policy with options that grpc-js cannot read',
      '{"loadBalancingConfig":[{"outlier_detection":{"interval":"1s","child_policy":[{"round_robin":{}}]}}]}',
      'loadBalancingConfig[0].outlier_detection: ',
    ],
    ['our policy with a wrong option', `{"loadBalancingConfig":[{"${PEAK_EWMA}":{"decay":"5s"}}]}`, 'decay: unknown option'],
    ['old LB key no text', '{"loadBalancingPolicy":3}', 'loadBalancingPolicy: expected a name, got 3'],
    ['methodConfig no list', '{"methodConfig":{}}', 'methodConfig: expected a list'],
    ['method no object', '{"methodConfig":[7]}', 'methodConfig[0]: expected an object, got 7'],
  ])('throws: %s', (_case, text, message) => {
    const bad = (): PreparedOptions => prepareChannelOptions({ [KEY]: text } as ChannelOptions, book, 'peak_ewma');
    expect(bad).toThrow(ConfigError);
    expect(bad).toThrow(message);
  });
});

describe('retry policies in the service config', () => {
  const retryPolicy = {
    maxAttempts: 4,
    initialBackoff: '0.1s',
    maxBackoff: '1s',
    backoffMultiplier: 2,
    retryableStatusCodes: ['UNAVAILABLE'],
  };
  const config = {
    retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
    methodConfig: [
      { name: [{ service: 'a.B' }], timeout: { seconds: 1, nanos: 0 }, retryPolicy },
      { name: [{ service: 'a.C' }], hedgingPolicy: { maxAttempts: 2 } },
      { name: [{}], waitForReady: true },
    ],
  };

  test.each(['peak_ewma', 'off'] as const)('are taken out and handed over, the rest is kept (balance %s)', (balance) => {
    const prepared = prepare(config, balance);
    expect(prepared.retryPolicies).toEqual([
      { name: [{ service: 'a.B' }], retryPolicy },
      { name: [{ service: 'a.C' }], hedgingPolicy: { maxAttempts: 2 } },
    ]);
    expect(configOf(prepared)).toMatchObject({
      retryThrottling: config.retryThrottling,
      methodConfig: [
        { name: [{ service: 'a.B' }], timeout: { seconds: 1, nanos: 0 } },
        { name: [{ service: 'a.C' }] },
        { name: [{}], waitForReady: true },
      ],
    });
    expect(prepared.options[KEY]).not.toMatch(/retryPolicy|hedgingPolicy/);
  });

  test('stay when the balancer is used alone', () => {
    const options = balanceOptions({ decayMs: 5_000 }, { [KEY]: JSON.stringify(config) });
    expect(JSON.parse(options[KEY] ?? '')).toEqual({ ...config, loadBalancingConfig: [{ [PEAK_EWMA]: {} }] });
  });

  test('are absent when there are none', () => {
    expect(prepare({ methodConfig: [{ name: [{}] }] })).not.toHaveProperty('retryPolicies');
  });
});

describe('balanceOptions', () => {
  test('refuses bad options with their path', () => {
    expect(() => balanceOptions({ decayMs: -1 })).toThrow('balance.decayMs: expected milliseconds as a number > 0, got -1');
  });
});
