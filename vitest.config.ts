import { defineConfig } from 'vitest/config';

/** Tests that look at the clock of the machine. */
const timing = 'test/**/*.timing.test.ts';
const limits = { testTimeout: 20_000, hookTimeout: 20_000, restoreMocks: true };

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { name: 'tests', include: ['test/**/*.test.ts'], exclude: [timing], ...limits } },
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
