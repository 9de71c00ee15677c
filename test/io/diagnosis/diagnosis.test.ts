import dns from 'node:dns';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import {
  type Check,
  type DiagnosisOptions,
  diagnose,
  noToken,
  OpmasError,
  startMockServer,
  tokenFromText,
  type Verdict,
} from '../../../src/index.js';
import { CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';
import { startProxy } from '../../support/proxy-server.js';
import { startSilentAddress, withoutSilentAddresses } from '../../support/silent-address.js';
import { close, json, listen, startWebServer } from '../../support/web-server.js';

const jwt = (claims: unknown) =>
  `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
const seconds = () => Math.floor(Date.now() / 1000);
const goodToken = () => jwt({ sub: 'me', exp: seconds() + 3600 });
const oldToken = () => jwt({ sub: 'me', exp: seconds() - 3600 });

async function examine(url: URL | string, options: Partial<DiagnosisOptions> & { text?: string } = {}) {
  const { text = goodToken(), ...rest } = options;
  const steps = diagnose({
    url: new URL(String(url).replace(/^http/, 'ws')),
    endpoints: ['devices'],
    token: tokenFromText(text, 'a test'),
    environment: {},
    ...rest,
  });
  const checks: Check[] = [];
  let verdict: Verdict | undefined;
  while (verdict === undefined) {
    const step = await steps.next();
    if (step.done) verdict = step.value;
    else checks.push(step.value);
  }
  return { checks, verdict, said: JSON.stringify({ checks, verdict }) };
}

/** A TCP server that treats each connection as told. */
async function withTcpServer<T>(
  onConnection: (socket: Socket) => void,
  work: (url: URL) => Promise<T>,
): Promise<T> {
  const server = createTcpServer(onConnection);
  const port = await listen(server);
  try {
    return await work(new URL(`ws://127.0.0.1:${port}`));
  } finally {
    await close(server);
  }
}

