import dns from 'node:dns';
import type { TlsOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, vi } from 'vitest';
import { tokenFromText } from '../../../src/index.js';
import { type Certificate, CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';
import { event, frame, text } from '../../support/raw-frames.js';
import type { RawConnection } from '../../support/raw-server.js';
import { test } from '../../support/stage.js';

const token = 'canary-token-of-the-upgrade-tests';

/** Tells the attempts from questions to the REST API. */
const isStream = ({ path }: RawConnection) => path.startsWith('/api/v1/ws/');

describe.concurrent('an upgrade that works', () => {
  test('loses nothing of a first packet that holds the 101 and events', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const events = [1, 2, 3].map((number) => text(event(number)));
    const client = await server.request();
    client.accept(...events, text(event(4)).subarray(0, 7));
    await reading.events.count(3);
    client.write(text(event(4)).subarray(7));
    await reading.events.count(4);
    expect(reading.events.all.map(({ data }) => data?.number)).toEqual([1, 2, 3, 4]);
    expect(reading.states).toEqual(['connecting', 'open']);
  });

  test('asks for the endpoint with the token in its query, and offers no compression', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    read({
      url: `${server.url}/prefix`,
      endpoints: ['rules'],
      token: tokenFromText('a+b&c#d%', 'the test'),
    });
    const client = await server.request();
    expect(client.path).toBe('/prefix/api/v1/ws/rules?token=a%2Bb%26c%23d%25');
    expect(client.header('sec-websocket-extensions')).toBeUndefined();
    expect(client.header('sec-websocket-protocol')).toBeUndefined();
    client.accept();
  });

  test('may take nearly all of its time', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, connectTimeoutMs: 60_000 });
    const client = await server.request();
    // Byte by byte, each in a packet of its own.
    client.socket.setNoDelay(true);
    const answer = client.upgradeAnswer();
    for (const character of answer) {
      client.write(character);
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.text(event(1));
    await reading.event();
    expect(server.connections.all).toHaveLength(1);
  });
});

describe.concurrent('an upgrade that never comes', () => {
  const limited = { connectTimeoutMs: 150, retry: { retries: 2 } };

  test('ends at the time limit and is tried again', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, ...limited });
    expect(await reading.state('refused')).toMatchObject({ error: 'no upgrade within the time limit' });
    expect(await reading.end).toMatchObject({ code: 'NETWORK' });
    expect(server.connections.all).toHaveLength(2);
  });

  test('ends at the time limit though bytes keep coming', async ({ serve, read }) => {
    const server = await serve();
    server.onConnect(({ socket }) => {
      const dribble = setInterval(() => socket.write('H'), 5);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nX-Long: ');
      socket.once('close', () => clearInterval(dribble));
    });
    const reading = read({ url: server.url, ...limited });
    expect((await reading.end)?.message).toContain('no upgrade within the time limit');
  });

  test('a limit beyond what timers can do is no limit of a millisecond', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, connectTimeoutMs: 2 ** 31, heartbeatMs: 2 ** 31 });
    const client = await server.request();
    // Time enough for timers of a millisecond.
    const other = await read({ url: server.url })
      .state('connecting')
      .then(() => server.request());
    await other.accept().roundTrips(100);
    client.accept();
    await client.roundTrips(100);
    expect(client.frames.all.filter(({ opcode }) => opcode === 1)).toEqual([]);
    expect(reading.states).toEqual(['connecting', 'open']);
  });

  test('closed at once, by FIN or RST', async ({ serve, read }) => {
    for (const how of ['end', 'reset'] as const) {
      const server = await serve();
      server.onRequest((client) => client[how]());
      const reading = read({ url: server.url, retry: { retries: 3 } });
      const end = await reading.end;
      expect(end?.code).toBe('NETWORK');
      expect(end?.message).toMatch(how === 'end' ? /closed before the upgrade/ : /connection reset/);
      expect(server.connections.all).toHaveLength(3);
    }
  });

  test('nothing listens', async ({ serve, read }) => {
    const server = await serve();
    const { port } = server;
    await server.stop();
    const reading = read({ url: `ws://127.0.0.1:${port}`, retry: { retries: 3 } });
    const end = await reading.end;
    expect(end?.code).toBe('NETWORK');
    expect(end?.message).toContain(`connection refused (127.0.0.1:${port})`);
    expect(reading.states).toEqual([
      'connecting',
      'refused',
      'connecting',
      'refused',
      'connecting',
      'refused',
      'given_up',
    ]);
    expect(reading.events.all).toEqual([]);
  });
});

