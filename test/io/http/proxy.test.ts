import { createServer } from 'node:net';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import type { HttpRequest } from '../../../src/io/http/http-request.js';
import { ServerRoute } from '../../../src/io/http/server-route.js';
import { CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';
import { startProxy } from '../../support/proxy-server.js';
import { Reading } from '../../support/reading.js';
import { eventually } from '../../support/time-limits.js';
import { close, listen, startWebServer, type WebServer } from '../../support/web-server.js';

const httpRequest = ({ url, ca, ...request }: HttpRequest & { url: URL; ca?: string }) =>
  new ServerRoute(new URL(url.origin), { ca }).request(url.pathname, request);

afterEach(() => vi.unstubAllEnvs());

function useProxy(port: number, variable = 'http_proxy', credentials = ''): void {
  vi.stubEnv('no_proxy', '');
  vi.stubEnv('NO_PROXY', '');
  vi.stubEnv(variable, `http://${credentials}127.0.0.1:${port}`);
}

async function startStream(certificate?: { key: string; cert: string }): Promise<WebServer> {
  const server = await startWebServer((_, response) => response.end('direct'), certificate);
  new WebSocketServer({ server: server.server as never }).on('connection', (socket) => socket.send('event'));
  return server;
}

/** The first message of a stream, through the proxy of the environment. */
async function firstMessage(url: string, tls: { ca?: string } = {}): Promise<string> {
  const { opening } = new ServerRoute(new URL(url), tls).upgrade('/x', undefined);
  const socket = new WebSocket(url, { createConnection: opening.createConnection as never });
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.on('message', (data) => resolve(String(data)));
      socket.on('error', reject);
    });
  } finally {
    socket.terminate();
    opening.destroy();
  }
}

