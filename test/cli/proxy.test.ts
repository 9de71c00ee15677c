import { expect, it } from 'vitest';
import { startMockServer } from '../../src/index.js';
import { startProxy } from '../support/proxy-server.js';
import { Sandbox } from './sandbox.js';

it('tail and record reach a server that only the proxy knows', async () => {
  const server = await startMockServer({ rate: 50, allowOrigins: ['http://opmas.test'] });
  await using proxy = await startProxy({ port: Number(new URL(server.url).port) });
  using sandbox = new Sandbox({
    OPMAS_URL: 'ws://opmas.test:80',
    OPMAS_TOKEN: server.token,
    http_proxy: `http://127.0.0.1:${proxy.port}`,
  });
  for (const args of [
    ['tail', 'devices', '-n', '1', '--plaintext'],
    ['record', 'rules', '-n', '1', '-o', 'x.ndjson', '--plaintext'],
  ]) {
    expect(await sandbox.run(args)).toMatchObject({ code: 0 });
  }
  expect(proxy.seen.map(({ request }) => request)).toEqual(Array(2).fill('CONNECT opmas.test:80'));
  // Nothing for this machine goes through a proxy.
  const straight = { OPMAS_URL: server.url };
  expect(await sandbox.run(['tail', 'devices', '-n', '1'], { environment: straight })).toMatchObject({
    code: 0,
  });
  expect(proxy.seen).toHaveLength(2);
  await server.close();
});

it('the demo works whatever proxy the environment names', async () => {
  using sandbox = new Sandbox();
  const environment = { HTTP_PROXY: 'http://127.0.0.1:1', ALL_PROXY: 'http://127.0.0.1:1' };
  const { code, stdout } = await sandbox.run(['demo', '--duration', '2s'], { environment });
  expect(code).toBe(0);
  expect(stdout).not.toBe('');
});
