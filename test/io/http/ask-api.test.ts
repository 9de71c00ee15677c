import { expect, it } from 'vitest';
import { refusalCause } from '../../../src/core/failure/refusal.js';
import { type ApiQuestion, askApi } from '../../../src/io/http/ask-api.js';
import { json, startWebServer } from '../../support/web-server.js';

const causeFor = async (question: Omit<ApiQuestion, 'environment'>) =>
  refusalCause(await askApi({ ...question, environment: {} }));

it.each([
  [401, 200, 'token'],
  [403, 200, 'token'],
  [200, 200, 'not the token'],
  [404, 404, 'no API'],
  [404, 200, 'unknown'],
  [500, 200, 'unknown'],
  [307, 200, 'unknown'],
])('when the API answers %d and its health %d, it is the %s', async (me, health, expected) => {
  await using server = await startWebServer(({ url }, response) =>
    json(response, url === '/p/api/v1/auth/me' ? me : health, {}),
  );
  const base = new URL('/p', server.url);
  expect(await causeFor({ base, token: 'A' })).toBe(expected);
  expect(server.requests[0]?.headers.authorization).toBe('Bearer A');
});

it('is unknown when nobody answers, or not in time', async () => {
  await using server = await startWebServer(() => undefined);
  expect(await causeFor({ base: server.url, token: 'A', timeoutMs: 200 })).toBe('unknown');
  expect(await causeFor({ base: new URL('ws://127.0.0.1:1'), token: 'A' })).toBe('unknown');
});

it('has one limit for both of its questions', async () => {
  await using server = await startWebServer((_, response) => {
    setTimeout(() => json(response, 404, {}), 700);
  });
  expect(await causeFor({ base: server.url, token: 'A', timeoutMs: 1000 })).toBe('unknown');
});

it('sends no token when there is none', async () => {
  await using server = await startWebServer((_, response) => json(response, 401, {}));
  expect(await causeFor({ base: server.url, token: undefined })).toBe('token');
  expect(server.requests[0]?.headers.authorization).toBeUndefined();
});
