import { expect, it } from 'vitest';
import { redactToken } from '../../../src/core/address.js';
import type { ApiAnswers, HttpAnswer } from '../../../src/core/failure/answer.js';
import { failureOfAnswer, failureOfClose } from '../../../src/core/failure/from-server.js';
import { triage } from '../../../src/core/failure/refusal.js';
import type { Consequence } from '../../../src/core/failure/rule.js';
import { type FailureKind, failureTable } from '../../../src/core/failure/table.js';

const NOW_MS = 1_800_000_000_000;
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = (expiresInSeconds: number) =>
  `${encode({ alg: 'HS256' })}.${encode({ exp: NOW_MS / 1000 + expiresInSeconds })}.c2ln`;
const good = jwt(60);
const old = jwt(-60);

const json = (status: number, body: unknown): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json' },
  text: JSON.stringify(body),
});
const bare = (status: number, headers = {}): HttpAnswer => ({ status, headers, text: '' });
const page = (status: number): HttpAnswer => ({
  status,
  headers: { 'content-type': 'text/html' },
  text: '<h1>Hello</h1>',
});
const basic = bare(401, { 'www-authenticate': 'Basic realm="a, Bearer b"' });
const health = json(200, { status: 'healthy' });

const redact = (text: string) => redactToken(text, good);
const attempt = { url: new URL('ws://opmas.test/x'), redact, nowMs: NOW_MS };
const refusal = (answer: HttpAnswer) => failureOfAnswer(answer, attempt);
const status = (code: number) => refusal(bare(code));
const close = (code: number) => failureOfClose(code, '');

const accepts: ApiAnswers = { me: json(200, { username: 'admin' }) };
const rejects: ApiAnswers = { me: json(401, { detail: 'Could not validate credentials' }) };
const missing: ApiAnswers = {
  me: json(404, { detail: 'Not Found' }),
  health: json(404, { detail: 'Not Found' }),
};
const silent: ApiAnswers = {};
const failing: ApiAnswers = { me: page(500) };
const pages: ApiAnswers = { me: page(200), health: page(200) };
const otherJson: ApiAnswers = { me: health, health };
const notProxied: ApiAnswers = { me: page(404), health: page(404) };
const firewall: ApiAnswers = { me: page(403), health: page(403) };
const bareFirewall: ApiAnswers = { me: bare(403), health: bare(403) };
const wantsBasic: ApiAnswers = { me: basic, health: basic };

it.each<
  [string, ReturnType<typeof status>, string | undefined, ApiAnswers | undefined, FailureKind, Consequence]
