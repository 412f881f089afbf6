import { defineConfig } from 'vitest/config';

/** Tests that start processes, load the machine or use the network: one file at a time, after all others. */
const folders = ['e2e', 'interop', 'bench', 'package', 'soak', 'page', 'codegen'];
const system = [...folders.map((folder) => `test/${folder}/**/*.test.ts`), 'test/docs.test.ts'];
/** Faults between processes take their time: a run of their own, `npm run faults` and `npm run faults:coalescing`. */
const faults = ['test/e2e/coalescing/**/*.test.ts', 'test/e2e/faults/**/*.test.ts'];

export default defineConfig({
  test: {
    sequence: { shuffle: true },
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          maxWorkers: 3,
          include: ['test/**/*.test.ts'],
          exclude: system,
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: system,
          exclude: faults,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'faults', include: faults, fileParallelism: false, testTimeout: 120_000, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
