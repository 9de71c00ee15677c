import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FilterMessages } from '../../src/cli/stream/filter-messages.js';
import { noColors } from '../../src/cli/terminal/palette.js';
import { Messages } from '../../src/cli/terminal/terminal.js';
import { FrameReader } from '../../src/core/json/frame.js';
import { compileFilter } from '../../src/index.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('a filter that keeps none of 1,000 events in 10 s is told with their number and types, once', async () => {
  let said = '';
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      said += chunk;
      done();
    },
  });
  const messages = new Messages(Object.assign(stderr, { columns: 0 }), noColors, {
    isPlain: true,
    quiet: false,
    debug: false,
    said: {},
  });
  const filter = await compileFilter({ types: ['device.error'] });
  const filtering = new FilterMessages(messages, filter);
  const reader = new FrameReader();
  for (let n = 0; n < 1000; n++) {
    reader.read(Buffer.from(`{"type":"device.status_update","data":{"n":${n}}}`));
    filter.matches(reader, 'devices');
  }
  vi.advanceTimersByTime(9000);
  expect(said).toBe('');
  vi.advanceTimersByTime(2000);
  const told = 'warning: 1,000 events came and none matched the filters; types: device.status_update\n';
  expect(said).toBe(told);
  filtering.end();
  expect(said).toBe(told);
});
