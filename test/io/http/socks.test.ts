import { createServer } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { startMockServer } from '../../../src/index.js';
import { ServerRoute } from '../../../src/io/http/server-route.js';
import { CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';
import { Reading } from '../../support/reading.js';
import { startSocks } from '../../support/socks-server.js';
import { close, listen, startWebServer } from '../../support/web-server.js';

const ask = (base: string, options: { proxy: string; ca?: string }) =>
  new ServerRoute(new URL(base), { sources: { proxy: '--proxy' }, ...options }).request('/health');
const caught = (work: Promise<unknown>) => work.catch((error: unknown) => error);
const answering = () => startWebServer((_, response) => response.end('served'));

describe('a SOCKS proxy', () => {
  it('carries streams', async () => {
    await using server = await startMockServer({
      rate: 50,
      allowOrigins: ['http://opmas.test'],
      auth: 'none',
    });
    await using socks = await startSocks({ port: Number(new URL(server.url).port) });
    const reading = new Reading({ url: 'ws://opmas.test', proxy: `socks5h://127.0.0.1:${socks.port}` });
    await reading.event();
    await reading.stop();
    expect(socks.seen).toEqual([{ version: 5, target: 'opmas.test:80' }]);
  });

  it.each([
    ['socks5h', 'opmas.test', { version: 5, target: 'opmas.test:80' }],
    ['socks', 'opmas.test', { version: 5, target: 'opmas.test:80' }],
    ['socks5', 'localhost', { version: 5, target: '127.0.0.1:80' }],
    ['socks5', '[2001:db8::1]', { version: 5, target: '[20010db8000000000000000000000001]:80' }],
    ['socks4', 'localhost', { version: 4, target: '127.0.0.1:80', user: '' }],
    ['socks4a', 'opmas.test', { version: 4, target: 'opmas.test:80', user: '' }],
  ])('%s asks for %s as curl does', async (scheme, host, seen) => {
    await using server = await answering();
    await using socks = await startSocks({ port: server.port });
    const { body } = await ask(`ws://${host}`, { proxy: `${scheme}://127.0.0.1:${socks.port}` });
    expect(String(body)).toBe('served');
    expect(socks.seen).toEqual([seen]);
  });

  it('gets the user and the password of its URL', async () => {
    await using server = await answering();
    await using socks = await startSocks({ port: server.port, login: { user: 'us er', password: 'p@ss' } });
    const at = `127.0.0.1:${socks.port}`;
    await ask('ws://opmas.test', { proxy: `socks5h://us%20er:p%40ss@${at}` });
    expect(socks.seen).toMatchObject([{ user: 'us er' }]);
    const wrong = await caught(ask('ws://opmas.test', { proxy: `socks5h://us%20er:sesame@${at}` }));
    expect(wrong).toMatchObject({
      failure: 'proxy wants a login',
      message: expect.stringContaining('it does not accept this user and password'),
    });
    expect(JSON.stringify(wrong, Object.getOwnPropertyNames(wrong))).not.toContain('sesame');
    const none = await caught(ask('ws://opmas.test', { proxy: `socks5h://${at}` }));
    expect(none).toMatchObject({
      failure: 'proxy wants a login',
      message: `the proxy socks5h://${at} (--proxy) refused the connection: it wants a user and a password`,
    });
  });

  it('is asked for the next address when it cannot reach the first', async () => {
    await using server = await answering();
    await using socks = await startSocks({ port: server.port, replyToIPv6: 3 });
    const route = new ServerRoute(new URL('ws://localhost'), {
      proxy: `socks5://127.0.0.1:${socks.port}`,
    });
    // One address at least; where localhost has two, the first is refused.
    expect(String((await route.request('/health')).body)).toBe('served');
    expect(socks.seen.at(-1)).toEqual({ version: 5, target: '127.0.0.1:80' });
  });

  it.each([
    ['socks5h', 5, 'proxy failing', 'could not connect: connection refused'],
    ['socks5h', 4, 'proxy failing', 'could not connect: host unreachable'],
    ['socks5h', 2, 'proxy refuses', 'refused the connection: not allowed'],
    ['socks5h', 8, 'proxy refuses', 'refused the connection: address not supported'],
    ['socks4a', 91, 'proxy failing', 'could not connect: failed'],
  ])('of kind %s that answers with %i is %s', async (scheme, reply, failure, text) => {
    await using socks = await startSocks({ port: 1, reply });
    const error = await caught(ask('ws://opmas.test', { proxy: `${scheme}://127.0.0.1:${socks.port}` }));
    expect(error).toMatchObject({ code: 'NETWORK', failure, message: expect.stringContaining(text) });
  });

  it('is told from something else, and from one that cannot be reached', async () => {
    const server = createServer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const proxy = `socks5://127.0.0.1:${await listen(server)}`;
    expect(await caught(ask('ws://192.0.2.1', { proxy }))).toMatchObject({ failure: 'no proxy' });
    await close(server);
    expect(await caught(ask('ws://192.0.2.1', { proxy }))).toMatchObject({ failure: 'proxy unreachable' });
  });

  it('hints at socks5h when this machine cannot look the name up', async () => {
    const error = await caught(ask('ws://opmas.invalid', { proxy: 'socks5://127.0.0.1:1' }));
    expect(error).toMatchObject({ hint: expect.stringContaining('socks5h://') });
  });

  describe.skipIf(withoutOpenssl)('with TLS inside', () => {
    const authority = withoutOpenssl ? undefined : new CertificateAuthority();
    afterAll(() => authority?.remove());

    it('keeps the certificate bound to the name of the server', async () => {
      const certificate = authority!.issue('DNS:opmas.test');
      await using server = await startWebServer((_, response) => response.end('secret'), certificate);
      await using socks = await startSocks({ port: server.port });
      const way = { proxy: `socks5h://127.0.0.1:${socks.port}`, ca: authority!.pem };
      expect(String((await ask('wss://opmas.test', way)).body)).toBe('secret');
      expect(await caught(ask('wss://other.test', way))).toMatchObject({
        failure: 'certificate of another name',
      });
    });
  });
});
