import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Tests of values only: no clock, no files, no processes. */
const values = 'test/core/**/*.test.ts';
/** Tests that look at the clock of the machine. */
const timing = 'test/**/*.timing.test.ts';
const limits = { testTimeout: 20_000, hookTimeout: 20_000, restoreMocks: true };

/** Files that take ten seconds and more. */
const longest = /refusals\.test|examples\.test|cli.limits\.test|lifecycle\.test|diagnosis\.test|hints\.test/;

/** Starts the longest files first, so that no worker is idle at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => longest.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { name: 'tests', include: ['test/**/*.test.ts'], exclude: [values, timing], ...limits } },
      // They leave nothing behind, so they share a process, which starts and loads the modules once.
      { test: { name: 'values', include: [values], isolate: false, ...limits } },
      // After all others, and one at a time: they would be in each other's way.
      {
        test: {
          name: 'timing',
          include: [timing],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          ...limits,
        },
      },
    ],
  },
});
