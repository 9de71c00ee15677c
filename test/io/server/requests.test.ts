import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MockServer, type ServerActivity, startMockServer } from '../../../src/index.js';
import { rawRequest, statusOf, upgradeRequest } from './raw-client.js';
import { StreamClient, streamUrl } from './stream-client.js';

let server: MockServer;
const activities: ServerActivity[] = [];

beforeAll(async () => {
  server = await startMockServer({
    rate: 100,
    allowOrigins: [
      'https://app.example',
      'http://mock:8000',
      'http://default-port.example:80',
      'capacitor://app.example',
    ],
    onActivity: (activity) => activities.push(activity),
    // The raw clients here answer no close frame.
    limits: { closePatienceMs: 20 },
  });
});
afterAll(() => server.close());

/** One plain request, closed by the server after its answer. */
function ask(method: string, path: string, headers: string[] = [], version = '1.1'): Promise<string> {
  const lines = [`${method} ${path} HTTP/${version}`, 'Host: localhost', 'Connection: close', ...headers];
  return rawRequest(server.port, `${lines.join('\r\n')}\r\n\r\n`);
}

describe('plain HTTP', () => {
  it.each([
    ['GET', '/', 404],
    ['GET', '/health', 200],
    ['HEAD', '/health', 200],
    ['POST', '/health', 405],
    ['GET', '/health/', 404],
    ['GET', '/api/v1/ws/devices', 426],
    ['HEAD', '/api/v1/ws/devices', 426],
    ['GET', '/api/v1/ws/devices?token=x', 426],
    ['POST', '/api/v1/ws/devices', 405],
    ['OPTIONS', '/api/v1/ws/devices', 405],
    ['OPTIONS', '/api/v1/auth/login', 405],
    ['OPTIONS', '*', 404],
    ['DELETE', '/api/v1/ws/devices', 405],
    ['GET', '/api/v1/ws/nothing', 404],
    ['GET', '/api/v1/ws/', 404],
    ['GET', '/api/v1/auth/login', 405],
    ['GET', '/api/v1/auth/me', 401],
    ['GET', 'http://localhost/health', 404],
    ['GET', '/%00', 404],
    ['GET', '/%', 404],
    ['TRACE', '/', 404],
  ])('%s %s gives %i, short, without CORS headers', async (method, path, status) => {
    const answer = await ask(method, path);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(statusOf(answer)).toBe(status);
    expect(head).not.toMatch(/access-control/i);
    expect(body.length).toBeLessThan(100);
    if (method === 'HEAD') expect(body).toBe('');
    if (status === 426) expect(head).toMatch(/^upgrade: websocket$/im);
    if (status === 405) expect(head).toMatch(/^allow: (GET|POST)$/im);
  });

  it('speaks HTTP/1.0', async () => {
    expect(statusOf(await ask('GET', '/health', [], '1.0'))).toBe(200);
  });

  it.each([
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS', Buffer.from('16030100a5010000a10303', 'hex')],
    ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a header without end', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(70_000)}`],
  ])('cuts off who speaks something else: %s', async (_name, bytes) => {
    expect([400, 431]).toContain(statusOf(await rawRequest(server.port, bytes)));
  });

  it('closes on CONNECT', async () => {
    expect(await ask('CONNECT', 'example.com:443')).toBe('');
  });

  it('refuses an upgrade to something else', async () => {
    const answer = await ask('GET', '/health', ['Connection: Upgrade', 'Upgrade: h2c']);
    expect(statusOf(answer)).toBe(426);
  });
});

