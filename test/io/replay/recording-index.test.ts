import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RecordingIndex } from '../../../src/io/replay/recording-index.js';
import { planOf } from '../../../src/io/replay/replay-plan.js';
import { numberedLines, RecordingFolder } from '../../support/recordings.js';

const some = `${numberedLines(0, 2000, 1, '/read').join('\n')}\n`;

test('finds endpoints that it reads and endpoints that a playback has met, and knows at the end which are missing', async () => {
  using folder = new RecordingFolder();
  // A pipe: where its reading stands is for the test to say.
  const path = join(folder.path, 'pipe');
  spawnSync('mkfifo', [path]);
  const writer = createWriteStream(path);
  writer.write(some);
  const copies = { paths: [path], names: new Map(), removeCopies: async () => undefined };
  // With a rate the length is not looked up at the end of the file, which a pipe has not.
  const plan = await planOf(copies, { rate: 1 });
  const index = await RecordingIndex.open(plan);
  const [read, met, absent] = ['/read', '/met', '/absent'].map((label) => index.has(label));

  writer.write(some);
  expect(await read).toBe(true);

  // A playback comes to it first; the end of the recording is not there yet.
  plan.endpoints.labelOf('/met');
  writer.write(some);
  writer.write(some);
  expect(await met).toBe(true);

  writer.end();
  expect(await absent).toBe(false);
  expect(await index.has('/absent')).toBe(false);
  await index.stop();
});
