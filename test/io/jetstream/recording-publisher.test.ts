import { existsSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { RecordingPublisher } from '../../../src/io/jetstream/recording-publisher.js';
import { targetOf } from '../../../src/io/jetstream/target.js';
import { numberedLines, RecordingFolder } from '../../support/recordings.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

describe('a publisher that is closed while it opens its recording', () => {
  it('counts the lines that are left, and saves its place no more', async () => {
    const path = folder.write(numberedLines(0, 8, 1));
    const publisher = new RecordingPublisher(path, targetOf('nats://127.0.0.1:1/S'), {
      ids: 'line',
      follow: false,
      signal: new AbortController().signal,
      persists: () => false,
      onProblem: () => undefined,
      onNotice: () => undefined,
      onDeleted: () => undefined,
    });
    void publisher.run();
    expect(await publisher.close()).toBe(8);
    rmSync(`${path}.cursor`);
    await delay(700);
    expect(existsSync(`${path}.cursor`)).toBe(false);
  });
});
