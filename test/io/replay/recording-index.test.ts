import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileFilter } from '../../../src/index.js';
import { RecordingIndex } from '../../../src/io/replay/recording-index.js';
import { EndpointTable } from '../../../src/io/replay/replay-plan.js';
import { numberedLines, RecordingFolder } from '../../support/recordings.js';

const some = `${numberedLines(0, 2000, 1, '/read').join('\n')}\n`;

test('finds endpoints that it reads and endpoints that a playback has met, and knows at the end which are missing', async () => {
  using folder = new RecordingFolder();
  // A pipe: where its reading stands is for the test to say.
  const path = join(folder.path, 'pipe');
  spawnSync('mkfifo', [path]);
  const endpoints = new EndpointTable();
  const ignore = () => undefined;
  const writer = createWriteStream(path);
  writer.write(some);
  const index = await RecordingIndex.open(
    {
      sources: [path],
      names: new Map(),
      filter: await compileFilter(),
      from: undefined,
      to: undefined,
      // With it the length is not looked up at the end of the file, which a pipe has not.
      schedule: { rate: 1 },
      passes: 1,
      lifecycle: false,
      endpoints,
      strict: false,
      onProblem: ignore,
      onNothing: ignore,
    },
    { needsTimes: false },
  );
  const [read, met, absent] = ['/read', '/met', '/absent'].map((label) => index.has(label));

  writer.write(some);
  expect(await read).toBe(true);

  // A playback comes to it first; the end of the recording is not there yet.
  endpoints.indexOf('/met');
  writer.write(some);
  writer.write(some);
  expect(await met).toBe(true);

  writer.end();
  expect(await absent).toBe(false);
  expect(await index.has('/absent')).toBe(false);
  await index.stop();
});
