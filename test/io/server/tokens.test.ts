import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  type MockServer,
  type MockServerOptions,
  type ServerActivity,
  startMockServer,
} from '../../../src/index.js';
import { StreamClient, streamUrl } from './stream-client.js';

const SECRET = 'a secret of the real server';

const start = (options: MockServerOptions = {}) => startMockServer({ rate: 100, ...options });

function sign(claims: Record<string, unknown>, secret = SECRET): string {
  const content = unsigned({ alg: 'HS256' }, claims);
  return `${content}.${signatureOf(content, secret)}`;
}

function signatureOf(content: string, secret: string): string {
  return createHmac('sha256', secret).update(content).digest('base64url');
}

function unsigned(header: unknown, payload: unknown): string {
  return [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
}

const hourFromNow = () => Math.floor(Date.now() / 1000) + 3600;
const hourAgo = () => Math.floor(Date.now() / 1000) - 3600;

const goodTokens: [string, () => string][] = [
  ['of its own', () => ''],
  ['by anybody', () => sign({ sub: 'me', exp: hourFromNow() }, 'whatever')],
  ['without exp', () => sign({ sub: 'me' })],
  ['without sub', () => sign({ exp: hourFromNow() })],
  ['with exp far away', () => sign({ exp: 253_402_300_799 })],
];

const badTokens: [string, () => string][] = [
  ['empty', () => ' '],
  ['no JWT', () => 'secret'],
  ['two parts', () => sign({}).split('.').slice(0, 2).join('.')],
  ['five parts', () => `${sign({})}.a.b`],
  ['bad base64url', () => '!!!.???.***'],
  ['payload null', () => `${unsigned({ alg: 'HS256' }, null)}.c2ln`],
  ['payload array', () => `${unsigned({ alg: 'HS256' }, [])}.c2ln`],
  ['header no object', () => `${unsigned('HS256', {})}.c2ln`],
  ['no signature', () => `${unsigned({ alg: 'none' }, { exp: hourFromNow() })}.`],
  ['expired', () => sign({ exp: hourAgo() })],
  ['exp a string', () => `${unsigned({ alg: 'HS256' }, { exp: String(hourFromNow()) })}.c2ln`],
  ['a refresh token', () => sign({ type: 'refresh', exp: hourFromNow() })],
  ['exp null', () => `${unsigned({ alg: 'HS256' }, { exp: null })}.c2ln`],
];

describe.concurrent('tokens on streams', () => {
  it.each(goodTokens)('takes a token %s', async (_name, make) => {
    await using server = await start();
    const client = new StreamClient(streamUrl(server, 'devices', make() || server.token));
    expect(JSON.parse((await client.received(1))[0]!)).toHaveProperty('type');
  });

  it.each(badTokens)('closes a bad token with 4001 after accept: %s', async (_name, make) => {
    await using server = await start();
    const { code, reason, messages } = await new StreamClient(streamUrl(server, 'devices', make())).end;
    expect({ code, reason, messages }).toEqual({ code: 4001, reason: 'Authentication failed', messages: [] });
  });

  it.each(badTokens)('answers a bad token with a bare 403 when told so: %s', async (_name, make) => {
    await using server = await start({ refuse: 'http' });
    const { status, messages } = await new StreamClient(streamUrl(server, 'devices', make())).end;
    expect({ status, messages }).toEqual({ status: 403, messages: [] });
  });

  it('treats a missing token as a bad one', async () => {
    await using closing = await start();
    expect((await new StreamClient(streamUrl(closing, 'agents', '')).end).code).toBe(4001);
    await using refusing = await start({ refuse: 'http' });
    expect((await new StreamClient(streamUrl(refusing, 'agents', '')).end).status).toBe(403);
  });

  it('does not take a token from the Authorization header, which no browser can send', async () => {
    const activities: ServerActivity[] = [];
    await using server = await start({ onActivity: (activity) => activities.push(activity) });
    const headers = { authorization: `Bearer ${server.token}` };
    expect((await new StreamClient(streamUrl(server, 'rules', ''), { headers }).end).code).toBe(4001);
    expect(activities).toMatchObject([{ kind: 'refused', why: expect.stringContaining('in the query') }]);
  });

  it.each([
    ['no token', () => ''],
    ['the token has expired', () => sign({ exp: hourAgo() })],
    ['the token is not a JWT', () => 'secret'],
    ['a refresh token, not an access token', () => sign({ type: 'refresh' })],
  ])('names the problem to its starter: %s', async (problem, make) => {
    const activities: ServerActivity[] = [];
    await using server = await start({ onActivity: (activity) => activities.push(activity) });
    await new StreamClient(streamUrl(server, 'rules', make())).end;
    expect(activities).toEqual([{ kind: 'refused', endpoint: 'rules', code: 4001, why: problem }]);
  });

  it('mode secret: takes HS256 with its secret only', async () => {
    await using server = await start({ auth: 'secret', secret: SECRET });
    await new StreamClient(streamUrl(server)).received(1);
    await new StreamClient(streamUrl(server, 'devices', sign({ exp: hourFromNow() }))).received(1);
    const other = sign({ exp: hourFromNow() }, `${SECRET}!`);
    const forged = `${unsigned({ alg: 'none' }, { exp: hourFromNow() })}.c2ln`;
    for (const token of [other, forged, sign({ exp: hourAgo() })]) {
      expect((await new StreamClient(streamUrl(server, 'devices', token)).end).code).toBe(4001);
    }
  });

  it('mode secret: the secret may be short, as that of the real server may be', async () => {
    await using server = await start({ auth: 'secret', secret: 'short' });
    await new StreamClient(streamUrl(server, 'devices', sign({ exp: hourFromNow() }, 'short'))).received(1);
  });

  it('mode secret: issues tokens that it accepts and that the server with that secret does not', async () => {
    await using server = await start({ auth: 'secret', secret: SECRET });
    const login = await fetch(`${server.url.replace('ws', 'http')}/api/v1/auth/login`, {
      method: 'POST',
      body: new URLSearchParams({ username: 'ada', password: 'x' }),
    });
    const { access_token, refresh_token } = (await login.json()) as Record<string, string>;
    for (const token of [access_token!, refresh_token!, server.token, await server.createToken()]) {
      const [, content = '', signature] = /^(.*)\.(.*)$/.exec(token) ?? [];
      expect(signature).not.toBe(signatureOf(content, SECRET));
    }
    await new StreamClient(streamUrl(server, 'devices', access_token)).received(1);
    await new StreamClient(streamUrl(server, 'devices', await server.createToken())).received(1);
  });

  it.each([undefined, ''])('mode secret: refuses to start with secret %j', async (secret) => {
    const options = secret === undefined ? {} : { secret };
    await expect(startMockServer({ auth: 'secret', ...options })).rejects.toMatchObject({
      name: 'OpmasError',
      code: 'USAGE',
      hint: expect.stringContaining('OPMAS_MOCK_SECRET'),
    });
  });

  it('mode none: takes anything and nothing', async () => {
    await using server = await start({ auth: 'none' });
    for (const token of ['', 'nonsense', server.token]) {
      await new StreamClient(streamUrl(server, 'system', token)).received(1);
    }
  });

  it('gives the token that it hands out the life that was asked for', async () => {
    const lifeOf = (token: string) => {
      const { exp, iat } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
      return exp - iat;
    };
    await using short = await start({ tokenLifeMs: 2000 });
    expect(lifeOf(short.token)).toBeLessThanOrEqual(3);
    expect(lifeOf(await short.createToken())).toBeLessThanOrEqual(3);
    await using byDefault = await start();
    expect(lifeOf(byDefault.token)).toBeGreaterThanOrEqual(30 * 24 * 3600);
    expect(lifeOf(await byDefault.createToken())).toBeLessThanOrEqual(3601);
  });

  it('issues and checks tokens where `Uint8Array` belongs to another realm, as under jsdom', async () => {
    const program = `
      const { runInNewContext } = await import('node:vm');
      globalThis.Uint8Array = runInNewContext('Uint8Array');
      const { startMockServer } = await import('./dist/index.js');
      for (const options of [{}, { auth: 'secret', secret: 'x' }]) {
        const server = await startMockServer(options);
        const url = server.url.replace('ws', 'http') + '/api/v1/auth/me';
        const answer = await fetch(url, { headers: { authorization: 'Bearer ' + server.token } });
        console.log(answer.status);
        await server.close();
      }`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      cwd: resolve(import.meta.dirname, '../../..'),
    });
    expect(stdout).toBe('200\n200\n');
  });

  it('closes a stream with 4001 when its token expires', async () => {
    await using server = await start();
    const client = new StreamClient(streamUrl(server, 'devices', await server.createToken({ lifeMs: 1000 })));
    await client.received(1);
    expect(await client.end).toMatchObject({ code: 4001, reason: 'Authentication failed' });
  });
});