describe.concurrent('diagnose', () => {
  // First those that wait for limits of seconds.
  it('blames a proxy that hangs, not the server, after 5 s', async () => {
    await using proxy = await startProxy({ port: 1, refuse: 0 });
    const environment = { https_proxy: `http://user:sesame@127.0.0.1:${proxy.port}` };
    const { verdict, checks, said } = await examine('wss://opmas.test', { environment });
    expect(verdict).toMatchObject({ failure: 'proxy silent', code: 'NETWORK' });
    expect(checks.find(({ name }) => name === 'proxy')?.detail).toContain('has opened no tunnel in time');
    expect(said).not.toContain('sesame');
  });

  it('says after which time it waited for a pong no longer, and blames no proxy alone', async () => {
    await using server = await startWebServer((_, response) => json(response, 401, {}));
    new WebSocketServer({ server: server.server as never, autoPong: false });
    const { verdict, checks } = await examine(server.url);
    expect(checks.at(-1)).toMatchObject({ name: 'pong devices', status: 'failed', durationMs: 5000 });
    expect(verdict.text).toMatch(/the server hangs .*or a proxy/);
  });

  it('calls a stream well whose server answers no pings but sends events, as a client does', async () => {
    await using server = await startWebServer((_, response) => json(response, 200, { username: 'me' }));
    new WebSocketServer({ server: server.server as never, autoPong: false }).on('connection', (socket) =>
      socket.send('{"type":"device.error"}'),
    );
    const { verdict, checks } = await examine(server.url);
    expect(checks.at(-1)).toMatchObject({ name: 'pong devices', status: 'warning' });
    expect(verdict).toMatchObject({
      failure: undefined,
      text: expect.stringContaining('no ping is answered'),
    });
  });

  it('does not call a fault of the REST API one of an upgrade', async () => {
    await using server = await startWebServer(({ url }, response) => {
      if (url.startsWith('/api/v1/ws')) json(response, 500, {});
    });
    const { checks } = await examine(server.url);
    expect(checks.find(({ name }) => name === 'api')?.detail).toContain(': no answer in 5 s');
  });

  it('goes through all checks in order when all is well', async () => {
    const server = await startMockServer();
    const { checks, verdict } = await examine(server.url, { endpoints: ['devices', 'rules'] });
    await server.close();
    expect(verdict).toMatchObject({ failure: undefined, code: undefined });
    expect(checks.map(({ name }) => name)).toEqual([
      'token',
      'dns',
      'tcp',
      'api',
      'clock',
      'upgrade devices',
      'pong devices',
      'upgrade rules',
      'pong rules',
    ]);
    expect(checks.every(({ status, durationMs }) => status === 'ok' && durationMs >= 0)).toBe(true);
  });

  it.each([
    ['close', 'token refused', 'not-a-jwt'],
    ['http', 'token refused', 'not-a-jwt'],
    ['close', 'token expired', oldToken()],
    ['http', 'token expired', oldToken()],
  ] as const)('with a server that refuses by %s tells: %s', async (refuse, fault, text) => {
    const server = await startMockServer({ refuse });
    const { verdict, said } = await examine(server.url, { text });
    await server.close();
    expect(verdict).toMatchObject({ failure: fault, code: 'AUTH' });
    expect(said).not.toContain(text);
  });

  it('tells that there is no token, and looks at the way all the same', async () => {
    const server = await startMockServer();
    const absent = {
      source: 'nowhere',
      token: () => Promise.reject(new OpmasError('AUTH', 'there is none')),
    };
    const missing = await examine(server.url, { token: absent });
    expect(missing.verdict).toMatchObject({ failure: 'no token', code: 'AUTH' });
    expect(missing.checks.find(({ name }) => name === 'tcp')?.status).toBe('ok');
    const unusable = { ...absent, token: () => Promise.reject(new OpmasError('USAGE', 'no such file')) };
    expect((await examine('ws://127.0.0.1:1', { token: unusable })).verdict.code).toBe('USAGE');
    const refused = await examine(server.url, { token: noToken() });
    await server.close();
    expect(refused.verdict).toMatchObject({ failure: 'no token', code: 'AUTH' });
  });

  it.each([
    ['an unknown endpoint', '', '/api/v1/ws/nope', 'endpoint does not exist'],
    ['a wrong prefix', '/wrong', 'devices', 'no API there'],
  ] as const)('tells %s from a refused token', async (_name, prefix, endpoint, fault) => {
    const server = await startMockServer({ refuse: 'http' });
    const { verdict } = await examine(`${server.url}${prefix}`, { endpoints: [endpoint] });
    await server.close();
    expect(verdict).toMatchObject({ failure: fault, code: 'NETWORK' });
    expect(verdict.next).not.toMatch(fault === 'endpoint does not exist' ? /RIGHT/ : /nothing/);
  });

  it('tells that nothing listens', async () => {
    const { verdict, checks } = await examine('ws://127.0.0.1:1');
    expect(verdict).toMatchObject({ failure: 'connection refused', code: 'NETWORK' });
    expect(checks.at(-1)).toMatchObject({ name: 'upgrade devices', status: 'skipped' });
  });

  it('tells that a name does not exist, or that no name server answers', async () => {
    const { verdict } = await examine('ws://no-such-host.invalid');
    expect(['unknown host', 'name server fails']).toContain(verdict.failure);
  });

  it.each([
    ['SSH', (socket: Socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'), 'not HTTP'],
    ['one that closes at once', (socket: Socket) => socket.end(), 'cut off'],
    ['one that resets', (socket: Socket) => socket.resetAndDestroy(), 'cut off'],
  ] as const)('tells a wrong port: %s', async (_name, onConnection, fault) => {
    const { verdict } = await withTcpServer(onConnection, (url) => examine(url));
    expect(verdict).toMatchObject({ failure: fault, code: 'NETWORK' });
  });

  it.each([
    ['a web page', 200, {}, 'not a WebSocket'],
    ['a redirect', 307, { location: 'https://login.example/x?token=sesame' }, 'redirected'],
    ['a refusal', 401, {}, 'token refused'],
    ['no such page', 404, {}, 'endpoint does not exist'],
    ['another method', 405, {}, 'not a WebSocket'],
    ['too many requests', 429, { 'retry-after': '7' }, 'rate limited'],
    ['a gateway without a server', 502, {}, 'server fails'],
    ['a 403 that is not in the form of the API', 403, {}, 'gateway refuses this machine'],
  ])('%s', async (_name, status, headers, fault) => {
    await using server = await startWebServer(({ url }, response) =>
      json(response, url.startsWith('/api/v1/ws') ? status : 500, {}, headers as Record<string, string>),
    );
    const { verdict, said } = await examine(server.url);
    expect(verdict.failure).toBe(fault);
    expect(said).not.toContain('sesame');
  });

  it.each([
    ['closes', (response: ServerResponse) => response.destroy()],
    ['answers with a page to', (response: ServerResponse) => response.end('<html>')],
  ])('blames no port when the API answers there, but the server %s the upgrade', async (_name, end) => {
    await using server = await startWebServer(({ url }, response) =>
      url.startsWith('/api/v1/ws') ? void end(response) : json(response, 200, { username: 'me' }),
    );
    const { verdict } = await examine(server.url);
    expect(verdict.text).toMatch(/^the API answers there, so the port is right/);
    expect(verdict.next).not.toContain('RIGHT-PORT');
  });

  it('tells another web server from an API', async () => {
    await using server = await startWebServer((_, response) => json(response, 404, {}));
    expect((await examine(server.url)).verdict).toMatchObject({ failure: 'no API there', code: 'NETWORK' });
  });

  it.each([
    ['wants Basic', 401, 'gateway wants credentials', /--header "Authorization: @FILE"$/],
    ['refuses', 403, 'gateway refuses this machine', /^curl /],
  ])(
    'names a gateway that %s before a missing token: a login would be refused, too',
    async (_name, status, failure, next) => {
      await using server = await startWebServer((_, response) =>
        response.writeHead(status, status === 401 ? { 'WWW-Authenticate': 'Basic' } : {}).end('<html>no'),
      );
      const missing = async () => {
        throw new OpmasError('AUTH', 'there is none');
      };
      const { verdict } = await examine(server.url, { token: { source: 'a test', token: missing } });
      expect(verdict).toMatchObject({ failure, code: 'NETWORK', next: expect.stringMatching(next) });
    },
  );

  it('blames no VPN for a gateway that refuses only the path of the stream', async () => {
    await using server = await startWebServer(({ url }, response) =>
      /^\/api\/v1\/ws/.test(url ?? '')
        ? response.writeHead(403, { 'Content-Type': 'text/html' }).end('<html>no')
        : json(response, 200, { username: 'me' }),
    );
    const { verdict } = await examine(server.url);
    expect(verdict.failure).toBe('gateway refuses this machine');
    expect(verdict.text).toMatch(/refuses \/api\/v1\/ws\/devices, .* has to allow that path$/);
  });

  it.each([
    [200, 'closed for policy', 'NETWORK'],
    [401, 'token refused', 'AUTH'],
    [500, 'unknown', 'AUTH'],
  ])('asks the API about a close with 1008: %i is %s', async (status, fault, code) => {
    const answer = status === 200 ? { username: 'me' } : { detail: 'no' };
    await using server = await startWebServer((_, response) => json(response, status, answer));
    new WebSocketServer({ server: server.server as never }).on('connection', (socket) => socket.close(1008));
    expect((await examine(server.url)).verdict).toMatchObject({ failure: fault, code });
  });

  it.each([
    ['header', 'query', 'opens with the token in the Authorization header'],
    ['query', 'header', 'HTTP 401'],
  ] as const)(
    'finds out that a server takes the token in the %s, not in the %s',
    async (taken, sent, detail) => {
      const text = goodToken();
      const urls: string[] = [];
      await using server = await startWebServer((_, response) => json(response, 200, { username: 'me' }));
      new WebSocketServer({
        server: server.server as never,
        verifyClient: ({ req: { url = '', headers } }: { req: IncomingMessage }) => {
          urls.push(url);
          return taken === 'header'
            ? headers.authorization === `Bearer ${text}`
            : url.endsWith(`?token=${text}`);
        },
      });
      const { verdict, checks } = await examine(server.url, { text, tokenIn: sent });
      expect(verdict.code).toBe('NETWORK');
      expect(verdict.text).toContain(`tokenIn: '${taken}'`);
      expect(verdict.next).toMatch(new RegExp(`^opmas-ws .* --token-in ${taken}$`));
      expect(checks.at(-1)?.detail).toContain(detail);
      expect(urls.some((url) => url.includes('token'))).toBe(sent === 'query');
    },
  );

  it('shows no header that a server repeats, and says when it was not asked about the token', async () => {
    const headers = { Authorization: `Basic ${btoa('me:sesame-of-the-gate')}` };
    await using server = await startWebServer((request, response) =>
      json(response, 403, { detail: `no ${request.headers.authorization}` }),
    );
    const { checks, said } = await examine(server.url, { headers });
    expect(checks.find(({ name }) => name === 'api')?.detail).toMatch(/^not asked/);
    expect(checks.at(-1)?.detail).toContain('no [header]');
    expect(said).not.toMatch(/sesame|bWU6/);
  });

  it('reads the answer of a server that never hangs up', async () => {
    await using server = await startWebServer((_, response) => json(response, 200, {}));
    server.server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => undefined);
      const upgrades = new WebSocketServer({ noServer: true, autoPong: false });
      upgrades.handleUpgrade(request, socket, head, () => {
        // A close frame with code 1011, and the connection stays.
        socket.write(Buffer.from([0x88, 2, 1011 >> 8, 1011 & 0xff]));
      });
    });
    const { verdict, checks } = await examine(server.url);
    expect(verdict).toMatchObject({ failure: 'closed', code: 'NETWORK' });
    expect(checks.at(-1)?.detail).toContain('1011');
  });

  it('ends at once when it is told to, whatever hangs', async () => {
    const stop = new AbortController();
    const checks = await withTcpServer(
      () => stop.abort(),
      async (url) => (await examine(`wss://${url.host}`, { signal: stop.signal })).checks,
    );
    expect(checks.slice(2).map(({ status, detail }) => `${status}: ${detail}`)).toEqual(
      expect.arrayContaining(['failed: stopped', 'skipped: not tried']),
    );
  });

  it('tells a clock that is off, by the Date header', async () => {
    await using server = await startWebServer((_, response) =>
      json(response, 401, {}, { date: new Date(Date.now() - 3_600_000).toUTCString() }),
    );
    const { checks } = await examine(server.url);
    const clock = checks.find(({ name }) => name === 'clock');
    expect(clock).toMatchObject({
      status: 'warning',
      detail: expect.stringMatching(
        /1 hour ahead of .*; by that one, the token expires in (2 hours|1 hour)$/,
      ),
    });
  });

  it('finds the API below another path of the same server, with a few requests and without the token', async () => {
    const unknown = { detail: 'Not Found' };
    await using server = await startWebServer(({ url }, response) =>
      url === '/api/api/v1/auth/me'
        ? json(response, 401, { detail: 'Not authenticated' }, { 'www-authenticate': 'Bearer' })
        : json(
            response,
            url.startsWith('/api/v1/ws') ? 403 : 404,
            url.startsWith('/api/v1/ws') ? {} : unknown,
          ),
    );
    const found = `ws://127.0.0.1:${server.port}/api`;
    const noLogin = {
      source: 'a test',
      token: () => Promise.reject(new OpmasError('AUTH', 'there is none')),
    };
    for (const token of [undefined, noLogin]) {
      server.requests.length = 0;
      const { verdict, checks } = await examine(server.url, { ...(token && { token }) });
      expect(verdict).toMatchObject({ failure: 'no API there', code: 'NETWORK' });
      expect(verdict.text).toBe(
        `there is no OPMAS API below ws://127.0.0.1:${server.port}, but one answers below ${found}`,
      );
      expect(verdict.next).toBe(`opmas-ws doctor devices --url ${found}`);
      expect(checks.at(-1)?.name).toBe('upgrade devices');
      const guesses = server.requests.filter(({ url }) => !/^\/(api\/v1\/(auth|ws)|health)/.test(url));
      expect(guesses.map(({ url }) => url).sort()).toEqual([
        '/api/api/v1/auth/me',
        '/opmas/api/api/v1/auth/me',
        '/opmas/api/v1/auth/me',
      ]);
      expect(JSON.stringify(guesses)).not.toMatch(/eyJ|authorization/i);
    }
  });

  it('tries no other path where the API has answered, or something refuses this machine', async () => {
    for (const answer of [{ detail: 'no' }, { message: 'no' }]) {
      await using server = await startWebServer((_, response) =>
        json(response, 'detail' in answer ? 401 : 403, answer),
      );
      const { checks } = await examine(server.url);
      expect(checks.map(({ name }) => name)).not.toContain('prefix');
    }
  });

  it('tells a token that is not valid yet, by the clock of the server, and blames no login', async () => {
    await using server = await startWebServer((_, response) => json(response, 401, { detail: 'no' }));
    const text = jwt({ sub: 'me', nbf: seconds() + 1830, exp: seconds() + 7200 });
    const { verdict, checks } = await examine(server.url, { text });
    const [token] = checks;
    expect(token).toMatchObject({
      status: 'warning',
      detail: expect.stringMatching(/becomes valid in 30 minutes/),
    });
    expect(verdict).toMatchObject({ failure: 'token not valid yet', code: 'AUTH', next: 'date' });
    expect(verdict.text).toMatch(/^the token is not valid yet/);
    expect(verdict.text).not.toMatch(/fresh/);
  });

  it.each([
    ['wants a login', 407, 'proxy wants a login', '--proxy http://USER:PASSWORD@127.0.0.1:'],
    ['refuses', 403, 'proxy refuses', '--proxy none'],
  ])('tells a proxy that %s', async (_name, refuse, fault, way) => {
    await using proxy = await startProxy({ port: 1, refuse });
    const environment = { http_proxy: `http://user:sesame@127.0.0.1:${proxy.port}` };
    const { verdict, said } = await examine('ws://opmas.test', { environment });
    expect(verdict).toMatchObject({ failure: fault, code: 'NETWORK' });
    expect(verdict.text).toContain(`http://127.0.0.1:${proxy.port} (http_proxy)`);
    expect(verdict.next).toContain(way);
    expect(said).not.toContain('sesame');
  });

  it.each([
    [407, /^a proxy that was not chosen is in the way and wants a login/, '--proxy http://USER:PASSWORD@'],
    [414, /^the token, the path or a header is too long .*: `tokenIn: 'header'`/, '--token-in header'],
    [431, /^the token, the path or a header is too long/, '--token-in header'],
    [511, /^this network wants a login/, '--retries forever'],
  ])(
    'blames what HTTP %i names, not the service or a proxy that was never chosen',
    async (status, text, next) => {
      await using server = await startWebServer((_, response) => response.writeHead(status).end());
      const { verdict } = await examine(server.url);
      expect(verdict).toMatchObject({ code: 'NETWORK', text: expect.stringMatching(text) });
      expect(verdict.next).toContain(next);
    },
  );

  it.each([
    ['answers something else', (socket: Socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n')],
    ['closes the connection without an answer', (socket: Socket) => socket.end()],
  ])('tells a proxy that %s from one that cannot be reached', async (_name, onConnection) => {
    await withTcpServer(onConnection, async ({ port }) => {
      const environment = { https_proxy: `http://user:sesame@127.0.0.1:${port}` };
      const { verdict, said } = await examine('wss://opmas.test', { environment });
      expect(verdict).toMatchObject({ failure: 'no proxy', code: 'NETWORK' });
      expect(said).not.toContain('sesame');
    });
  });

  it('tells a proxy that cannot be reached', async () => {
    const environment = { http_proxy: 'http://127.0.0.1:1' };
    expect((await examine('ws://opmas.test', { environment })).verdict.failure).toBe('proxy unreachable');
  });

  describe.skipIf(withoutOpenssl)('with TLS', () => {
    const authority = withoutOpenssl ? undefined : new CertificateAuthority();
    afterAll(() => authority?.remove());

    it.each([
      ['expired', () => authority!.issue('DNS:localhost', -1), 'certificate expired'],
      ['for another name', () => authority!.issue('DNS:other.test'), 'certificate of another name'],
      ['self-signed', () => authority!.selfSigned(), 'certificate self-signed'],
      [
        'on a server with an old protocol',
        () => ({
          ...authority!.issue('DNS:localhost'),
          ciphers: 'DEFAULT@SECLEVEL=0',
          maxVersion: 'TLSv1.1',
        }),
        'TLS too old',
      ],
    ])('tells a certificate that is %s', async (_name, make, fault) => {
      await using server = await startWebServer((_, response) => json(response, 200, {}), make());
      const { verdict, checks } = await examine(server.url, { ca: authority!.pem });
      expect(verdict).toMatchObject({ failure: fault, code: 'NETWORK' });
      expect(checks.find(({ name }) => name === 'tls')?.status).toBe('failed');
    });

    it('checks the tunnel of a proxy and the certificate behind it', async () => {
      const certificate = authority!.issue('DNS:opmas.test');
      await using server = await startWebServer((_, response) => json(response, 200, {}), certificate);
      await using proxy = await startProxy({ port: server.port });
      const way = { proxy: `http://127.0.0.1:${proxy.port}`, sources: { proxy: '--proxy' } };
      const { checks } = await examine('wss://opmas.test', { ...way, ca: authority!.pem });
      const detailOf = (name: string) => checks.find((check) => check.name === name)?.detail;
      const named = `the proxy ${way.proxy} (--proxy)`;
      expect(detailOf('dns')).toBe(`${named}: 127.0.0.1 is 127.0.0.1`);
      expect(detailOf('proxy')).toBe(`${named} opens a tunnel to opmas.test port 443`);
      expect(detailOf('tls')).toContain('certificate for DNS:opmas.test');
      const expired = authority!.issue('DNS:opmas.test', -1);
      await using old = await startWebServer((_, response) => json(response, 200, {}), expired);
      await using other = await startProxy({ port: old.port });
      const { verdict } = await examine('wss://opmas.test', { proxy: `http://127.0.0.1:${other.port}` });
      expect(verdict.failure).toBe('certificate untrusted');
    });

    it('calls an expired certificate of an unknown CA untrusted behind a proxy, too', async () => {
      const expired = authority!.issue('DNS:opmas.test', -1);
      await using server = await startWebServer((_, response) => json(response, 200, {}), expired);
      await using proxy = await startProxy(server);
      const environment = { https_proxy: `http://127.0.0.1:${proxy.port}` };
      const judge = async (ca?: string) =>
        (await examine('wss://opmas.test', { environment, ca })).verdict.failure;
      expect(await judge()).toBe('certificate untrusted');
      expect(await judge(authority!.pem)).toBe('certificate expired');
    });

    it('calls an expired certificate of an unknown CA untrusted, and suggests nothing unsafe', async () => {
      const expired = authority!.issue('DNS:localhost', -1);
      await using server = await startWebServer((_, response) => json(response, 200, {}), expired);
      const { verdict } = await examine(server.url);
      expect(verdict).toMatchObject({ failure: 'certificate untrusted', code: 'NETWORK' });
      expect(verdict.next).not.toMatch(/--insecure|--plaintext/);
    });

    it('tells a CA that is not trusted, and a certificate that is', async () => {
      await using server = await startWebServer(
        (_, response) => json(response, 401, {}),
        authority!.issue('DNS:localhost'),
      );
      const trusted = await examine(server.url, { ca: authority!.pem });
      expect(trusted.checks.find(({ name }) => name === 'tls')?.status).toBe('ok');
      expect(trusted.verdict.failure).toBe('token refused');
      expect((await examine(server.url)).verdict.failure).toBe('certificate untrusted');
      const insecure = await examine(server.url, { insecure: true });
      expect(insecure.checks.find(({ name }) => name === 'tls')?.status).toBe('warning');
      expect(insecure.verdict.failure).toBe('token refused');
    });

    it('tells ws:// to a port that speaks TLS, and wss:// to one that does not', async () => {
      await using secure = await startWebServer(
        (_, response) => response.end(),
        authority!.issue('DNS:localhost'),
      );
      expect((await examine(`ws://localhost:${secure.port}`)).verdict.failure).toBe('TLS wanted');
      await using plain = await startWebServer((_, response) => response.end());
      expect((await examine(`wss://localhost:${plain.port}`)).verdict.failure).toBe('no TLS there');
    });
  });
});

describe('names', () => {
  afterEach(() => vi.restoreAllMocks());

  /** Makes the resolver of this machine answer so. */
  function resolve(error: Error | null, addresses: string[] = []): void {
    const found = addresses.map((address) => ({ address, family: 4 }));
    const lookup = (_name: string, _options: object, done: (error: Error | null, found: object[]) => void) =>
      done(error, found);
    vi.spyOn(dns, 'lookup').mockImplementation(lookup as never);
  }
  const unknown = Object.assign(new Error(), { code: 'ENOTFOUND', hostname: 'opmas.test' });

  it('that are unknown here: --proxy is named, and why a proxy of the environment is not used', async () => {
    resolve(unknown);
    const environment = { HTTP_PROXY: 'http://127.0.0.1:1' };
    const { checks, verdict } = await examine('wss://opmas.test', { environment });
    expect(verdict).toMatchObject({ failure: 'unknown host', text: expect.stringContaining('`proxy`') });
    expect(checks.find(({ name }) => name === 'dns')?.detail).toBe(
      'host opmas.test does not exist; HTTP_PROXY is not for wss://, which takes HTTPS_PROXY',
    );
    const exempt = { NO_PROXY: '.test', ALL_PROXY: 'http://127.0.0.1:1' };
    expect((await examine('ws://opmas.test', { environment: exempt })).said).toContain(
      'NO_PROXY exempts it from ALL_PROXY',
    );
  });

  it('without an address of the wanted family: the option is blamed', async () => {
    resolve(unknown);
    const { verdict } = await examine('ws://opmas.test', { family: 6 });
    expect(verdict.text).toBe('There is no IPv6 address for that name: check the name, or omit -6');
    expect(verdict.next).not.toMatch(/RIGHT-NAME|ipv6|-6|no-token/);
  });

  it.skipIf(withoutSilentAddresses)('with several addresses: each that did not answer is named', async () => {
    await using server = await startWebServer((_, response) => json(response, 401, {}));
    await using silent = await startSilentAddress('127.0.0.2', server.port);
    resolve(null, ['127.0.0.3', silent.host, '127.0.0.1']);
    const { checks } = await examine(`ws://several.test:${server.port}`);
    expect(checks.find(({ name }) => name === 'tcp')?.detail).toBe(
      `127.0.0.1 port ${server.port}; connection refused (127.0.0.3:${server.port}); nothing yet from 127.0.0.2:${server.port}`,
    );
  });
});

// Not beside other tests: making their certificates stops this process.
describe.skipIf(withoutOpenssl)('a server that wants a client certificate', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is told by its handshake in %s', async (maxVersion) => {
    const authority = new CertificateAuthority();
    const { pem: ca } = authority;
    const certificate = authority.issue('DNS:localhost');
    authority.remove();
    await using server = await startWebServer((_, response) => json(response, 200, {}), {
      ...certificate,
      ca,
      maxVersion,
      requestCert: true,
      rejectUnauthorized: true,
    });
    const { verdict, checks } = await examine(server.url, { ca });
    expect(verdict.text).toContain('wants a client certificate');
    expect(checks.find(({ name }) => name === 'tls')).toMatchObject({ status: 'failed' });
    const shown = await examine(server.url, { ca, ...certificate });
    expect(shown.checks.find(({ name }) => name === 'tls')?.detail).toContain('certificate for');
  });

  it('and ends the connection without a word about the one that it gets: the certificate is blamed', async () => {
    const authority = new CertificateAuthority();
    const { pem: ca } = authority;
    const certificate = authority.issue('DNS:localhost');
    authority.remove();
    const handle = { ...certificate, minVersion: 'TLSv1.3' } as const;
    // Node's own servers judge a certificate after the handshake, and send no alert.
    const server = createTlsServer(handle, (socket) => socket.destroy());
    const port = await listen(server);
    const { verdict, checks } = await examine(`wss://localhost:${port}`, { ca, ...certificate });
    await close(server);
    expect(checks.find(({ name }) => name === 'tls')).toMatchObject({ status: 'failed', failure: 'cut off' });
    expect(verdict.text).toContain('after it got the client certificate');
  });
});
