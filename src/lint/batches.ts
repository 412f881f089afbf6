/**
 * Batch rules against the descriptors of their methods.
 *
 * @packageDocumentation
 */
import { compileRule } from '../batch/native/compile.ts';
import { showPath } from '../input/show.ts';
import type { LintRule } from './context.ts';
import { told } from './repeats.ts';

/** IM150 to IM152. */
export const batchRules: LintRule = (context) => {
  const { catalog, table } = context;
  for (const { kind, name, own, keys: layer } of context.layers) {
    const { batch } = own;
    if (batch === undefined || kind !== 'methods') continue;
    const keys = [...layer, 'batch'];
    if (catalog === undefined) {
      context.report('IM151', keys, 'not checked: nobody gave the .proto files', '--proto DIR, or --descriptors FILE');
      continue;
    }
    const facts = { method: `/${name}`, idempotent: table.method(`/${name}`).idempotent, path: showPath('policy', keys) };
    told(context, 'IM150', () => {
      const { onBatchError } = compileRule(batch, catalog, facts);
      // AIP-231: a batch read without errors of single items succeeds or fails as a whole.
      const atomic = batch.result.status === undefined && batch.result.failed === undefined;
      if (atomic && onBatchError === 'fail_all')
        context.report(
          'IM152',
          batch.onBatchError === undefined ? keys : [...keys, 'onBatchError'],
          `${batch.via} has no errors of single items, so one bad request fails every call that was merged with it`,
          'onBatchError: retry_singles (or bisect); or a reply with result.status or result.failed',
        );
    });
  }
};
