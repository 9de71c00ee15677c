import { setTimeout } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { OpmasError, systemClock, type TokenProvider, tokenFromText } from '../../../src/index.js';
import { close, event, text } from '../../support/raw-frames.js';
import type { RawConnection } from '../../support/raw-server.js';
import { test } from '../../support/stage.js';

/** A provider that has one token after another, and knows how often it was asked. */
class Tokens implements TokenProvider {
  readonly source = 'the test';
  asked = 0;
  readonly refused: (string | undefined)[] = [];
  readonly #tokens: string[];

  constructor(...tokens: string[]) {
    this.#tokens = tokens;
  }

  async token(): Promise<string> {
    this.asked++;
    return this.#tokens[0]!;
  }

  async renew(refused?: string): Promise<boolean> {
    this.refused.push(refused);
    if (this.#tokens.length === 1) return false;
    this.#tokens.shift();
    return true;
  }
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

const tokenOf = (client: RawConnection) => new URL(client.path, 'ws://host').searchParams.get('token');

const isStream = ({ path }: RawConnection) => path.startsWith('/api/v1/ws/');

/** Answers as the REST API does: with a user, or with an error in the form of FastAPI. */
function respondAsApi(client: RawConnection, status: string): void {
  const isUser = status.startsWith('200');
  const body = isUser ? '{"username":"me"}' : '{"detail":"no"}';
  client.respond(status, ['Content-Type: application/json'], body);
}

/** Refuses the token when the API is asked about it, and treats streams as told. */
const withApi =
  (stream: (client: RawConnection) => unknown = () => undefined) =>
  (client: RawConnection) => {
    if (isStream(client)) stream(client);
    else respondAsApi(client, '401 Unauthorized');
  };

/** How servers say no to a token. */
const refusals: [string, (client: RawConnection) => unknown][] = [
  ['close 4001 after accept', (client) => client.accept(close(4001, 'no'))],
  ['close 1008 after accept', (client) => client.accept(close(1008, 'no'))],
  [
    'close 4001 after a word of goodbye, which is no event',
    (client) => client.accept(text('{"type":"pong"}'), text('Authentication failed'), close(4001, 'no')),
  ],
  ['HTTP 401', (client) => client.respond('401 Unauthorized', ['WWW-Authenticate: Bearer'])],
];

describe.concurrent('a refused token', () => {
  test('that becomes valid in a moment is sent again then, and not before', async ({ serve, read }) => {
    const server = await serve();
    let refusals = 0;
    server.onRequest(
      withApi((client) => {
        if (refusals++ > 0) client.accept(text(event(1)));
        else client.respond('401 Unauthorized', ['WWW-Authenticate: Bearer']);
      }),
    );
    const waits: number[] = [];
    const sleep = async (durationMs: number) => void waits.push(durationMs);
    const notBefore = Math.floor(Date.now() / 1000) + 30;
    const token = tokenFromText(`${encode({ alg: 'HS256' })}.${encode({ nbf: notBefore })}.c2ln`, 'a test');
    const reading = read({ url: server.url, token, clock: { ...systemClock, sleep } });
    await reading.event();
    expect(waits).toEqual([expect.any(Number)]);
    expect(waits[0]).toBeGreaterThan(28_000);
    expect(waits[0]).toBeLessThan(40_000);
  });

  test.for(refusals)('%s: is renewed once, and the new one is used', async ([, refuse], { serve, read }) => {
    const server = (await serve()).onRequest(withApi());
    const token = new Tokens('old', 'new');
    const reading = read({ url: server.url, token });
    const first = await server.requests.next(isStream);
    expect(tokenOf(first)).toBe('old');
    refuse(first);
    const second = await server.requests.next(isStream);
    expect(tokenOf(second)).toBe('new');
    second.accept(text(event(1)));
    await reading.event();
    expect(token.refused).toEqual(['old']);
    expect(token.asked).toBe(2);
    // Nothing can be missed before the first connection that is one.
    const opened = reading.lifecycle.all.filter(({ connection }) => connection.state === 'open');
    expect(opened.filter(({ connection }) => 'gap_since' in connection)).toEqual([]);
  });

  test.for([
    ...refusals,
    ['HTTP 403', (client: RawConnection) => client.respond('403 Forbidden')] as (typeof refusals)[0],
  ])('%s: is renewed in the header, too, and stands in no URL', async ([, refuse], { serve, read }) => {
    const server = (await serve()).onRequest(withApi());
    const headers = { 'X-Key': 'k' };
    const reading = read({ url: server.url, token: new Tokens('old', 'new'), tokenIn: 'header', headers });
    refuse(await server.requests.next(isStream));
    (await server.requests.next(isStream)).accept(text(event(1)));
    await reading.event();
    const streams = server.requests.all.filter(isStream);
    expect(streams.map((client) => client.header('authorization'))).toEqual(['Bearer old', 'Bearer new']);
    for (const client of server.requests.all) {
      expect(client.path).not.toContain('?');
      expect(client.header('x-key')).toBe('k');
    }
  });

  test.for(refusals)('%s: after a loss it hides no gap', async ([, refuse], { serve, read }) => {
    const server = (await serve()).onRequest(withApi());
    const token = new Tokens('old', 'old', 'new');
    const reading = read({ url: server.url, token });
    const first = await server.requests.next(isStream);
    first.accept(text(event(1)));
    await reading.event();
    first.reset();
    refuse(await server.requests.next(isStream));
    (await server.requests.next(isStream)).accept(text(event(2)));
    await reading.event();
    const last = reading.lifecycle.all.findLast(({ connection }) => connection.state === 'open');
    expect(last?.connection).toHaveProperty('gap_since');
  });

  test.for(refusals)('%s: refused again, it ends with AUTH', async ([, refuse], { serve, read }) => {
    const server = await serve();
    server.onRequest(withApi(refuse));
    const token = new Tokens('old', 'new', 'newer');
    const end = await read({ url: server.url, token }).end;
    expect(end?.code).toBe('AUTH');
    expect(end?.message).toContain('rejected the token from the test');
    expect(end?.hint).toContain('Log in with `login`');
    expect(server.requests.all.filter(isStream).map(tokenOf)).toEqual(['old', 'new']);
    expect(token.refused).toEqual(['old']);
  });

  test.for([
    [
      'is not about the token when the API takes that',
      '200 OK',
      'NETWORK',
      /gave up.*Too many.*accepts the token/,
      'heartbeat',
    ],
    [
      'may be about the token when the API does not say',
      '500 Oops',
      'AUTH',
      /may have rejected the token.*does not say/,
      'log in with',
    ],
  ] as const)('close 1008 %s', async ([, me, code, message, hint], { serve, read }) => {
    const server = await serve();
    server.onRequest((client) =>
      isStream(client) ? client.accept(close(1008, 'Too many messages')) : respondAsApi(client, me),
    );
    const token = new Tokens('old', 'new');
    const end = await read({ url: server.url, token }).end;
    expect(end).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(end?.hint).toContain(hint);
    expect(token.refused).toHaveLength(code === 'AUTH' ? 1 : 0);
  });

  test('says how to mend the source that it comes from', async ({ serve, read }) => {
    const server = (await serve()).onRequest(withApi((client) => client.respond('401 Unauthorized')));
    const token = { ...tokenFromText('only-one', 'OPMAS_TOKEN'), hint: 'put a fresh one in OPMAS_TOKEN' };
    expect((await read({ url: server.url, token }).end)?.hint).toMatch(/^Put a fresh one in OPMAS_TOKEN; /);
  });

  test('an open connection that is refused later leaves a gap', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, token: new Tokens('old', 'new') });
    (await server.request()).accept(text(event(1)), close(4001, 'expired'));
    (await server.request()).accept(text(event(2)));
    await reading.events.count(2);
    expect(reading.states).toEqual(['connecting', 'open', 'closed', 'connecting', 'open']);
    expect(reading.subscription.summary().gaps.count).toBe(1);
  });