>([
  ['401', status(401), good, undefined, 'token refused', 'renew'],
  ['401 and an old token', status(401), old, undefined, 'token expired', 'renew'],
  ['401 without a token', status(401), undefined, undefined, 'no token', 'renew'],
  [
    '401 that names Bearer',
    refusal(bare(401, { 'www-authenticate': 'Bearer' })),
    good,
    silent,
    'token refused',
    'renew',
  ],
  ['401 that names Basic', refusal(basic), good, silent, 'gateway wants credentials', 'likelyFatal'],
  ['401 as a page', refusal(page(401)), good, silent, 'gateway refuses this machine', 'likelyFatal'],
  ['401, accepted by the API', status(401), good, accepts, 'endpoint refuses', 'likelyFatal'],
  ['403, rejected by the API', status(403), good, rejects, 'token refused', 'renew'],
  ['403, accepted by the API', status(403), good, accepts, 'endpoint refuses', 'likelyFatal'],
  ['403, no token and none wanted', status(403), undefined, accepts, 'endpoint refuses', 'likelyFatal'],
  ['403 from a server that has no API', status(403), good, missing, 'no API there', 'likelyFatal'],
  ['403 and a silent API', status(403), good, silent, 'unknown', 'renew'],
  ['403 and a failing API', status(403), good, failing, 'unknown', 'renew'],
  ['403, a failing API and an old token', status(403), old, failing, 'token expired', 'renew'],
  ['403 and a page for the rest', status(403), good, pages, 'unknown', 'renew'],
  ['403, a page for the rest and an old token', status(403), old, pages, 'token expired', 'renew'],
  ['403 and JSON of no user for the rest', status(403), good, otherJson, 'unknown', 'renew'],
  ['403 where nothing else is proxied', status(403), good, notProxied, 'unknown', 'renew'],
  ['403 and a firewall for the rest', status(403), good, firewall, 'unknown', 'renew'],
  ['403 and Basic for the rest', status(403), good, wantsBasic, 'unknown', 'renew'],
  ['403, an old token and an API that names its user', status(403), old, accepts, 'token expired', 'renew'],
  ['403 as a page', refusal(page(403)), good, firewall, 'gateway refuses this machine', 'likelyFatal'],
  [
    '403 as a page, accepted by the API',
    refusal(page(403)),
    good,
    accepts,
    'gateway refuses this machine',
    'likelyFatal',
  ],
  ['a bare 403 for all', status(403), good, bareFirewall, 'gateway refuses this machine', 'likelyFatal'],
  [
    '403 in JSON that is not of the API',
    refusal(json(403, { message: 'x' })),
    good,
    silent,
    'gateway refuses this machine',
    'likelyFatal',
  ],
  [
    '403 with a detail',
    refusal(json(403, { detail: 'x' })),
    good,
    accepts,
    'endpoint refuses',
    'likelyFatal',
  ],
  ['451', status(451), good, silent, 'gateway refuses this machine', 'likelyFatal'],
  ['404 and an API', status(404), good, accepts, 'endpoint does not exist', 'likelyFatal'],
  ['404 without an API', status(404), good, missing, 'no API there', 'likelyFatal'],
  ['404 and pages', refusal(page(404)), good, notProxied, 'no API there', 'likelyFatal'],
  ['404 and health without me', status(404), good, otherJson, 'endpoint does not exist', 'likelyFatal'],
  ['a page for all', refusal(page(200)), good, pages, 'no API there', 'likelyFatal'],
  ['a page for streams', refusal(page(200)), good, accepts, 'not a WebSocket', 'likelyFatal'],
  ['close 4001', close(4001), good, silent, 'token refused', 'renew'],
  ['close 4001 and an old token', close(4001), old, silent, 'token expired', 'renew'],
  ['close 4001, accepted by the API', close(4001), good, accepts, 'endpoint refuses', 'likelyFatal'],
  ['close 1008, rejected by the API', close(1008), good, rejects, 'token refused', 'renew'],
  ['close 1008, accepted by the API', close(1008), good, accepts, 'closed for policy', 'likelyFatal'],
  // A server without the REST API may refuse a token with 1008 all the same.
  ['close 1008 without an API', close(1008), good, missing, 'unknown', 'renew'],
  ['close 1008 and a silent API', close(1008), good, silent, 'unknown', 'renew'],
  // Codes that no document assigns: only the API's word makes them a matter of the token.
  ['close 4401, rejected by the API', close(4401), good, rejects, 'token refused', 'renew'],
  ['close 4403, rejected by the API, with an old token', close(4403), old, rejects, 'token expired', 'renew'],
  ['close 4401, accepted by the API', close(4401), good, accepts, 'closed', 'retry'],
  ['close 4401 and a silent API', close(4401), old, silent, 'closed', 'retry'],
  ['400, accepted by the API', status(400), good, accepts, 'endpoint refuses', 'likelyFatal'],
  ['422, rejected by the API', status(422), good, rejects, 'token refused', 'renew'],
  ['418 without an API', status(418), good, missing, 'not a WebSocket', 'likelyFatal'],
  [
    '400 that asks for TLS, by nginx',
    refusal({ ...page(400), text: '<h1>400</h1>The plain HTTP request was sent to HTTPS port' }),
    good,
    pages,
    'TLS wanted',
    'likelyFatal',
  ],
  [
    '400 that asks for TLS, by Go',
    refusal({ ...bare(400), text: 'Client sent an HTTP request to an HTTPS server.' }),
    good,
    silent,
    'TLS wanted',
    'likelyFatal',
  ],
  ['304, which has no target', status(304), good, accepts, 'not a WebSocket', 'likelyFatal'],
  ['502 is not about the token', status(502), old, rejects, 'server fails', 'retry'],
])('%s', (_name, refused, token, api, kind, consequence) => {
  const failure = triage(refused, { token, redact, nowMs: NOW_MS, endpoint: 'devices', api });
  expect(failure.kind).toBe(kind);
  expect(failureTable[kind].consequence).toBe(consequence);
});

it('suggests no TLS where a server behind a gateway asks for it', () => {
  const refused = refusal({ ...page(400), text: 'The plain HTTP request was sent to HTTPS port' });
  const evidence = { token: good, redact, nowMs: NOW_MS, endpoint: 'devices', api: pages, isSecure: true };
  expect(triage(refused, evidence).kind).toBe('not a WebSocket');
});

it.each([
  ['FastAPI', json(404, { detail: 'Not Found' })],
  ['the library websockets', bare(426)],
  ['Tornado', { ...bare(400), text: 'Can "Upgrade" only to "WebSocket".' }],
])('names the headers that a proxy has to pass on when %s misses them', (_name, answer) => {
  const failure = triage(refusal(answer), {
    token: good,
    redact,
    nowMs: NOW_MS,
    endpoint: 'devices',
    api: accepts,
  });
  expect(failure).toMatchObject({
    event: { error: expect.stringContaining('the Upgrade header was lost on the way') },
    hint: expect.stringContaining('a proxy in front has to pass on the headers Upgrade and Connection'),
  });
});

