import { defineConfig } from 'vitest/config';

const within = (...folders: readonly string[]): string[] => folders.map((folder) => `test/${folder}/**/*.test.ts`);

/** Tests of engines: no sockets, nothing global, so that files can share a process and load the modules once. */
const engines = within('src', 'laws');
/** Tests that start processes or use the network: one file at a time, after all others. */
const system = [...within('interop', 'codegen'), 'test/docs.test.ts'];
/** Whole programs that load the machine: a run of their own, `npm run test:programs`. */
const programs = [
  ...within('e2e', 'bench', 'soak', 'page', 'package'),
  // Seconds of real time for each case, or another program than Node.
  'test/grpc/endpoints-half-open.test.ts',
  'test/grpc/resets.test.ts',
  'test/src/limit/real.test.ts',
  'test/codegen/protoc.test.ts',
];
/** Faults between processes take their time: a run of their own, `npm run faults` and `npm run faults:coalescing`. */
const faults = ['test/e2e/coalescing/**/*.test.ts', 'test/e2e/faults/**/*.test.ts'];

/** Not on every version of Node (`scripts/test-on-node.ts`). */
const laws = process.env['INMESH_WITHOUT_LAWS'] === undefined ? [] : within('laws', 'oracle');

export default defineConfig({
  test: {
    sequence: { shuffle: true },
    pool: 'forks',
    maxConcurrency: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          maxWorkers: 3,
          include: ['test/**/*.test.ts'],
          exclude: [...engines, ...system, ...programs, ...laws],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'engines',
          maxWorkers: 3,
          isolate: false,
          include: engines,
          exclude: [...programs, ...laws],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: system,
          exclude: programs,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'programs',
          include: programs,
          exclude: faults,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: { name: 'faults', include: faults, fileParallelism: false, testTimeout: 120_000, sequence: { groupOrder: 3 } },
      },
    ],
  },
});