describe.concurrent('a server that speaks another protocol', () => {
  test.for([
    ['SSH', 'SSH-2.0-OpenSSH_9.2p1\r\n'],
    ['SMTP', '220 mail.example.org ESMTP\r\n'],
    ['a TLS alert', Buffer.from([0x15, 3, 1, 0, 2, 2, 70])],
    ['NULs', Buffer.alloc(100)],
    ['an escape sequence', '\u001b]0;owned\u0007\u001b[2J'],
  ] as const)('%s', async ([, banner], { serve, read }) => {
    const server = await serve();
    server.onConnect((client) => client.write(banner));
    const reading = read({ url: server.url });
    const end = await reading.end;
    expect(end?.code).toBe('NETWORK');
    expect(end?.hint).toMatch(/port|ws:\/\//);
    expect(end?.message).toContain('no valid HTTP answer');
    expect(server.connections.all).toHaveLength(2);
  });

  test('plain HTTP where TLS is expected', async ({ serve, read }) => {
    const server = await serve();
    server.onConnect((client) => client.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const end = await read({ url: server.url.replace('ws:', 'wss:') }).end;
    expect(end).toMatchObject({ code: 'NETWORK' });
    expect(end?.message).toContain('TLS handshake failed (wrong version number)');
    expect(end?.hint).toContain('is this a ws:// port?');
    expect(server.connections.all).toHaveLength(2);
  });
});

describe.concurrent('another HTTP answer', () => {
  const html = '<!doctype html><title>\u001b[31mLog in</title>';

  test('200 with a page is no WebSocket endpoint', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.respond('200 OK', ['Content-Type: text/html'], html));
    const end = await read({ url: server.url }).end;
    expect(end?.code).toBe('NETWORK');
    expect(end?.message).toContain('not a WebSocket endpoint');
    expect(end?.message).not.toContain('\u001b');
    expect(server.requests.all.filter(isStream)).toHaveLength(2);
  });

  test.for([
    ['301 Moved Permanently'],
    ['302 Found'],
    ['303 See Other'],
    ['307 Temporary Redirect'],
    ['308 Permanent Redirect'],
  ])('%s is never followed', async ([status], { serve, read }) => {
    const trap = await serve();
    const server = await serve();
    const target = `http://user:${token}@127.0.0.1:${trap.port}/elsewhere/${token}?token=${token}`;
    server.onRequest((client) => client.respond(status!, [`Location: ${target}`]));
    const reading = read({ url: server.url, token: tokenFromText(token, 'the test') });
    const end = await reading.end;
    expect(end?.code).toBe('NETWORK');
    expect(end?.message).toContain(`redirects to http://127.0.0.1:${trap.port}/elsewhere/[token]`);
    expect(JSON.stringify([end?.message, reading.lifecycle.all])).not.toContain(token);
    expect(trap.connections.all).toEqual([]);
  });

  test('nor to the same host, nor to nonsense', async ({ serve, read }) => {
    for (const target of ['/login?next=1', 'https://', '\u0080\u009b31m']) {
      const server = await serve();
      server.onRequest((client) => client.respond('302 Found', [`Location: ${target}`]));
      const end = await read({ url: server.url }).end;
      expect(end?.message).toContain('never followed');
      expect(end?.message).not.toMatch(/next|[\u0080-\u009f]/);
      expect(server.connections.all).toHaveLength(2);
    }
  });

  test.for([
    ['400 Bad Request'],
    ['404 Not Found'],
    ['405 Method Not Allowed'],
    ['410 Gone'],
    ['426 Upgrade Required'],
  ])('%s is given up after 2', async ([status], { serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.respond(status!));
    const end = await read({ url: server.url }).end;
    expect(end).toMatchObject({ code: 'NETWORK' });
    expect(end?.message).toContain(`HTTP ${status!.slice(0, 3)}`);
    expect(server.requests.all.filter(isStream)).toHaveLength(2);
  });

  test.for([
    ['500 Internal Server Error'],
    ['502 Bad Gateway'],
    ['503 Service Unavailable'],
    ['504 Gateway Timeout'],
    ['408 Request Timeout'],
    ['429 Too Many Requests'],
  ])('%s is tried again, and works then', async ([status], { serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    for (let i = 0; i < 3; i++) (await server.request()).respond(status!, [], html);
    (await server.request()).accept(text(event(1)));
    await reading.event();
    expect(reading.states.slice(-2)).toEqual(['connecting', 'open']);
  });

  test('of a body without end nothing is read', async ({ serve, read }) => {
    const server = await serve();
    let written = 0;
    server.onRequest((client) => {
      const page = Buffer.alloc(64 * 1024, 'x');
      client.write('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      const more = () => {
        while (!client.socket.destroyed) {
          written += page.length;
          if (!client.socket.write(page)) return;
        }
      };
      client.socket.on('drain', more);
      more();
    });
    const reading = read({ url: server.url, retry: { retries: 3 } });
    expect(await reading.end).toMatchObject({ code: 'NETWORK' });
    await Promise.all(server.connections.all.map(({ ended }) => ended));
    // What the buffers of two sockets hold, three times.
    expect(written).toBeLessThan(3 * 16 * 1024 * 1024);
  });

  test('Retry-After is waited for, unless it is nonsense', async ({ serve, read }) => {
    const waits: (number | undefined)[] = [];
    for (const header of ['7', 'soon', '-1', new Date(Date.now() + 60_000).toUTCString(), '86400']) {
      const server = await serve();
      server.onRequest((client) => client.respond('503 Service Unavailable', [`Retry-After: ${header}`]));
      const reading = read({ url: server.url });
      waits.push((await reading.state('refused')).retry_in_ms);
      await reading.stop();
      expect(server.connections.all).toHaveLength(1);
    }
    const [seven, soon, past, date, day] = waits.map((wait) => wait ?? 0);
    expect(seven).toBeGreaterThanOrEqual(7000);
    expect(seven).toBeLessThanOrEqual(7700);
    expect(soon).toBeLessThanOrEqual(10);
    expect(past).toBeLessThanOrEqual(10);
    expect(date).toBeGreaterThan(40_000);
    expect(date).toBeLessThanOrEqual(66_000);
    expect(day).toBeGreaterThanOrEqual(300_000);
    expect(day).toBeLessThanOrEqual(330_000);
  });

  test('headers that are too much', async ({ serve, read }) => {
    for (const headers of [
      [`X-Long: ${'x'.repeat(100_000)}`],
      Array.from({ length: 3000 }, (_, i) => `X-Header-${i}: some value`),
    ]) {
      const server = await serve();
      server.onRequest((client) => client.write(client.upgradeAnswer(...headers)));
      const end = await read({ url: server.url }).end;
      expect(end?.code).toBe('NETWORK');
      expect(end?.message).toContain('HPE_HEADER_OVERFLOW');
    }
  });
});

describe.concurrent('an endpoint that fails while another one is open', () => {
  test.for([
    ['404', (client: RawConnection) => client.respond('404 Not Found'), /no such endpoint below/],
    [
      'no HTTP',
      (client: RawConnection) => client.write('hello\r\n'),
      /so the port is right: this path is wrong, or its service is failing\./,
    ],
    ['a page', (client: RawConnection) => client.respond('200 OK'), /no such endpoint|this path is wrong/],
  ] as const)(
    'has a wrong path, not a server with a wrong port: %s',
    async ([, fail, hint], { serve, read, expect }) => {
      const server = await serve();
      server.onRequest((client) => {
        if (client.path.includes('/devices')) client.accept();
        else if (client.path.includes('/rules')) fail(client);
        else client.respond('404 Not Found');
      });
      const onGiveUp = vi.fn();
      read({ url: server.url, endpoints: ['devices', 'rules'], onGiveUp });
      await vi.waitFor(() => expect(onGiveUp).toHaveBeenCalledOnce(), 15_000);
      const [endpoint, error] = onGiveUp.mock.calls[0]!;
      expect([endpoint, error.hint]).toEqual(['rules', expect.stringMatching(hint)]);
      expect(`${error.message} ${error.hint}`).not.toMatch(/wrong port|port is wrong|no OPMAS API/);
    },
  );
});

test('endpoints of a server that has ended have no wrong path', async ({ serve, read, expect }) => {
  const server = await serve();
  server.onRequest((client) => client.accept());
  const reading = read({ url: server.url, endpoints: ['devices', 'rules'], retry: { retries: 2 } });
  await server.requests.next();
  await server.requests.next();
  await reading.lifecycle.next(({ connection }) => connection.state === 'open');
  await reading.lifecycle.next(({ connection }) => connection.state === 'open');
  await server.stop();
  const end = await reading.end;
  expect(end?.failure).toBe('connection refused');
  expect(end?.hint).toMatch(/^Nothing listens on port \d+ of 127.0.0.1: the server is down/);
});

describe.concurrent('a garbled 101', () => {
  const lines = (client: RawConnection, from: RegExp | string, to: string) =>
    client.upgradeAnswer().replace(from, to);

  test.for<[string, RegExp, (client: RawConnection) => string]>([
    ['wrong accept key', /Accept/, (client) => lines(client, /Accept: .*/, 'Accept: c2VjcmV0')],
    ['no accept key', /Accept/, (client) => lines(client, /Sec-WebSocket-Accept: .*\r\n/, '')],
    ['wrong Upgrade', /Upgrade/, (client) => lines(client, 'Upgrade: websocket', 'Upgrade: h2c')],
    [
      'unasked extension',
      /Extensions/,
      (client) => client.upgradeAnswer('Sec-WebSocket-Extensions: permessage-deflate'),
    ],
    ['unasked subprotocol', /subprotocol/, (client) => client.upgradeAnswer('Sec-WebSocket-Protocol: mqtt')],
  ])('%s is named, and given up after 2', async ([, named, answer], { serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.write(answer(client)));
    const reading = read({ url: server.url });
    const end = await reading.end;
    expect(end?.code).toBe('NETWORK');
    expect(end?.message).toMatch(/garbled upgrade/);
    expect(end?.message).toMatch(named);
    expect(reading.states).toEqual(['connecting', 'refused', 'connecting', 'refused', 'given_up']);
  });
});

describe.concurrent('certificates', () => {
  describe.skipIf(withoutOpenssl)(`that openssl made${withoutOpenssl ? ` (${withoutOpenssl})` : ''}`, () => {
    let authority: CertificateAuthority;
    beforeAll(() => {
      authority = new CertificateAuthority();
    });
    afterAll(() => authority.remove());

    test.for<[string, (from: CertificateAuthority) => Certificate, boolean, RegExp, RegExp]>([
      ['expired', (from) => from.issue('IP:127.0.0.1', -1), true, /expired/, /renew it/],
      [
        'expired, of an unknown CA',
        (from) => from.issue('IP:127.0.0.1', -1),
        false,
        /expired/,
        /signed by a CA that is not trusted here/,
      ],
      [
        'of another name',
        (from) => from.issue('DNS:opmas.example.org'),
        true,
        /not in the cert's list$/,
        /a name that the certificate is for/,
      ],
      ['of an unknown CA', (from) => from.issue('IP:127.0.0.1'), false, /unable to verify|issuer/, /`ca`/],
      ['signed by itself', (from) => from.selfSigned(), false, /self-signed/, /`ca`/],
      [
        'signed by itself, though a CA is given',
        (from) => from.selfSigned(),
        true,
        /self-signed/,
        /not the one that signed the certificate/,
      ],
    ])('%s: given up at once', async ([, make, isKnown, why, hint], { serve, read }) => {
      const server = await serve({ tls: make(authority) });
      const end = await read({ url: server.url, ...(isKnown ? { ca: authority.pem } : {}) }).end;
      expect(end).toMatchObject({ code: 'NETWORK' });
      expect(end?.message).toContain('certificate is not trusted');
      expect(end?.message).toMatch(why);
      expect(end?.hint).toMatch(hint);
      expect(server.requests.all).toEqual([]);
    });

    const outdated = 'DEFAULT@SECLEVEL=0';
    test.for<
      [
        string,
        (from: CertificateAuthority) => TlsOptions,
        RegExp,
        RegExp,
        ((from: CertificateAuthority) => object)?,
      ]
    >([
      [
        'with a weak key',
        (from) => ({ ...from.issue('IP:127.0.0.1', 2, { newKey: 'rsa:768' }), ciphers: outdated }),
        /not trusted: EE certificate key too weak$/,
        /operator has to replace it/,
      ],
      [
        'with a weak signature',
        (from) => ({ ...from.issue('IP:127.0.0.1', 2, { digest: 'sha1' }), ciphers: outdated }),
        /not trusted: CA signature digest algorithm too weak$/,
        /operator has to replace it/,
      ],
      [
        'on a server with an old protocol',
        (from) => ({
          ...from.issue('IP:127.0.0.1'),
          ciphers: outdated,
          minVersion: 'TLSv1',
          maxVersion: 'TLSv1.1',
        }),
        /TLS handshake failed \(tlsv1 alert protocol version\)/,
        /turn on TLS 1.2 or newer/,
      ],
      [
        'on a server without a common cipher',
        (from) => ({
          ...from.issue('IP:127.0.0.1'),
          maxVersion: 'TLSv1.2',
          ciphers: 'AES128-SHA:NULL-SHA256',
        }),
        /TLS handshake failed \(.* alert handshake failure\)/,
        /no cipher in common .* or wants a client certificate/,
      ],
      [
        'on a server that wants a client certificate',
        (from) => ({ ...from.issue('IP:127.0.0.1'), requestCert: true, ca: from.pem }),
        /TLS handshake failed \(tlsv13 alert certificate required\)/,
        /give it with `cert` and `key`/,
      ],
      [
        'on a server that ends the connection because of the client certificate',
        (from) => ({ ...from.issue('IP:127.0.0.1'), requestCert: true, ca: from.pem }),
        /closed before the upgrade/,
        /got the client certificate: it may not trust its CA/,
        (from) => {
          const { key, cert } = from.selfSigned();
          return { key, cert, retry: { retries: 2 } };
        },
      ],
    ])('%s: given up with the reason', async ([, make, why, hint, more], { serve, read }) => {
      const server = await serve({ tls: make(authority) });
      const end = await read({ url: server.url, ca: authority.pem, ...more?.(authority) }).end;
      expect(end).toMatchObject({ code: 'NETWORK' });
      expect(end?.message).toMatch(why);
      expect(end?.hint).toMatch(hint);
      expect(server.requests.all).toEqual([]);
    });

    test('a client certificate opens a server that wants one', async ({ serve, read }) => {
      const client = authority.issue('DNS:client', 2, { newKey: 'ec -pkeyopt ec_paramgen_curve:P-256' });
      const server = await serve({
        tls: { ...authority.issue('IP:127.0.0.1'), requestCert: true, ca: authority.pem },
      });
      const reading = read({ url: server.url, ca: authority.pem, ...client });
      (await server.request()).accept(text(event(1)));
      await reading.event();
    });

    test('a good one of a CA that is given is trusted', async ({ serve, read }) => {
      const server = await serve({ tls: authority.issue('IP:127.0.0.1') });
      const reading = read({ url: server.url, ca: authority.pem });
      (await server.request()).accept(text(event(1)));
      await reading.event();
    });

    test('none is looked at when that was asked for', async ({ serve, read }) => {
      const server = await serve({ tls: authority.issue('IP:127.0.0.1', -1) });
      const reading = read({ url: server.url, insecure: true });
      (await server.request()).accept(text(event(1)));
      await reading.event();
    });
  });

  test('a handshake that breaks off is tried again', async ({ serve, read }) => {
    const server = await serve();
    server.onConnect(({ socket }) => socket.once('data', () => socket.end()));
    const end = await read({ url: server.url.replace('ws:', 'wss:'), retry: { retries: 3 } }).end;
    expect(end?.message).toContain('closed before the upgrade');
    expect(server.connections.all).toHaveLength(3);
  });
});

describe('names', () => {
  afterEach(() => vi.restoreAllMocks());

  /** The resolver of this machine, made to answer for one name. */
  function resolve(name: string, answer: { address: string; family: number }[] | string): void {
    const original = dns.lookup;
    vi.spyOn(dns, 'lookup').mockImplementation(((host: string, options: never, callback: never) => {
      if (host !== name) return original(host, options, callback);
      const done = callback as (error: Error | null, addresses?: unknown) => void;
      if (typeof answer !== 'string') return done(null, answer);
      const error = Object.assign(new Error(`getaddrinfo ${answer} ${host}`), {
        code: answer,
        hostname: host,
      });
      return done(error);
    }) as never);
  }

  test.for([
    ['::1', '::1'],
    ['127.0.0.1', '127.0.0.1'],
  ])('of two addresses the one that answers (%s) is taken', async ([host], { serve, read }) => {
    resolve('two.test', [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]);
    const server = await serve({ host: host! });
    const reading = read({ url: `ws://two.test:${server.port}` });
    (await server.request()).accept(text(event(1)));
    await reading.event();
    expect(reading.states).toEqual(['connecting', 'open']);
  });

  test('when none answers, each that was tried is named', async ({ serve, read }) => {
    resolve('two.test', [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]);
    const server = await serve();
    const { port } = server;
    await server.stop();
    const end = await read({ url: `ws://two.test:${port}`, retry: { retries: 1 } }).end;
    expect(end?.message).toContain(`connection refused ([::1]:${port}, 127.0.0.1:${port})`);
  });

  test('one that does not exist is given up after 2', async ({ read }) => {
    resolve('gone.test', 'ENOTFOUND');
    const reading = read({ url: 'ws://gone.test:8000' });
    const end = await reading.end;
    expect(end?.message).toContain('host gone.test does not exist');
    expect(reading.states.filter((state) => state === 'refused')).toHaveLength(2);
  });

  test('a name server that does not answer may come back', async ({ serve, read }) => {
    resolve('soon.test', 'EAI_AGAIN');
    const server = await serve();
    const reading = read({ url: `ws://soon.test:${server.port}`, retry: { retries: 50 } });
    expect(await reading.state('refused')).toMatchObject({ error: 'name server does not answer' });
    await reading.state('refused');
    await reading.state('refused');
    vi.restoreAllMocks();
    resolve('soon.test', [{ address: '127.0.0.1', family: 4 }]);
    (await server.request()).accept(frame({ payload: event(1) }));
    await reading.event();
  });
});
