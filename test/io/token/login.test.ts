import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { login, refreshCredentials, startMockServer } from '../../../src/index.js';
import {
  accountOf,
  expiryOf,
  parseCredentials,
  serializeCredentials,
} from '../../../src/io/token/credentials.js';
import { json, startWebServer } from '../../support/web-server.js';

const page = '<!doctype html><title>words of the server</title>';

function html(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/html' }).end(page);
}

async function failedLogin(
  answer: (response: ServerResponse) => void,
): Promise<{ code: string; message: string }> {
  await using server = await startWebServer((_, response) => answer(response));
  const error = await login({ base: server.url }, 'admin', 'sesame').then(
    () => ({ code: 'none', message: '' }),
    (caught: { code: string; message: string }) => caught,
  );
  return error;
}

describe('login', () => {
  it('posts the OAuth2 form and reads the answer', async () => {
    await using server = await startWebServer((_, response) =>
      json(response, 200, { access_token: 'A', refresh_token: 'R', token_type: 'bearer', expires_in: 600 }),
    );
    const before = Date.now();
    const credentials = await login({ base: new URL(`${server.url.href}prefix`) }, 'admin', 'a&b=ü +');
    expect(server.requests).toHaveLength(1);
    const [request] = server.requests;
    expect(request).toMatchObject({ method: 'POST', url: '/prefix/api/v1/auth/login' });
    expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toMatchObject({
      username: 'admin',
      password: 'a&b=ü +',
    });
    expect(credentials).toMatchObject({ accessToken: 'A', refreshToken: 'R', username: 'admin' });
    expect(credentials.expiresAtMs).toBeGreaterThanOrEqual(before + 600_000);
    expect(parseCredentials(serializeCredentials(credentials))).toEqual(credentials);
  });

  it.each([415, 422])('tries JSON once after %d', async (status) => {
    await using server = await startWebServer(({ headers }, response) => {
      const isJson = headers['content-type'] === 'application/json';
      json(response, isJson ? 200 : status, { access_token: 'A' });
    });
    expect(await login({ base: server.url }, 'admin', 'p')).toMatchObject({ accessToken: 'A' });
    expect(JSON.parse(server.requests[1]!.body)).toEqual({ username: 'admin', password: 'p' });
    expect(server.requests).toHaveLength(2);
  });

  it('works against the mock', async () => {
    const server = await startMockServer({ tokenLifeMs: 3_600_000 });
    const base = new URL(server.url);
    expect(await login({ base }, 'admin', 'p')).toMatchObject({
      username: 'admin',
      refreshToken: expect.any(String),
    });
    await expect(login({ base }, 'admin', 'wrong')).rejects.toMatchObject({ code: 'AUTH' });
    await server.close();
  });

  it('has words of its own for each refusal, and shows nothing that the server wrote', async () => {
    const cases: [string, (response: ServerResponse) => void, string, RegExp][] = [
      [
        '400',
        (response) => json(response, 400, { detail: 'words of the server' }),
        'AUTH',
        /wrong user or password, or a user who may not log in/,
      ],
      [
        '401',
        (response) => json(response, 401, { detail: 'words of the server' }),
        'AUTH',
        /wrong user or password/,
      ],
      ['403', (response) => json(response, 403, { detail: 'words of the server' }), 'AUTH', /may not log in/],
      ['403 bare', (response) => response.writeHead(403).end(), 'NETWORK', /gateway .* refuses this machine/],
      [
        '409',
        (response) => json(response, 409, { detail: 'words of the server' }),
        'AUTH',
        /refused the login/,
      ],
      [
        '400 of TLS',
        (response) => response.writeHead(400).end('Client sent an HTTP request to an HTTPS server.'),
        'NETWORK',
        /wants TLS/,
      ],
      ['404', (response) => html(response, 404), 'NETWORK', /is not a login route/],
      [
        '422',
        (response) => json(response, 422, { detail: 'words of the server' }),
        'AUTH',
        /neither as a form nor as JSON/,
      ],
      ['429', (response) => json(response, 429, {}, { 'retry-after': '7' }), 'NETWORK', /again in 7 s/],
      ['500', (response) => html(response, 500), 'NETWORK', /failed/],
      ['200 HTML', (response) => html(response, 200), 'NETWORK', /web page/],
      ['200 text', (response) => response.end('words of the server'), 'NETWORK', /not a JSON object/],
      ['200 empty', (response) => json(response, 200, {}), 'NETWORK', /without an access token/],
      [
        '200 odd',
        (response) => json(response, 200, { access_token: 'a b' }),
        'NETWORK',
        /without an access token/,
      ],
      [
        '20 MB',
        (response) => json(response, 200, { access_token: 'x'.repeat(20e6) }),
        'NETWORK',
        /too much data/,
      ],
      ['cut off', (response) => response.destroy(), 'NETWORK', /without an answer/],
    ];
    const messages = new Set<string>();
    for (const [name, answer, code, pattern] of cases) {
      const error = await failedLogin(answer);
      expect(error, name).toMatchObject({ code, message: expect.stringMatching(pattern) });
      expect(error.message, name).not.toMatch(/words of the server|sesame|\n/);
      messages.add(error.message.replace(/:\d+/g, ''));
    }
    // Without a token and with an odd one is the same.
    expect(messages.size).toBe(cases.length - 1);
  });

  it('does not send the password where a redirect points', async () => {
    await using trap = await startWebServer((_, response) => json(response, 200, { access_token: 'A' }));
    const target = `http://user:sesame@127.0.0.1:${trap.port}/api/v1/auth/login?sesame`;
    const error = await failedLogin((response) => response.writeHead(307, { location: target }).end());
    expect(error.message).toContain(`http://127.0.0.1:${trap.port}/api/v1/auth/login`);
    expect(error.message).not.toContain('sesame');
    expect(trap.requests).toEqual([]);
  });

  it('gives up on a server that hangs', async () => {
    await using server = await startWebServer(() => stopping.abort());
    const stopping = new AbortController();
    await expect(login({ base: server.url, signal: stopping.signal }, 'a', 'b')).rejects.toMatchObject({
      code: 'NETWORK',
    });
  });
});