it('names the query when a server that accepts first does not read the token from the header', () => {
  const evidence = { token: good, redact, nowMs: NOW_MS, endpoint: 'devices', api: accepts };
  expect(triage(close(4001), { ...evidence, authorization: 'token' }).hint).toContain("`tokenIn: 'query'`");
  expect(triage(close(4001), evidence).hint).toContain('first message');
});

it('quotes no bytes that are no text', () => {
  const binary = { ...bare(403), text: '\u001f\ufffd\b\0\ufffd\ufffdAJ\ufffd\ufffd\ufffd' };
  const told = JSON.stringify(
    triage(refusal(binary), { token: good, redact, nowMs: NOW_MS, endpoint: 'devices', api: accepts }),
  );
  expect(told.replace(JSON.stringify(binary.text), '')).not.toMatch(/AJ/);
});

const dated = (answer: HttpAnswer, secondsFromNow: number): HttpAnswer => {
  const date = new Date(NOW_MS + secondsFromNow * 1000).toUTCString();
  return { ...answer, headers: { ...answer.headers, date } };
};
const judged = (answer: HttpAnswer, token: string, more = {}) =>
  triage(refusal(answer), { token, redact, nowMs: NOW_MS, endpoint: 'devices', ...more });

it('judges the life of a token by the clock of the server, as far as that is known', () => {
  const hourAgo = dated(bare(401), -3600);
  expect(judged(hourAgo, jwt(-1800))).toMatchObject({ kind: 'token refused', clockAheadMs: 3_600_000 });
  expect(judged(dated(bare(401), 3600), jwt(1800)).kind).toBe('token expired');
  expect(judged(bare(401), jwt(-1800), { clockAheadMs: 3_600_000 }).kind).toBe('token refused');
  const api = { me: dated(json(401, { detail: 'no' }), -3600) };
  expect(judged(bare(401), jwt(-1800), { api }).kind).toBe('token refused');
  // Whole seconds, and the time on the way.
  expect(judged(dated(bare(401), -4), jwt(-2))).toMatchObject({ kind: 'token expired', clockAheadMs: 0 });
  expect(judged(bare(401, { date: 'yesterday' }), jwt(-2)).kind).toBe('token expired');
});

it('tells a token that is not valid yet, and waits for one that soon is', () => {
  const notBefore = (seconds: number) =>
    `${encode({ alg: 'HS256' })}.${encode({ nbf: NOW_MS / 1000 + seconds })}.c2ln`;
  expect(judged(bare(401), notBefore(20))).toMatchObject({
    kind: 'token not valid yet',
    retryAfterMs: 21_000,
  });
  const late = judged(bare(401), notBefore(3600));
  expect([late.kind, late.retryAfterMs]).toEqual(['token not valid yet', undefined]);
  expect(judged(dated(bare(401), 3600), notBefore(1800)).kind).toBe('token refused');
  expect(judged(dated(bare(401), -10), notBefore(5)).retryAfterMs).toBe(16_000);
  expect(judged(bare(403), notBefore(20), { api: accepts }).kind).toBe('endpoint refuses');
  expect(
    triage(close(4001), { token: notBefore(20), redact, nowMs: NOW_MS, endpoint: 'devices' }),
  ).toMatchObject({
    kind: 'token not valid yet',
    retryAfterMs: 21_000,
  });
});

it('calls a bare 403 at a path that is none of the four a missing endpoint', () => {
  const evidence = { token: good, redact, nowMs: NOW_MS, endpoint: '/api/v1/ws/nope', api: accepts };
  expect(triage(status(403), evidence).kind).toBe('endpoint does not exist');
});

it.each<[string, string, string | undefined]>([
  ['text/plain', 'Invalid host header\n', '"Invalid host header"'],
  ['application/json', '{"detail":"Not Found"}', '"Not Found"'],
  ['application/json', '{"error":{"code":7}}', '"{"error":{"code":7}}"'],
  ['text/html', '<style>p{}</style><h1>Access\n denied</h1><p>Ray 8f1', '"Access denied Ray 8f1"'],
  ['text/plain', 'no\u001b[31m entry', '"no\\u001b[31m entry"'],
  ['text/plain', `blocked ${good}`, '"blocked [token]"'],
  ['text/plain', `blocked ${good.slice(0, 40)}`, '"blocked [token]"'],
  ['text/plain', 'x'.repeat(300), `"${'x'.repeat(200)}"`],
  ['text/plain', ' ', undefined],
])('quotes what a refusal says: %s %s', (type, text, quote) => {
  const { event } = triage(refusal({ status: 400, headers: { 'content-type': type }, text }), {
    token: good,
    redact,
    nowMs: NOW_MS,
    endpoint: 'devices',
  });
  expect('error' in event ? event.error : undefined).toBe(quote);
});
