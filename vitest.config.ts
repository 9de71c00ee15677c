import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Tests that need modules of their own, or count what the process holds. */
const alone = [
  'test/io/{false-time,client/line-queue,client/resources,recording/segment,replay/scheduler}.test.ts',
];
/** Tests that look at the clock of the machine. */
const timing = 'test/**/*.timing.test.ts';
/** Long, so that a loaded machine does not end a test that goes on. */
const limits = { testTimeout: 120_000, hookTimeout: 120_000, restoreMocks: true };

/** Files that take longest; they take 8 s or more, many of them for little text. */
const longest =
  /examples|cli.limits|record-publish|cli.wait\.|keychain|shared-outputs|replaced|writer\.test|publish\.test|what-clients|together|pausing|lifecycle\.test|serve-rec|refusals\.test|true-answers\.|completion/;

/** Starts the longest files first, so that no worker is idle at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId, project }: TestSpecification) =>
      project.name === 'tests' ? (longest.test(moduleId) ? 0 : 1) : 2;
    return (await super.sort(files)).sort((a, b) => rankOf(a) - rankOf(b));
  }
}

export default defineConfig({
  test: {
    // Most tests wait for processes and times, so there are more workers than cores.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      // They leave nothing behind, so they share processes, which start and load the modules once.
      {
        test: {
          name: 'tests',
          include: ['test/**/*.test.ts'],
          exclude: [...alone, timing],
          isolate: false,
          unstubEnvs: true,
          ...limits,
        },
      },
      { test: { name: 'alone', include: alone, ...limits } },
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