  test('an outage counts from its begin, also when the stream ends while the token is renewed', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    const expired = `${encode({})}.${encode({ exp: Math.floor(Date.now() / 1000) })}.c2ln`;
    const token = new Tokens(expired);
    let begin = () => {};
    const renewing = new Promise<void>((resolve) => {
      begin = resolve;
    });
    token.renew = () => {
      begin();
      return new Promise(() => undefined);
    };
    const reading = read({ url: server.url, token });
    (await server.request()).accept(text(event(1)), close(4001, 'expired'));
    await renewing;
    await setTimeout(100);
    expect(reading.states).toEqual(['connecting', 'open']);
    await reading.stop();
    expect(reading.states).toEqual(['connecting', 'open', 'closed', 'stopped']);
    expect(reading.subscription.summary().outages.count).toBe(1);
  });

  test('the end of a connection is told soon, though the renewal of its token hangs', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    const token = new Tokens(`${encode({})}.${encode({ exp: Math.floor(Date.now() / 1000) })}.c2ln`);
    token.renew = () => new Promise(() => undefined);
    const reading = read({ url: server.url, token });
    (await server.request()).accept(text(event(1)), close(4001, 'expired'));
    expect(await reading.state('closed')).toMatchObject({ retry_in_ms: expect.any(Number) });
  });

  test('a connection that gave an event in between was not refused', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, token: new Tokens('a', 'b', 'c', 'd') });
    for (const token of ['a', 'b', 'c', 'd']) {
      const client = await server.request();
      expect(tokenOf(client)).toBe(token);
      client.accept(text(event(1)), close(4001));
    }
    await reading.events.count(4);
  });

  test('is tried a second time though it cannot be renewed', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, token: tokenFromText('only-one', 'OPMAS_TOKEN') });
    (await server.requests.next(isStream)).respond('401 Unauthorized');
    (await server.requests.next()).respond('404 Not Found');
    (await server.requests.next(({ path }) => path === '/health')).respond('404 Not Found');
    (await server.requests.next(isStream)).accept(text(event(1)));
    await reading.event();
  });

  test('of several endpoints is renewed once for all of them', async ({ serve, read }) => {
    const server = await serve();
    const token = new Tokens('old', 'new', 'too new');
    server.onRequest((client) => {
      if (tokenOf(client) === 'old') client.accept(close(4001));
      else client.accept(text(event(1)));
    });
    const endpoints = ['devices', 'agents', 'rules', 'system'];
    const reading = read({ url: server.url, token, endpoints });
    await reading.events.count(4);
    expect(server.requests.all.map(tokenOf).filter((one) => one === 'too new')).toEqual([]);
    expect(token.refused).toEqual(['old']);
  });

  test('that the server names in its close reason is not shown, whole or cut', async ({ serve, read }) => {
    const server = await serve();
    const secret = `eyJhbGciOiJIUzI1NiJ9.${'e30'.repeat(40)}.signature+/=`;
    const said = [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')].map((form) =>
      `token ${form}`.slice(0, 123),
    );
    let next = 0;
    server.onRequest((client) => client.accept(text(event(1)), close(1011, said[next++ % said.length])));
    const reading = read({ url: server.url, token: tokenFromText(secret, 'the test') });
    for (const _ of said) expect((await reading.state('closed')).reason).toBe('token [token]');
    await reading.stop();
    expect(reading.texts.join('\n')).not.toContain('eyJhb');
  });

  test('there is none: nothing is connected, and it is said once', async ({ serve, read }) => {
    const server = await serve();
    const failing: TokenProvider = {
      source: 'nowhere',
      token: () => Promise.reject(new OpmasError('AUTH', 'there is no token')),
    };
    const reading = read({ url: server.url, token: failing, endpoints: ['devices', 'agents'] });
    expect(await reading.end).toMatchObject({ code: 'AUTH', message: 'there is no token' });
    expect(server.connections.all).toEqual([]);
    expect(reading.givenUp.all).toEqual([]);
  });
});

