/** `--otlp URL`: what the processes need to send traces and metrics. Without it nothing of OpenTelemetry's SDK is loaded. */
import type { Surroundings } from './processes.ts';

/** Telemetry was asked for and cannot be had. */
class TelemetryError extends Error {
  override readonly name = 'TelemetryError';
}

/** What a traced process offers the example's code. */
export interface Telemetry {
  /** Runs `render` inside a span for page `number`. */
  inPage(number: number, render: () => Promise<void>): Promise<void>;
  /** Sends what has not been sent yet. */
  flush(): Promise<void>;
}

/** Where the preloaded module puts its Telemetry. */
export const TELEMETRY: unique symbol = Symbol.for('atlas.telemetry');

/** The Telemetry of this process, if it has one. */
export function telemetry(): Telemetry | undefined {
  return (globalThis as { [TELEMETRY]?: Telemetry })[TELEMETRY];
}

const PACKAGES: readonly string[] = [
  '@opentelemetry/api',
  '@opentelemetry/context-async-hooks',
  '@opentelemetry/core',
  '@opentelemetry/exporter-trace-otlp-proto',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-metrics',
  '@opentelemetry/sdk-trace',
];

/** What traced processes are started with. @throws TelemetryError when a package is not installed. */
export function tracedSurroundings(otlp: string): Surroundings {
  const missing = PACKAGES.filter((name) => !isInstalled(name));
  if (missing.length > 0)
    throw new TelemetryError(`--otlp needs packages that are not installed: npm install --save-dev ${missing.join(' ')}`);
  return { preload: [new URL('./telemetry-sdk.ts', import.meta.url)], env: { ATLAS_OTLP: otlp } };
}

function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}
