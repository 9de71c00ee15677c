import { expect, it } from 'vitest';
import { apiWordOf } from '../../../src/core/failure/answer.js';
import { askApi } from '../../../src/io/http/ask-api.js';
import { ServerRoute } from '../../../src/io/http/server-route.js';
import { json, startWebServer } from '../../support/web-server.js';

const wordFor = async (base: URL, token: string | undefined, timeoutMs?: number) =>
  apiWordOf(await askApi(new ServerRoute(base, { environment: {} }), token, { timeoutMs }));

const user = { id: 1, username: 'admin' };
const error = { detail: 'no' };

it.each<[number, unknown, number, unknown, string]>([
  [401, error, 200, {}, 'rejects'],
  [401, {}, 200, {}, 'rejects'],
  [401, {}, 401, {}, 'rejects'],
  [403, error, 403, { detail: 'Not authenticated' }, 'rejects'],
  [403, error, 200, {}, 'rejects'],
  [403, error, 403, error, 'gateway refuses this machine'],
  [403, { message: 'no' }, 200, {}, 'gateway refuses this machine'],
  [200, user, 200, {}, 'accepts'],
  [200, { user }, 200, {}, 'accepts'],
  [200, { status: 'ok' }, 200, {}, 'unclear'],
  [200, [user], 200, {}, 'unclear'],
  [404, error, 404, error, 'absent'],
  [404, {}, 404, {}, 'unclear'],
  [404, error, 200, {}, 'unclear'],
  [500, error, 200, {}, 'fails'],
  [429, error, 200, {}, 'fails'],
  [307, {}, 200, {}, 'unclear'],
])(
  'when the API answers %d %j and its health %d %j, its word is: %s',
  async (me, body, health, state, word) => {
    await using server = await startWebServer(({ url }, response) =>
      url === '/p/api/v1/auth/me' ? json(response, me, body) : json(response, health, state),
    );
    const base = new URL('/p', server.url);
    expect(await wordFor(base, 'A')).toBe(word);
    expect(server.requests[0]?.headers.authorization).toBe('Bearer A');
    expect(server.requests[1]?.headers.authorization).toBeUndefined();
  },
);

it('does not take a page for a user', async () => {
  await using server = await startWebServer((_, response) => response.end(JSON.stringify(user)));
  expect(await wordFor(server.url, 'A')).toBe('unclear');
});

it('is unclear without an answer in time', async () => {
  await using server = await startWebServer(() => undefined);
  expect(await wordFor(server.url, 'A', 200)).toBe('unclear');
  expect(await wordFor(new URL('ws://127.0.0.1:1'), 'A')).toBe('unclear');
});

it('has one limit for both of its questions', async () => {
  await using server = await startWebServer((_, response) => {
    setTimeout(() => json(response, 404, error), 700);
  });
  expect(await wordFor(server.url, 'A', 1000)).toBe('unclear');
});

it('sends no token when there is none', async () => {
  await using server = await startWebServer((_, response) => json(response, 401, error));
  expect(await wordFor(server.url, undefined)).toBe('rejects');
  expect(server.requests[0]?.headers.authorization).toBeUndefined();
});