describe('refreshCredentials', () => {
  const old = { accessToken: 'A', refreshToken: 'R', username: 'admin' };

  it('sends the refresh token as JSON and keeps what the server does not change', async () => {
    await using server = await startWebServer((_, response) => json(response, 200, { access_token: 'B' }));
    expect(await refreshCredentials({ base: server.url }, old)).toMatchObject({ ...old, accessToken: 'B' });
    expect(server.requests).toHaveLength(1);
    expect(JSON.parse(server.requests[0]!.body)).toEqual({ refresh_token: 'R' });
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  it.each([400, 401, 403, 415, 422])('sends it as bearer token after %d', async (status) => {
    await using server = await startWebServer(({ headers }, response) =>
      json(response, headers.authorization === 'Bearer R' ? 200 : status, {
        access_token: 'B',
        refresh_token: 'S',
      }),
    );
    expect(await refreshCredentials({ base: server.url }, old)).toMatchObject({
      accessToken: 'B',
      refreshToken: 'S',
    });
  });

  it.each([
    [401, 'AUTH'],
    [404, 'AUTH'],
    [405, 'AUTH'],
    [307, 'NETWORK'],
    [429, 'NETWORK'],
    [503, 'NETWORK'],
  ])('after %d gives %s', async (status, code) => {
    await using server = await startWebServer((_, response) => json(response, status, {}));
    await expect(refreshCredentials({ base: server.url }, old)).rejects.toMatchObject({ code });
  });
});

describe('the end of a token', () => {
  const HOUR = 3_600_000;
  const NOW = 1_800_000_000_000;
  const token = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;
  const exp = NOW / 1000 + 900;

  it.each<[string, object, unknown, number, number | undefined]>([
    ['that the server states counts from now', { exp }, 60, 5 * HOUR, 60_000],
    ['is that of its own life', { iat: exp - 300, exp }, undefined, 5 * HOUR, 300_000],
    ['is its own claim', { exp }, undefined, 0, 900_000],
    ['follows a clock that is ahead', { exp: exp - 3600 }, undefined, HOUR, 900_000],
    ['follows a clock that is behind', { exp: exp + 3600 }, undefined, -HOUR, 900_000],
    ['does not follow a date by which it would be over already', { exp }, undefined, -HOUR, 900_000],
    ['that is past stays so', { exp: exp - 3600 }, undefined, 0, 900_000 - HOUR],
    ['is unknown without any', { sub: 'a' }, undefined, HOUR, undefined],
  ])('%s', (_name, claims, expiresIn, clockAheadMs, leftMs) => {
    const end = expiryOf(token(claims), NOW, expiresIn, clockAheadMs);
    expect(end).toBe(leftMs === undefined ? undefined : NOW + leftMs);
  });
});

describe('credentials', () => {
  it('have one account for each server', () => {
    expect(accountOf(new URL('ws://user:p@Host:80/x?y'))).toBe('ws://host/x');
  });

  it.each(['', 'x', 'null', '[]', '{}', '{"access_token":1}', '{"access_token":""}'])(
    'are not read from %j',
    (text) => {
      expect(parseCredentials(text)).toBeUndefined();
    },
  );
});
