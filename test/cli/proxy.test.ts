import { describe, expect, it } from 'vitest';
import { startMockServer } from '../../src/index.js';
import { startProxy } from '../support/proxy-server.js';
import { startSocks } from '../support/socks-server.js';
import { Sandbox } from './sandbox.js';

it('tail and record reach a server that only the proxy knows', async () => {
  const server = await startMockServer({ rate: 50, allowOrigins: ['http://opmas.test'] });
  const port = Number(new URL(server.url).port);
  await using proxy = await startProxy({ port });
  await using socks = await startSocks({ port });
  using sandbox = new Sandbox({
    OPMAS_URL: 'ws://opmas.test:80',
    OPMAS_TOKEN: server.token,
    http_proxy: `http://127.0.0.1:${proxy.port}`,
  });
  for (const args of [
    ['tail', 'devices', '-n', '1', '--plaintext'],
    ['record', 'rules', '-n', '1', '-o', 'x.ndjson', '--plaintext'],
    ['tail', 'devices', '-n', '1', '--plaintext', '--proxy', `socks5h://127.0.0.1:${socks.port}`],
  ]) {
    expect(await sandbox.run(args)).toMatchObject({ code: 0 });
  }
  expect(proxy.seen.map(({ request }) => request)).toEqual(Array(2).fill('CONNECT opmas.test:80'));
  expect(socks.seen).toEqual([{ version: 5, target: 'opmas.test:80' }]);
  // Nothing for this machine goes through a proxy, unless it is named.
  const straight = { environment: { OPMAS_URL: server.url } };
  expect(await sandbox.run(['tail', 'devices', '-n', '1'], straight)).toMatchObject({ code: 0 });
  expect(proxy.seen).toHaveLength(2);
  const named = ['--proxy', `127.0.0.1:${proxy.port}`];
  expect(await sandbox.run(['tail', 'devices', '-n', '1', ...named], straight)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /is not encrypted and goes through the proxy http:\/\/127\.0\.0\.1:\d+ \(--proxy\).*\n.*--plaintext/,
    ),
  });
  const exposed = await sandbox.run(['tail', 'devices', '-n', '1', ...named, '--plaintext'], straight);
  expect(exposed).toMatchObject({ code: 0, stderr: expect.stringContaining('not encrypted') });
  expect(proxy.seen).toHaveLength(3);
  await server.close();
});

it('a context keeps its proxy, which wins over the environment; --proxy wins over both', async () => {
  const server = await startMockServer({ rate: 50, allowOrigins: ['http://opmas.test'] });
  await using proxy = await startProxy({ port: Number(new URL(server.url).port) });
  using sandbox = new Sandbox({ OPMAS_TOKEN: server.token, NO_PROXY: '*', ALL_PROXY: 'http://127.0.0.1:1' });
  const secret = `http://me:sesame@127.0.0.1:${proxy.port}`;
  const add = ['context', 'add', 'plant', '-u', 'ws://opmas.test', '--proxy', secret, '-4'];
  expect(await sandbox.run(add)).toMatchObject({ code: 2, stderr: expect.stringContaining('--plaintext') });
  const added = await sandbox.run([...add, '--plaintext']);
  expect(added).toMatchObject({ code: 0, stderr: expect.stringContaining('in the process list') });
  const shown = await sandbox.run(['context', 'show', '--json']);
  expect(JSON.parse(shown.stdout)).toMatchObject({ proxy: `http://127.0.0.1:${proxy.port}`, ipv4: true });
  const tail = await sandbox.run(['tail', 'devices', '-n', '1']);
  expect(tail.code).toBe(0);
  const authorization = `Basic ${Buffer.from('me:sesame').toString('base64')}`;
  expect(proxy.seen).toEqual([{ request: 'CONNECT opmas.test:80', authorization }]);
  await server.close();
  const closed = await sandbox.run(['doctor']);
  expect(closed.stdout).toContain(`the proxy http://127.0.0.1:${proxy.port} (context plant)`);
  const broken = await sandbox.run(['tail', '--proxy', 'socks5h://me:sesame@127.0.0.1:1', '--retries', '1']);
  expect(broken).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/the proxy socks5h:\/\/127\.0\.0\.1:1 \(--proxy\) cannot be used/),
  });
  expect(broken.stderr).toContain('other users can read the password of --proxy');
  const all = [added, shown, tail, closed, broken].map(({ stdout, stderr }) => stdout + stderr);
  expect(all.join('')).not.toContain('sesame');
});

describe('usage errors come before anything connects', () => {
  it.each([
    [['-4', '-6'], /cannot be used with/],
    [['-u', 'wss://[::1]', '-4'], /^opmas-ws: ::1 is not an IPv4 address\n/],
    [['-u', 'wss://a.test', '--proxy', '127.0.0.1:1', '-6'], /127\.0\.0\.1 is not an IPv6 address/],
    [['-u', 'wss://a.test', '--proxy', 'gopher://sesame'], /--proxy names a gopher proxy/],
    [
      ['-u', 'wss://a.test', '--proxy', 'http://sesame@'],
      /--proxy does not hold the URL of a proxy\n.*--proxy http/,
    ],
    [['-u', 'ws://a.test', '--proxy', 'none'], /not encrypted: /],
  ])('for %j', async (args, pattern) => {
    using sandbox = new Sandbox();
    const { code, stderr } = await sandbox.run(['tail', '--no-token', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(pattern);
    expect(stderr).not.toContain('sesame');
  });
});

it('the demo works whatever proxy the environment names', async () => {
  using sandbox = new Sandbox();
  const environment = { HTTP_PROXY: 'http://127.0.0.1:1', ALL_PROXY: 'http://127.0.0.1:1' };
  const { code, stdout } = await sandbox.run(['demo', '--duration', '2s'], { environment });
  expect(code).toBe(0);
  expect(stdout).not.toBe('');
});