describe('streams through a proxy', () => {
  it('opens a tunnel and lets the proxy resolve the name', async () => {
    await using server = await startStream();
    await using proxy = await startProxy({ port: server.port });
    useProxy(proxy.port, 'http_proxy', 'us%20er:p%40ss@');
    expect(await firstMessage('ws://no-such-host.test/x')).toBe('event');
    const authorization = `Basic ${Buffer.from('us er:p@ss').toString('base64')}`;
    expect(proxy.seen).toEqual([{ request: 'CONNECT no-such-host.test:80', authorization }]);
  });

  it('goes straight when NO_PROXY says so', async () => {
    await using server = await startStream();
    useProxy(1);
    vi.stubEnv('NO_PROXY', '127.0.0.1');
    expect(await firstMessage(`ws://127.0.0.1:${server.port}/x`)).toBe('event');
  });

  it('tells a refusal by the proxy from one by the server', async () => {
    await using proxy = await startProxy({ port: 1, refuse: 407 });
    useProxy(proxy.port, 'ALL_PROXY', 'user:sesame@');
    const error = await firstMessage('ws://a.test/x').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'NETWORK', failure: 'proxy wants a login' });
    expect(String(error)).not.toContain('sesame');
  });

  it('says that the proxy cannot be reached', async () => {
    useProxy(1);
    const error = await firstMessage('ws://a.test/x').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'NETWORK', failure: 'proxy unreachable' });
    expect(String(error)).toContain('http_proxy');
  });

  it('lets go of a proxy that never answers when its opening is destroyed', async () => {
    await using proxy = await startProxy({ port: 1, refuse: 0 });
    useProxy(proxy.port);
    const { opening } = new ServerRoute(new URL('ws://a.test/x'), {}).upgrade('/x', undefined);
    const socket = new WebSocket('ws://a.test/x', { createConnection: opening.createConnection as never });
    const ended = new Promise((resolve) => socket.on('error', resolve));
    await eventually(() => expect(proxy.seen).toHaveLength(1));
    opening.destroy();
    expect(await ended).toMatchObject({ failure: 'proxy unreachable' });
  });

  describe.skipIf(withoutOpenssl)('with TLS', () => {
    const authority = withoutOpenssl ? undefined : new CertificateAuthority();
    afterAll(() => authority?.remove());

    it('reaches a proxy by TLS, which has to prove its name even with insecure', async () => {
      await using server = await startStream();
      const behavior = { port: server.port, certificate: authority!.issue('IP:127.0.0.1') };
      await using proxy = await startProxy(behavior);
      const named = { proxy: `https://u:p@127.0.0.1:${proxy.port}`, sources: { proxy: '--proxy' } };
      const reading = new Reading({ url: 'ws://opmas.test', ...named, ca: authority!.pem });
      await reading.state('open');
      await reading.stop();
      const route = new ServerRoute(new URL('ws://opmas.test'), { ...named, ca: authority!.pem });
      expect(String((await route.request('/health')).body)).toBe('from the proxy');
      expect(proxy.seen).toMatchObject([
        { request: 'CONNECT opmas.test:80', authorization: 'Basic dTpw' },
        { request: 'GET http://opmas.test/health', authorization: 'Basic dTpw' },
      ]);
      const unproven = new ServerRoute(new URL('ws://opmas.test'), { ...named, insecure: true });
      expect(await caught(unproven.request('/health'))).toMatchObject({
        failure: 'proxy unreachable',
        message: expect.stringMatching(/\(--proxy\) cannot be used: .*certificate/),
      });
      expect(proxy.seen).toHaveLength(2);
    });

    it.each([
      ['a name', 'DNS:opmas.test', 'wss://opmas.test/x'],
      ['an address', 'IP:192.0.2.7', 'wss://192.0.2.7/x'],
    ])('checks the certificate against %s', async (_name, names, url) => {
      await using server = await startStream(authority!.issue(names));
      await using proxy = await startProxy({ port: server.port });
      useProxy(proxy.port, 'HTTPS_PROXY');
      expect(await firstMessage(url, { ca: authority!.pem })).toBe('event');
      await expect(firstMessage(url)).rejects.toMatchObject({ code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' });
      await expect(firstMessage('wss://other.test/x', { ca: authority!.pem })).rejects.toMatchObject({
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
    });

    it('says what to do about a certificate that is not trusted', async () => {
      await using server = await startStream(authority!.issue('DNS:localhost'));
      await expect(httpRequest({ url: server.url })).rejects.toMatchObject({
        code: 'NETWORK',
        hint: expect.stringContaining('`ca`'),
      });
    });

    it('sends requests through the tunnel, too', async () => {
      await using server = await startStream(authority!.issue('DNS:opmas.test'));
      await using proxy = await startProxy({ port: server.port });
      useProxy(proxy.port, 'HTTPS_PROXY');
      const answer = await httpRequest({ url: new URL('https://opmas.test/x'), ca: authority!.pem });
      expect(String(answer.body)).toBe('direct');
      expect(proxy.seen.map(({ request }) => request)).toEqual(['CONNECT opmas.test:443']);
      expect(server.requests[0]).toMatchObject({ method: 'GET', url: '/x' });
    });
  });
});

describe('plain requests through a proxy', () => {
  it('asks the proxy for the whole URL', async () => {
    await using proxy = await startProxy({ port: 1 });
    useProxy(proxy.port, 'HTTP_PROXY', 'u:p@');
    const answer = await httpRequest({
      url: new URL('http://me:secret@a.test:81/x'),
      method: 'POST',
      body: 'b',
    });
    expect(String(answer.body)).toBe('from the proxy');
    expect(proxy.seen).toEqual([{ request: 'POST http://a.test:81/x', authorization: 'Basic dTpw' }]);
  });

  it('tells a refusal by the proxy', async () => {
    await using proxy = await startProxy({ port: 1, refuse: 407 });
    useProxy(proxy.port);
    await expect(httpRequest({ url: new URL('http://a.test/') })).rejects.toMatchObject({
      failure: 'proxy wants a login',
    });
    useProxy(1);
    await expect(httpRequest({ url: new URL('http://a.test/') })).rejects.toMatchObject({
      failure: 'proxy unreachable',
    });
  });

  it('ends in its own time though the proxy takes the request and hangs', async () => {
    await using server = await startWebServer(() => undefined);
    useProxy(server.port);
    const error = await caught(httpRequest({ url: new URL('http://a.test/'), timeoutMs: 200 }));
    expect(error).toMatchObject({
      code: 'NETWORK',
      message: expect.stringMatching(/^http:\/\/a.test: no answer in 1 s through the proxy/),
    });
  });
});

const caught = (work: Promise<unknown>) => work.catch((error: unknown) => error);

describe('a proxy that is named', () => {
  it('is used in spite of NO_PROXY, and for this machine', async () => {
    await using server = await startStream();
    await using proxy = await startProxy({ port: server.port });
    vi.stubEnv('NO_PROXY', '*');
    const named = { proxy: `http://127.0.0.1:${proxy.port}` };
    const reading = new Reading({ url: 'ws://localhost:1', ...named });
    await reading.state('open');
    await reading.stop();
    expect(proxy.seen).toMatchObject([{ request: 'CONNECT localhost:1' }]);
  });

  it('is not used with `none`', async () => {
    await using server = await startStream();
    useProxy(1, 'ALL_PROXY');
    const url = `ws://127-0-0-1.test:${server.port}`;
    const direct = await new Reading({ url, proxy: 'none', retry: { reconnect: false } }).end;
    expect(direct?.message).not.toContain('proxy');
    expect(direct).toMatchObject({ failure: expect.stringMatching(/unknown host|name server fails/) });
  });

  it('may repeat our credentials: they are removed from its message', () => {
    const route = new ServerRoute(new URL('ws://a.test'), { proxy: 'http://me:sesame%201@127.0.0.1:1' });
    const header = Buffer.from('me:sesame 1').toString('base64');
    const said = route.redact(`no entry with Basic ${header}, me:sesame 1, sesame%201`, undefined);
    expect(said).toMatch(/^no entry with Basic \[proxy password\], .*\[proxy password\]$/);
    expect(said).not.toMatch(/sesame|bWU6/);
  });

  it('has the right type', async () => {
    const wrong = { url: 'ws://a.test', proxy: 1 as never };
    expect(() => new Reading(wrong)).toThrow('proxy must be a URL');
  });
});

describe('a proxy that is none', () => {
  it('is named when it opens no tunnel in the time of the request, however long its own would be', async () => {
    await using proxy = await startProxy({ port: 1, refuse: 0 });
    useProxy(proxy.port, 'HTTPS_PROXY', 'user:sesame@');
    const url = new URL('https://a.test/');
    const error = await caught(httpRequest({ url, timeoutMs: 200 }));
    expect(error).toMatchObject({ failure: 'proxy silent', message: expect.stringContaining('HTTPS_PROXY') });
    const stop = AbortSignal.timeout(50);
    expect(await caught(httpRequest({ url, timeoutMs: 60_000, signal: stop }))).toMatchObject({
      message: expect.stringContaining('stopped'),
    });
    expect(String(error)).not.toContain('sesame');
  });

  it('is named when a stream waits for it in vain', async () => {
    await using proxy = await startProxy({ port: 1, refuse: 0 });
    useProxy(proxy.port);
    const options = { url: 'ws://a.test', connectTimeoutMs: 200, retry: { reconnect: false } };
    const end = await new Reading(options).end;
    expect(end).toMatchObject({
      message: expect.stringMatching(/the proxy .* has opened no tunnel in time/),
    });
    expect(end?.hint).toContain("`proxy: 'none'`");
  });

  it.each([
    ['refuses', 403, /refused the connection with HTTP 403/],
    ['wants a login with 401', 401, /refused the connection with HTTP 401: it wants a user and a password/],
    ['redirects', 302, /refused the connection with HTTP 302/],
  ])('hints at the proxy when it %s', async (_name, refuse, message) => {
    await using proxy = await startProxy({ port: 1, refuse });
    useProxy(proxy.port);
    const end = await new Reading({ url: 'ws://a.test' }).end;
    expect(end).toMatchObject({ code: 'NETWORK', message: expect.stringMatching(message) });
    expect(end?.hint).toMatch(
      /^(Check the URL of the server and|Put the user and the password into) http_proxy/,
    );
  });

  it('is told from one that cannot be reached when it answers something else', async () => {
    const server = createServer((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'));
    useProxy(await listen(server));
    const error = await caught(firstMessage('ws://a.test/x'));
    await close(server);
    expect(error).toMatchObject({
      failure: 'no proxy',
      message: expect.stringContaining('does not answer as a proxy'),
    });
    useProxy(1);
    expect(await caught(firstMessage('ws://a.test/x'))).toMatchObject({
      failure: 'proxy unreachable',
      message: expect.stringMatching(/cannot be used: connection refused \(127/),
    });
  });
});
