import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type MockServer, type ServerActivity, startMockServer } from '../../../src/index.js';

const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);

/** What a page has seen: `open`, messages, `close 1006`, in order. */
type Sight = string[];

const page = (url: string) => `<!doctype html><script>
  const seen = [];
  const socket = new WebSocket(${JSON.stringify(url)});
  const report = () => fetch('/seen', { method: 'POST', body: JSON.stringify(seen) });
  socket.onopen = () => seen.push('open');
  socket.onmessage = ({ data }) => { seen.push(JSON.parse(data).type); if (seen.length === 5) report(); };
  socket.onclose = ({ code }) => { seen.push('close ' + code); report(); };
</script>`;

const cleanups: (() => unknown)[] = [];
/** Why the mock has turned somebody away. */
const refusals: string[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** Shows a page in a browser for which evil.example is this machine, and waits for what it has seen. */
async function browse(host: string, urlFor: (server: MockServer) => string): Promise<Sight> {
  refusals.length = 0;
  const onActivity = (activity: ServerActivity) => {
    if (activity.kind === 'refused') refusals.push(activity.why);
  };
  const mock = await startMockServer({ rate: 50, onActivity });
  cleanups.push(() => mock.close());
  let tell: (seen: Sight) => void = () => undefined;
  const told = new Promise<Sight>((resolve) => {
    tell = resolve;
  });
  const site: Server = createServer(async (request, response) => {
    if (request.method === 'POST') tell(JSON.parse(Buffer.concat(await request.toArray()).toString()));
    response.setHeader('content-type', 'text/html').end(page(urlFor(mock)));
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  cleanups.push(() => site.close());
  const profile = mkdtempSync(join(tmpdir(), 'opmas-ws-browser-'));
  cleanups.push(() => rmSync(profile, { recursive: true, force: true, maxRetries: 10 }));
  const browser: ChildProcess = spawn(
    chromium!,
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      `--user-data-dir=${profile}`,
      '--host-resolver-rules=MAP evil.example 127.0.0.1',
      `http://${host}:${(site.address() as AddressInfo).port}/`,
    ],
    // A group of its own: what its processes write must not come back into the folder that is removed at the end.
    { stdio: 'ignore', detached: true },
  );
  cleanups.push(async () => {
    if (browser.exitCode !== null || browser.signalCode !== null) return;
    process.kill(-browser.pid!, 'SIGKILL');
    await once(browser, 'exit');
  });
  return await told;
}

describe.skipIf(chromium === undefined)('a page in a browser (skipped where there is no Chromium)', () => {
  it('of this machine gets events', async () => {
    const seen = await browse('localhost', ({ url, token }) => `${url}/api/v1/ws/devices?token=${token}`);
    expect(seen[0]).toBe('open');
    expect(seen.slice(1)).toEqual(Array(4).fill(expect.stringMatching(/^device\./)));
  });

  it('of another site gets nothing', async () => {
    const seen = await browse('evil.example', ({ url, token }) => `${url}/api/v1/ws/devices?token=${token}`);
    expect([seen, refusals]).toEqual([
      ['close 1006'],
      [expect.stringContaining('Origin http://evil.example')],
    ]);
  });

  it('of another site gets nothing by a name that DNS has rebound', async () => {
    const seen = await browse(
      'evil.example',
      ({ port, token }) => `ws://evil.example:${port}/api/v1/ws/devices?token=${token}`,
    );
    expect([seen, refusals]).toEqual([['close 1006'], [expect.stringContaining('Host evil.example')]]);
  });
});
