/**
 * Prints how adaptive limits do against a fixed one and none: `npm run sim`. About ten seconds.
 */
import type { LimitAlgorithmName } from '../../src/limit/options.ts';
import { adaptive, BIMODAL_CAPACITY, bimodal, CAPACITY, describeRun, fixed, fourSlots, hundredSlots, LARGE_CAPACITY } from './limits.ts';
import type { ModelOptions } from './queue-model.ts';

const ALGORITHMS: readonly LimitAlgorithmName[] = ['gradient', 'gradient2', 'vegas', 'aimd'];
const LOADS = [0.8, 1.2, 2, 5, 10];
const rows: readonly (readonly [string, ModelOptions['limits']])[] = [
  ['none', () => []],
  ['fixed 16', fixed(16)],
  ...ALGORITHMS.map((algorithm) => [algorithm, adaptive({ algorithm })] as const),
];

for (const [name, limits] of rows) {
  console.log(name);
  for (const load of LOADS) console.log(`  4 slots, load ${load}: ${describeRun(fourSlots(load, limits), CAPACITY, 3)}`);
  for (const load of [0.8, 2])
    console.log(`  100 slots, varying, load ${load}: ${describeRun(hundredSlots(load, limits), LARGE_CAPACITY, 3)}`);
  console.log(`  4 slots, bimodal, load 2: ${describeRun(bimodal(2, limits), BIMODAL_CAPACITY, 5)}`);
}
