import { expect, it } from 'vitest';
import { version } from '../../../src/core/version.js';
import { type RouteOptions, ServerRoute } from '../../../src/io/http/server-route.js';
import { json, startWebServer } from '../../support/web-server.js';

const base = new URL('ws://opmas.test/prefix');
const routeWith = (options: RouteOptions) => new ServerRoute(base, { environment: {}, ...options });

it('names the program in each request, unless the user names another', async () => {
  await using server = await startWebServer((_, response) => json(response, 200, {}));
  await new ServerRoute(server.url, {}).request('/health');
  await new ServerRoute(server.url, { headers: { 'user-agent': 'mine' } }).request('/health');
  expect(server.requests.map(({ headers }) => headers['user-agent'])).toEqual([
    `opmas-ws/${version}`,
    'mine',
  ]);
  expect(routeWith({}).upgrade('devices', undefined).headers).toEqual({
    'User-Agent': `opmas-ws/${version}`,
  });
});

it('sends the headers of the user with each request, as UTF-8, and its own where one needs them', async () => {
  await using server = await startWebServer((_, response) => json(response, 200, {}));
  const headers = { 'X-Key': 'ümläut', 'content-type': 'text/mine' };
  const request = { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' }, token: 't' };
  await new ServerRoute(server.url, { headers }).request('/health', request);
  expect(server.requests[0]?.headers).toMatchObject({
    'x-key': Buffer.from('ümläut').toString('latin1'),
    'content-type': 'application/json',
    authorization: 'Bearer t',
  });
});

it('puts the token of a stream into the query, or into the Authorization header and nowhere else', () => {
  const query = routeWith({ headers: { 'X-Key': 'k' } }).upgrade('devices', 'a+b');
  expect(query.url.href).toBe('ws://opmas.test/prefix/api/v1/ws/devices?token=a%2Bb');
  expect(query.headers).toEqual({ 'X-Key': 'k', 'User-Agent': expect.anything() });
  const header = routeWith({ tokenIn: 'header' }).upgrade('devices', 'a+b');
  expect(header.url.href).toBe('ws://opmas.test/prefix/api/v1/ws/devices');
  expect(header.headers.Authorization).toBe('Bearer a+b');
  expect(
    routeWith({ tokenIn: 'header' }).upgrade('devices', undefined).headers.Authorization,
  ).toBeUndefined();
});

it("never replaces the user's own Authorization header", async () => {
  await using server = await startWebServer((_, response) => json(response, 200, {}));
  const headers = { AUTHORIZATION: 'Basic abc' };
  await new ServerRoute(server.url, { headers }).request('/health', { token: 't' });
  expect(server.requests[0]?.headers.authorization).toBe('Basic abc');
  expect(() => routeWith({ headers, tokenIn: 'header' })).toThrow(/cannot be combined/);
});

it.each([{ Host: 'a' }, { 'X-A': '' }, { 'X-A': 'a\nb' }, { 'X A': 'a' }, { 'X-A': 'a', 'x-a': 'b' }])(
  'refuses headers that a request cannot have: %j',
  (headers) => {
    expect(() => routeWith({ headers })).toThrow(expect.objectContaining({ code: 'USAGE' }));
  },
);

it('keeps the values of headers out of a text, and the token', () => {
  const headers = { 'X-Key': 'sesame-of-the-gateway', Authorization: `Basic ${btoa('user:open-sesame')}` };
  const route = routeWith({ headers });
  for (const secret of [
    'sesame-of-the-gateway',
    btoa('sesame-of-the-gateway'),
    'open-sesame',
    btoa('user:open-sesame'),
  ]) {
    expect(route.redact(`no "${secret}" here`, 'a-token')).toBe('no "[header]" here');
  }
  expect(route.redact('a-token, sesame-of-the-', 'a-token')).toBe('[token], [header]');
});
