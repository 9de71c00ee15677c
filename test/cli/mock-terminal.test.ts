import { afterEach, expect, it } from 'vitest';
import { StreamClient, streamUrl } from '../io/server/stream-client.js';
import { type OnTerminal, Sandbox } from './sandbox.js';

const CTRL_C = '\x03';
const CTRL_S = '\x13';
const CTRL_Q = '\x11';

const sandbox = new Sandbox();
let mock: OnTerminal | undefined;
afterEach(async () => {
  mock?.pty.kill('SIGKILL');
  await mock?.ended;
  sandbox[Symbol.dispose]();
});

it('shows clients and rate in a live line, goes on serving while the terminal is stopped, and ends by Ctrl-C', async () => {
  mock = sandbox.onTerminal(['mock', '-p', '0', '--rate', '50']);
  const ready = /"listening":"([^"]+)","token":"([^"]+)"/;
  await mock.shows(ready);
  const [, url = '', token = ''] = ready.exec(mock.shown()) ?? [];
  const client = new StreamClient(streamUrl({ url, token }));
  await mock.shows(/where TOKEN is the token printed on stdout/);
  expect(mock.shown().split(token)).toHaveLength(2);
  await mock.shows(/devices: client connected \(1 client\)\r\n/);
  await mock.shows(/1 client, \d\d events\/s/);

  mock.pty.write(CTRL_S);
  await client.received(client.messages.length + 75);
  // Somebody comes, which wants to be said.
  await new StreamClient(streamUrl({ url, token }, 'system')).received(1);
  await client.received(client.messages.length + 25);
  mock.pty.write(CTRL_Q);
  await mock.shows(/system: client connected/);

  mock.pty.write(CTRL_C);
  expect((await client.end).code).toBe(1012);
  // The last words have come through.
  await mock.shows(/Served \d+ events in /);
  expect((await mock.ended).signal).toBe(2);
});