describe.concurrent('login and refresh', () => {
  const post = (server: MockServer, path: string, type: string, body: string, headers = {}) =>
    fetch(`${server.url.replace('ws', 'http')}${path}`, {
      method: 'POST',
      headers: { 'content-type': type, ...headers },
      body,
      redirect: 'manual',
    });
  const form = 'application/x-www-form-urlencoded';
  const json = 'application/json';
  interface Grant {
    access_token: string;
    refresh_token: string;
    token_type: string;
    expires_in: number;
  }

  it.each([
    [form, 'username=ada&password=p%C3%A4ss+word'],
    [`${form}; charset=utf-8`, 'grant_type=password&username=ada&password=x'],
    [json, '{"username":"ada","password":"x"}'],
  ])('gives tokens for a login as %s, and new ones for the refresh token', async (type, body) => {
    await using server = await start({ tokenLifeMs: 60_000 });
    const answer = await post(server, '/api/v1/auth/login', type, body);
    expect(answer.status).toBe(200);
    const grant = (await answer.json()) as Grant;
    expect(grant).toMatchObject({ token_type: 'bearer', expires_in: 60 });
    await new StreamClient(streamUrl(server, 'devices', grant.access_token)).received(1);

    const byBody = await post(
      server,
      '/api/v1/auth/refresh',
      json,
      JSON.stringify({ refresh_token: grant.refresh_token }),
    );
    const byHeader = await post(server, '/api/v1/auth/refresh', json, '', {
      authorization: `Bearer ${grant.refresh_token}`,
    });
    const refreshToken = encodeURIComponent(grant.refresh_token);
    const byForm = await post(server, '/api/v1/auth/refresh', form, `refresh_token=${refreshToken}`);
    for (const renewed of [byBody, byHeader, byForm]) {
      expect(renewed.status).toBe(200);
      const { access_token } = (await renewed.json()) as Grant;
      expect(access_token).not.toBe(grant.access_token);
      await new StreamClient(streamUrl(server, 'devices', access_token)).received(1);
    }
    const me = await fetch(`${server.url.replace('ws', 'http')}/api/v1/auth/me`, {
      headers: { authorization: `Bearer ${grant.access_token}` },
    });
    expect([me.status, await me.json()]).toEqual([200, { username: 'ada', is_active: true }]);
  });

  it('gives tokens of the life that was asked for', async () => {
    await using server = await start({ tokenLifeMs: 1000 });
    const answer = await post(server, '/api/v1/auth/login', form, 'username=a&password=b');
    const { access_token } = (await answer.json()) as Grant;
    const { code } = await new StreamClient(streamUrl(server, 'devices', access_token)).end;
    expect(code).toBe(4001);
    const headers = { authorization: `Bearer ${access_token}` };
    const me = await fetch(`${server.url.replace('ws', 'http')}/api/v1/auth/me`, { headers });
    expect(me.status).toBe(401);
  });

  it.each([
    ['wrong password', '/api/v1/auth/login', form, 'username=ada&password=wrong', 401],
    ['no password', '/api/v1/auth/login', form, 'username=ada', 422],
    ['empty user', '/api/v1/auth/login', json, '{"username":"","password":"x"}', 422],
    ['password no string', '/api/v1/auth/login', json, '{"username":"a","password":1}', 422],
    ['broken JSON', '/api/v1/auth/login', json, '{', 422],
    ['another type', '/api/v1/auth/login', 'text/plain', 'username=a&password=b', 415],
    ['a slash too many', '/api/v1/auth/login/', form, 'username=a&password=b', 307],
    ['too large', '/api/v1/auth/login', form, `username=a&password=${'b'.repeat(70_000)}`, 413],
    ['no refresh token', '/api/v1/auth/refresh', json, '{}', 422],
    ['bad refresh token', '/api/v1/auth/refresh', json, '{"refresh_token":"x"}', 401],
  ])('refuses: %s', async (_name, path, type, body, status) => {
    await using server = await start();
    const answer = await post(server, path, type, body);
    expect(answer.status).toBe(status);
    expect(await answer.text()).not.toContain('access_token');
    if (status === 307) expect(answer.headers.get('location')).toBe('/api/v1/auth/login');
  });

  it('answers a logout', async () => {
    await using server = await start();
    const withToken = { authorization: `Bearer ${server.token}` };
    expect((await post(server, '/api/v1/auth/logout', json, '', withToken)).status).toBe(200);
    expect((await post(server, '/api/v1/auth/logout', json, '')).status).toBe(401);
  });

  it('does not take an access token for a refresh token', async () => {
    await using server = await start();
    const body = JSON.stringify({ refresh_token: server.token });
    expect((await post(server, '/api/v1/auth/refresh', json, body)).status).toBe(401);
  });
});
