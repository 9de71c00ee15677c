import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { serveRecording } from '../../../src/index.js';
import { Sandbox } from '../../cli/sandbox.js';
import { BrowserPage, chromium } from '../../support/browser.js';
import { numberedLines, numberOf, RecordingFolder } from '../../support/recordings.js';
import { startWebServer } from '../../support/web-server.js';
import { StreamClient, streamUrl } from '../server/stream-client.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

const EVENTS = 500;

const page = (url: string) => `<!doctype html><script>
  const seen = [];
  const socket = new WebSocket(${JSON.stringify(url)});
  socket.onmessage = ({ data }) => seen.push(JSON.parse(data).data.n);
</script>`;

/** Two `ws` clients, a page where there is a browser, and our own tail watch one replay; the tail is stopped in it. */
async function watchTogether(withPage: boolean): Promise<void> {
  const lines = [...numberedLines(0, EVENTS, 40), ...numberedLines(0, EVENTS, 40, 'rules')];
  await using server = await serveRecording(folder.write(lines), { clock: 'shared', speed: 10 });
  server.pause();
  const clients = [0, 1].map(() => new StreamClient(streamUrl(server)));
  using sandbox = new Sandbox({ OPMAS_URL: server.url, OPMAS_TOKEN: server.token });
  const tail = sandbox.start(['tail', '-f', 'json']);
  let printed = '';
  tail.child.stdout.on('data', (text: string) => {
    printed += text;
  });
  await using site = await startWebServer((_request, response) => response.end(page(streamUrl(server))));
  await using browser = withPage ? await BrowserPage.open() : undefined;
  await browser?.go(site.url.href.replace('127.0.0.1', 'localhost'));
  // A page may be loaded before its socket is open.
  while (server.clients < (withPage ? 7 : 6)) await delay(10);

  server.resume();
  await clients[0]!.received(EVENTS / 4);
  tail.child.kill('SIGSTOP');
  try {
    const everything = Array.from({ length: EVENTS }, (_, n) => n);
    for (const client of clients) expect((await client.received(EVENTS)).map(numberOf)).toEqual(everything);
    while (browser !== undefined && (await browser.evaluate<number>('seen.length')) < EVENTS) await delay(10);
    expect(await browser?.evaluate('seen')).toEqual(browser && everything);
    const isStopped = printed.split('\n').length - 1;
    expect(isStopped).toBeLessThan(2 * EVENTS);
  } finally {
    tail.child.kill('SIGCONT');
  }
  // And the one that was stopped has missed nothing.
  while (printed.split('\n').length <= 2 * EVENTS) await delay(10);
  await server.close();
  tail.child.kill('SIGINT');
  await tail.ended;
}

describe('one replay at ten times the speed, with a client that is stopped in the middle', () => {
  it('is watched by ws clients and tail: the others never notice', () => watchTogether(false));

  it.skipIf(chromium === undefined)(
    'is watched by a page in a browser as well (skipped where there is no Chromium)',
    () => watchTogether(true),
    60_000,
  );
});