describe.concurrent('a bare 403', () => {
  /** Refuses every upgrade; all else gets that status, or no answer at all. */
  const api = (me: string | undefined) => (client: RawConnection) => {
    if (isStream(client)) client.respond('403 Forbidden');
    else if (me !== undefined) respondAsApi(client, me);
  };

  test.for([
    ['401 Unauthorized', 'AUTH', /not valid/, 'Log in with'],
    ['200 OK', 'NETWORK', /API accepts the token/, 'The endpoint refuses'],
    ['404 Not Found', 'NETWORK', /there is no OPMAS API below this URL/, 'wrong prefix'],
    [
      '500 Internal Server Error',
      'AUTH',
      /may have rejected the token.*token may be wrong, or the path may not exist/,
      'If the token is the cause, log in',
    ],
  ] as const)('when the API answers %s it is %s', async ([me, code, why, hint], { serve, read }) => {
    const server = await serve();
    server.onRequest(api(me));
    const token = new Tokens('canary-token', 'second-token');
    const reading = read({ url: server.url, token });
    const { status, error = '' } = await reading.state('refused');
    const end = await reading.end;
    expect(end?.code).toBe(code);
    expect(end?.message).toMatch(why);
    expect(status).toBe(403);
    expect(end?.message).toContain(error);
    expect(end?.hint).toContain(hint);
    // Only a token that may be bad is renewed.
    expect(token.refused).toHaveLength(code === 'AUTH' ? 1 : 0);
    const asked = server.requests.all.filter(({ path }) => path === '/api/v1/auth/me');
    expect(asked[0]?.header('authorization')).toBe('Bearer canary-token');
  });

  test('when the API never answers it is told all the same, and stopping waits for nothing', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    server.onRequest(api(undefined));
    const ending = read({ url: server.url, token: new Tokens('canary-token') });
    const stopped = read({ url: server.url, token: new Tokens('canary-token') });
    await server.requests.next(({ path }) => path === '/api/v1/auth/me');
    await server.requests.next(({ path }) => path === '/api/v1/auth/me');
    expect(await stopped.stop()).toBeUndefined();
    const end = await ending.end;
    expect(end?.code).toBe('AUTH');
    expect(end?.message).toMatch(/token may be wrong, or the path may not exist/);
  });

  test('without a token it says that one is wanted', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest(api('401 Unauthorized'));
    const end = await read({ url: server.url }).end;
    expect(end?.code).toBe('AUTH');
    expect(end?.message).toMatch(/asked for a token: HTTP 403 \(no token was sent/);
    expect(end?.hint).toContain('Connect with a token');
  });
});