describe('upgrades', () => {
  const upgrade = (target: string, headers: string[] = [], host?: string) =>
    rawRequest(server.port, upgradeRequest(target, headers, host)).then(statusOf);

  it.each([
    ['another name', '/api/v1/ws/nothing'],
    ['a trailing slash', '/api/v1/ws/devices/'],
    ['no prefix', '/devices'],
    ['a NUL', '/api/v1/ws/devices%00'],
    ['dots', '/api/v1/ws/x/../devices'],
    ['two slashes', '//api/v1/ws/devices'],
    ['an encoded slash at its end', '/api/v1/ws/devices%2F'],
    ['broken percent code', '/api/v1/ws/devices%'],
    ['an absolute target', 'http://localhost/api/v1/ws/devices'],
    ['another case', '/api/v1/ws/Devices'],
  ])('answers a wrong path as the real stack does, with a bare 403: %s', async (_name, target) => {
    const answer = await rawRequest(server.port, upgradeRequest(`${target}?token=${server.token}`));
    expect(statusOf(answer)).toBe(403);
    expect(answer.split('\r\n\r\n')[1]).toBe('');
  });

  it('takes an encoded path, as Starlette does', async () => {
    await new StreamClient(streamUrl(server, '%64evices')).received(1);
  });

  it('takes a query of 8 KB, and the last of several tokens', async () => {
    const padding = 'x'.repeat(8192);
    const url = `${server.url}/api/v1/ws/devices?x=${padding}&token=bad&token=${server.token}`;
    await new StreamClient(url).received(1);
  });

  it('refuses a header of 70 KB', async () => {
    expect(await upgrade(`/api/v1/ws/devices?token=${'x'.repeat(70_000)}`)).toBe(431);
  });

  it.each([
    ['no key', 'Sec-WebSocket-Key', '', 400],
    ['a bad key', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Key: x', 400],
    ['another version', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 99', 400],
    ['another method', 'GET ', 'POST ', 405],
  ])('refuses a handshake with %s', async (_name, from, to, status) => {
    const request = upgradeRequest(`/api/v1/ws/devices?token=${server.token}`);
    const broken = to === '' ? request.replace(/Sec-WebSocket-Key: .*\r\n/, '') : request.replace(from, to);
    expect(statusOf(await rawRequest(server.port, broken))).toBe(status);
  });

  it('agrees to no extension and no subprotocol', async () => {
    const client = new StreamClient(streamUrl(server), { perMessageDeflate: true });
    await client.opened();
    expect(client.socket.extensions).toBe('');
    const withProtocol = await rawUpgradeHead(['Sec-WebSocket-Protocol: chat, bearer']);
    expect(withProtocol).not.toMatch(/sec-websocket-protocol/i);
  });

  async function rawUpgradeHead(headers: string[]): Promise<string> {
    const request = upgradeRequest('/api/v1/ws/devices?token=none', headers);
    const answer = await rawRequest(server.port, request);
    expect(statusOf(answer)).toBe(101);
    return answer.split('\r\n\r\n')[0]!;
  }
});

describe('Host and Origin', () => {
  const health = async (host: string, origin?: string) => {
    const headers = origin === undefined ? [] : [`Origin: ${origin}`];
    const lines = ['GET /health HTTP/1.1', `Host: ${host}`, 'Connection: close', ...headers];
    const plain = statusOf(await rawRequest(server.port, `${lines.join('\r\n')}\r\n\r\n`));
    const target = '/api/v1/ws/devices?token=bad';
    const upgraded = statusOf(await rawRequest(server.port, upgradeRequest(target, headers, host)));
    // 200 and 101 are one verdict, 403 is the other.
    expect([plain, upgraded]).toEqual(plain === 200 ? [200, 101] : [403, 403]);
    return plain;
  };

  it.each([
    'localhost',
    'localhost:9000',
    'LOCALHOST:1',
    'app.localhost',
    '127.0.0.1:8000',
    '127.1.2.3',
    '[::1]:8000',
    '[::1]',
    'mock:8000',
    'app.example',
  ])('takes Host %s', async (host) => {
    expect(await health(host)).toBe(200);
  });

  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.evil.example',
    'evil.example:8000',
    'localhost@evil.example',
    'localhost:8000:8000',
    'localhost:99999',
    '[::1].evil.example',
    '[::2]',
    '10.0.0.1',
    '',
  ])('refuses Host %j, which DNS could have turned to this machine', async (host) => {
    expect(await health(host)).toBe(403);
  });

  it('answers two Host headers with 400, on plain requests and on upgrades', async () => {
    for (const host of ['localhost', 'evil.example']) {
      const twice = [`Host: ${host}`];
      expect(statusOf(await ask('GET', '/health', twice))).toBe(400);
      const target = `/api/v1/ws/devices?token=${server.token}`;
      expect(statusOf(await rawRequest(server.port, upgradeRequest(target, twice)))).toBe(400);
    }
  });

  it('refuses a request without Host', async () => {
    expect(statusOf(await rawRequest(server.port, 'GET /health HTTP/1.0\r\n\r\n'))).toBe(403);
  });

  it.each([
    'http://localhost',
    'http://localhost:5173',
    'https://127.0.0.1:8443',
    'http://[::1]:3000',
    'https://app.example',
    'HTTPS://APP.EXAMPLE',
    'http://mock:8000',
    'http://default-port.example',
    'capacitor://app.example',
  ])('takes Origin %s', async (origin) => {
    expect(await health('localhost', origin)).toBe(200);
  });

  it.each([
    'null',
    'https://evil.example',
    'http://app.example',
    'https://app.example:8443',
    'https://app.example.evil.example',
    'http://localhost.evil.example',
    'file://',
    'chrome-extension://abcdefghijklmnop',
    'http://localhost/x',
    'http://localhost:99999',
    'http://localhost:80@evil.example',
  ])('refuses Origin %s', async (origin) => {
    expect(await health('localhost', origin)).toBe(403);
  });

  it.each([
    'app.example',
    'https://app.example/path',
    '*',
    'https://',
    'http://x:99999',
    'http://x;rm',
    'http://a b',
  ])('refuses to start with origin %j', async (origin) => {
    await expect(startMockServer({ allowOrigins: [origin] })).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('refusals of Host and Origin', () => {
  it.each([
    [
      ['Origin: https://evil.example'],
      'localhost',
      'Origin https://evil.example is not allowed; to allow it: --allow-origin https://evil.example',
    ],
    [
      [],
      'dev.example:80',
      'Host dev.example:80 is not allowed; to allow it: --allow-origin http://dev.example:80',
    ],
    [['Origin: null'], 'localhost', 'Origin null is not allowed; to allow it: --allow-origin null'],
    [['Origin: http://$(id).example'], 'localhost', 'Origin http://$(id).example is not allowed'],
    [['Origin: \x9b2Jx'], 'localhost', 'Origin \\u009b2Jx is not allowed'],
  ])(
    'name what was refused and what allows it, to the client and in the log: %j %s',
    async (headers, host, text) => {
      const before = activities.length;
      const request = upgradeRequest('/api/v1/ws/devices', headers, host);
      const upgrade = await rawRequest(server.port, Buffer.from(request, 'latin1'));
      const lines = ['GET /health HTTP/1.1', `Host: ${host}`, 'Connection: close', ...headers, '', ''];
      const plain = await rawRequest(server.port, Buffer.from(lines.join('\r\n'), 'latin1'));
      for (const answer of [upgrade, plain]) expect(answer.split(/\r?\n/)).toContain(text);
      expect(activities.slice(before)).toMatchObject([
        { kind: 'refused', endpoint: 'devices', code: 403, why: text },
        { kind: 'refused', endpoint: '/health', code: 403, why: text },
      ]);
    },
  );
});

describe('requests of web pages', () => {
  const corsOf = (answer: string) => /^access-control-allow-origin: (.*)$/im.exec(answer)?.[1]?.trim();

  it.each(['http://localhost:5173', 'https://app.example', 'capacitor://app.example'])(
    'let a page of the accepted origin %s read every answer',
    async (origin) => {
      for (const [method, path, status] of [
        ['GET', '/health', 200],
        ['GET', '/api/v1/auth/me', 401],
        ['POST', '/api/v1/auth/login', 422],
        ['GET', '/nothing', 404],
        ['GET', '/api/v1/ws/devices', 426],
      ] as const) {
        const answer = await ask(method, path, [`Origin: ${origin}`, 'Content-Length: 0']);
        expect(statusOf(answer)).toBe(status);
        expect(corsOf(answer)).toBe(origin);
        expect(answer).toMatch(/^vary: origin\r$/im);
      }
    },
  );

  it.each([
    ['/api/v1/auth/login', 'POST'],
    ['/api/v1/auth/refresh', 'POST'],
    ['/api/v1/auth/logout', 'POST'],
    ['/api/v1/auth/me', 'GET'],
    ['/health', 'GET'],
  ])('answer the preflight for %s', async (path, method) => {
    const answer = await ask('OPTIONS', path, [
      'Origin: https://app.example',
      `Access-Control-Request-Method: ${method}`,
      'Access-Control-Request-Headers: authorization,content-type',
    ]);
    expect(statusOf(answer)).toBe(200);
    expect(corsOf(answer)).toBe('https://app.example');
    expect(answer).toMatch(new RegExp(`^access-control-allow-methods: ${method}\r$`, 'im'));
    expect(answer).toMatch(/^access-control-allow-headers: authorization,content-type\r$/im);
    expect(answer).toMatch(/^vary: origin\r$/im);
  });

  it('tell a page of another origin nothing', async () => {
    for (const origin of ['https://evil.example', 'null']) {
      const headers = [`Origin: ${origin}`, 'Access-Control-Request-Method: POST'];
      for (const method of ['OPTIONS', 'POST']) {
        const answer = await ask(method, '/api/v1/auth/login', headers);
        expect(statusOf(answer)).toBe(403);
        expect(answer).not.toMatch(/access-control/i);
      }
    }
  });

  it('take the origins of files and sandboxed frames when these are allowed', async () => {
    await using open = await startMockServer({ allowOrigins: ['null', 'file://'] });
    // An origin without a host allows no request without one.
    expect(statusOf(await rawRequest(open.port, 'GET /health HTTP/1.0\r\n\r\n'))).toBe(403);
    for (const origin of ['null', 'file://']) {
      const lines = [
        'GET /health HTTP/1.1',
        'Host: localhost',
        'Connection: close',
        `Origin: ${origin}`,
        '',
        '',
      ];
      const answer = await rawRequest(open.port, lines.join('\r\n'));
      expect([statusOf(answer), corsOf(answer)]).toEqual([200, origin]);
      await new StreamClient(streamUrl(open), { headers: { origin } }).received(1);
    }
  });
});

it('calls an endpoint by its name, also when a client is refused at once', async () => {
  const before = activities.length;
  const headers = ['Origin: https://evil.example'];
  expect(statusOf(await rawRequest(server.port, upgradeRequest('/api/v1/ws/devices', headers)))).toBe(403);
  expect(activities.slice(before)).toMatchObject([{ kind: 'refused', endpoint: 'devices', code: 403 }]);
});

it('never prints a token', () => {
  expect(activities.length).toBeGreaterThan(20);
  expect(JSON.stringify(activities)).not.toContain(server.token);
  expect(JSON.stringify(activities)).not.toContain('token=');
});
