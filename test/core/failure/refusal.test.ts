import { expect, it } from 'vitest';
import type { FailureKind } from '../../../src/core/failure/failure.js';
import { failureOfAnswer, failureOfClose } from '../../../src/core/failure/from-server.js';
import { type ApiAnswer, classifyRefusal } from '../../../src/core/failure/refusal.js';
import { type Consequence, failureTable } from '../../../src/core/failure/table.js';

const NOW_MS = 1_800_000_000_000;
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = (expiresInSeconds: number) =>
  `${encode({ alg: 'HS256' })}.${encode({ exp: NOW_MS / 1000 + expiresInSeconds })}.c2ln`;
const good = jwt(60);
const old = jwt(-60);

const attempt = { url: new URL('ws://opmas.test/x'), token: undefined, nowMs: NOW_MS };
const status = (code: number) => failureOfAnswer({ status: code, headers: {} }, attempt);
const close = (code: number) => failureOfClose(code, '');

const accepts: ApiAnswer = { status: 200, isMissing: false };
const rejects: ApiAnswer = { status: 401, isMissing: false };
const missing: ApiAnswer = { status: 404, isMissing: true };
const silent: ApiAnswer = { status: undefined, isMissing: false };
const failing: ApiAnswer = { status: 500, isMissing: false };

it.each<
  [string, ReturnType<typeof status>, string | undefined, ApiAnswer | undefined, FailureKind, Consequence]
>([
  ['401', status(401), good, undefined, 'token refused', 'renew'],
  ['401 and an old token', status(401), old, undefined, 'token expired', 'renew'],
  ['401 without a token', status(401), undefined, undefined, 'no token', 'renew'],
  ['403, rejected by the API', status(403), good, rejects, 'token refused', 'renew'],
  ['403, accepted by the API', status(403), good, accepts, 'wrong path', 'likelyFatal'],
  ['403, no token and none wanted', status(403), undefined, accepts, 'wrong path', 'likelyFatal'],
  ['403 without an API', status(403), good, missing, 'no API', 'likelyFatal'],
  ['403 and a silent API', status(403), good, silent, 'forbidden', 'renew'],
  ['403 and a failing API', status(403), good, failing, 'forbidden', 'renew'],
  ['403, a failing API and an old token', status(403), old, failing, 'token expired', 'renew'],
  ['404 and an API', status(404), good, accepts, 'wrong path', 'likelyFatal'],
  ['404 without an API', status(404), good, missing, 'no API', 'likelyFatal'],
  ['close 4001', close(4001), good, accepts, 'token refused', 'renew'],
  ['close 1008, rejected by the API', close(1008), good, rejects, 'token refused', 'renew'],
  ['close 1008, accepted by the API', close(1008), good, accepts, 'closed for policy', 'likelyFatal'],
  // A server without the REST API may refuse a token with 1008 all the same.
  ['close 1008 without an API', close(1008), good, missing, 'policy violated', 'renew'],
  ['close 1008 and a silent API', close(1008), good, silent, 'policy violated', 'renew'],
  ['502 is not about the token', status(502), old, rejects, 'server failing', 'retry'],
])('%s', (_name, refusal, token, api, kind, consequence) => {
  const failure = classifyRefusal(refusal, { token, nowMs: NOW_MS, api });
  expect(failure.kind).toBe(kind);
  expect(failureTable[kind].consequence).toBe(consequence);
});
