// An ES module application; instrumentation sees it only with the loader hook.
import { register } from 'node:module';

if (process.argv[2] === 'hook') register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);
const { exporter } = (await import('./setup.cjs')).default;
const { scenario } = await import('./scenario.ts');
await scenario(exporter);
