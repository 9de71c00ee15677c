import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileFilter } from '../../../src/index.js';
import { EndpointSearch } from '../../../src/io/replay/endpoint-search.js';
import { LaneTable } from '../../../src/io/replay/lane-table.js';
import { numberedLines, RecordingFolder } from '../../support/recordings.js';

const some = `${numberedLines(0, 2000, 1, '/read').join('\n')}\n`;

test('finds what it reads and what others have found, and knows at the end what is not there', async () => {
  using folder = new RecordingFolder();
  // A pipe: where its reading stands is for the test to say.
  const path = join(folder.path, 'pipe');
  spawnSync('mkfifo', [path]);
  const lanes = new LaneTable();
  const ignore = () => undefined;
  const search = new EndpointSearch({
    sources: [path],
    names: new Map(),
    filter: await compileFilter(),
    from: undefined,
    to: undefined,
    pace: {},
    passes: 1,
    lifecycle: false,
    lanes,
    strict: false,
    onProblem: ignore,
    onNothing: ignore,
  });
  const writer = createWriteStream(path);
  const [read, met, absent] = ['/read', '/met', '/absent'].map((label) => search.find(label));

  writer.write(some);
  expect(await read).toBe(true);

  // A playback comes to it first; the end of the recording is not there yet.
  lanes.indexOf('/met');
  writer.write(some);
  writer.write(some);
  expect(await met).toBe(true);

  writer.end();
  expect(await absent).toBe(false);
  expect(await search.find('/absent')).toBe(false);
  await search.stop();
});
