import { afterEach, expect, it, vi } from 'vitest';
import {
  linesOf,
  type MockServer,
  parseBaseUrl,
  serveRecording,
  startMockServer,
  subscribe,
  tokenFromText,
} from '../../src/index.js';
import { numberedLines, RecordingFolder } from '../support/recordings.js';

afterEach(() => {
  vi.useRealTimers();
});

async function take(server: MockServer, count: number): Promise<number> {
  const token = tokenFromText(server.token, 'the server');
  const stream = subscribe({ url: parseBaseUrl(server.url), endpoints: ['devices'], token, count });
  let events = 0;
  for await (const batch of stream) events += [...linesOf(batch)].length;
  await server.close();
  return events;
}

it('a mock server sends its events while a test runner has stopped the time', async () => {
  vi.useFakeTimers({ now: 0 });
  expect(await take(await startMockServer({ rate: 100 }), 5)).toBe(5);
});

it('a recording is served while a test runner has stopped the time', async () => {
  using folder = new RecordingFolder();
  const path = folder.write(numberedLines(0, 5, 10));
  vi.useFakeTimers({ now: 0 });
  expect(await take(await serveRecording(path), 5)).toBe(5);
});
