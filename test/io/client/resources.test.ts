import { getEventListeners } from 'node:events';
import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { noToken, parseBaseUrl, subscribe } from '../../../src/index.js';
import { close, event, text } from '../../support/raw-frames.js';
import { test } from '../../support/stage.js';

const descriptors = () => readdirSync('/proc/self/fd').length;

test('a hundred attempts of every kind leave no descriptor, timer or listener behind', async ({ serve }) => {
  const server = await serve();
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  let attempts = 0;
  server.onRequest((client) => {
    attempts++;
    if (attempts % 5 === 0) client.respond('502 Bad Gateway', [], 'x'.repeat(100_000));
    else if (attempts % 5 === 1) client.accept(text(event(1)), close(1011));
    else if (attempts % 5 === 2) client.reset();
    else if (attempts % 5 === 3) client.accept(text(event(2))).end();
    else client.write('HTTP/1.1 101 Nonsense\r\n\r\n').end();
  });
  const stop = new AbortController();
  const before = descriptors();
  const timers = process.getActiveResourcesInfo().length;
  const subscription = subscribe({
    url: parseBaseUrl(server.url),
    endpoints: ['devices'],
    token: noToken(),
    signal: stop.signal,
    retry: { retryDelayMs: 1, retryMaxMs: 2 },
    onLifecycle: ({ connection }) => {
      if (connection.state === 'connecting' && connection.attempt > 100) stop.abort();
      expect(getEventListeners(stop.signal, 'abort').length).toBeLessThan(5);
    },
  });
  for await (const _ of subscription);
  await Promise.all(server.connections.all.map(({ ended }) => ended));
  expect(attempts).toBeGreaterThanOrEqual(100);
  // The server's own ends of the last connections may need a moment; there are two for each.
  expect(descriptors()).toBeLessThanOrEqual(before + 2);
  expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(timers + 2);
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});
