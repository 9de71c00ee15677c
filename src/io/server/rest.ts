import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseObject } from '../../core/json/json-tokens.js';
import { readUpTo } from '../http/http-request.js';
import type { TokenIssuer } from './token-issuer.js';

/** Largest request body; a login is below 1 KiB. */
const LARGEST_BODY_BYTES = 64 * 1024;
/** The password that is always wrong, so that a failed login can be tried. */
const WRONG_PASSWORD = 'wrong';

export interface RestOptions {
  issuer: TokenIssuer;
  /** Returns whether a path is a WebSocket endpoint; a plain request to one gets 426. */
  isStreamPath(path: string): Promise<boolean>;
}

interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

interface Route {
  method: 'GET' | 'POST';
  answer(request: IncomingMessage, options: RestOptions): Answer | Promise<Answer>;
}

/** The plain HTTP routes of the API, as far as clients of the streams need them. */
const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/health', { method: 'GET', answer: () => ({ status: 200, body: { status: 'healthy' } }) }],
  ['/api/v1/auth/me', { method: 'GET', answer: whoAmI }],
  ['/api/v1/auth/login', { method: 'POST', answer: login }],
  ['/api/v1/auth/refresh', { method: 'POST', answer: refresh }],
  ['/api/v1/auth/logout', { method: 'POST', answer: logout }],
]);

/**
 * Answers a plain HTTP request: login, refresh, logout, who am I, health. Any user and password log in, except empty
 * ones and the password `wrong`. Pages of the request's origin, which the caller has accepted, may read the answer.
 */
export async function answerRest(
  request: IncomingMessage,
  response: ServerResponse,
  options: RestOptions,
): Promise<void> {
  let answer: Answer;
  try {
    answer = await route(request, options);
  } catch (error) {
    if (!(error instanceof BodyTooLarge)) {
      const hasLeft = request.destroyed && !request.complete;
      if (!hasLeft) throw error;
      response.destroy();
      return;
    }
    answer = { ...detail(413, 'Body too large'), headers: { connection: 'close' } };
  }
  const body = answer.body === undefined ? '' : JSON.stringify(answer.body);
  response.writeHead(answer.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...corsHeaders(request),
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? '' : body);
}

async function route(request: IncomingMessage, options: RestOptions): Promise<Answer> {
  const { path } = splitTarget(request.url ?? '');
  const known = ROUTES.get(path);
  if (known !== undefined) {
    if (isPreflight(request)) return preflight(request, known.method);
    const accepts = known.method === 'GET' ? ['GET', 'HEAD'] : ['POST'];
    return accepts.includes(request.method ?? '')
      ? known.answer(request, options)
      : methodNotAllowed(known.method);
  }
  const withoutSlash = path.replace(/\/$/, '');
  if (path !== withoutSlash && ROUTES.get(withoutSlash)?.method === 'POST') {
    return { status: 307, headers: { location: withoutSlash } };
  }
  if (!(await options.isStreamPath(path))) return detail(404, 'Not Found');
  if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed('GET');
  return { ...detail(426, 'This is a WebSocket endpoint'), headers: { upgrade: 'websocket' } };
}

/** The question of a browser whether a page of another origin may send a request. */
function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && 'origin' in headers && 'access-control-request-method' in headers;
}

function preflight({ headers }: IncomingMessage, method: string): Answer {
  return {
    status: 200,
    headers: {
      'access-control-allow-methods': method,
      'access-control-allow-headers': String(
        headers['access-control-request-headers'] ?? 'authorization, content-type',
      ),
      'access-control-max-age': '600',
    },
  };
}

function corsHeaders({ headers: { origin } }: IncomingMessage): Record<string, string> {
  if (origin === undefined) return {};
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    vary: 'Origin',
  };
}

function whoAmI(request: IncomingMessage, { issuer }: RestOptions): Answer {
  const check = issuer.check(bearerOf(request));
  if ('problem' in check) return notAuthenticated('Could not validate credentials');
  return { status: 200, body: { username: check.claims.subject, is_active: true } };
}

async function login(request: IncomingMessage, options: RestOptions): Promise<Answer> {
  const fields = await fieldsOf(request);
  if (fields === undefined) return detail(415, 'Send username and password as a form or as JSON');
  const { username, password } = fields;
  for (const [name, value] of Object.entries({ username, password })) {
    if (typeof value !== 'string' || value === '') return missing(name);
  }
  if (password === WRONG_PASSWORD) return notAuthenticated('Incorrect username or password');
  return grant(username as string, options);
}

async function refresh(request: IncomingMessage, options: RestOptions): Promise<Answer> {
  const member = (await fieldsOf(request))?.refresh_token;
  const token = typeof member === 'string' ? member : bearerOf(request);
  if (token === undefined) return missing('refresh_token');
  const check = options.issuer.checkRefreshToken(token);
  if ('problem' in check) return notAuthenticated('Could not validate refresh token');
  return grant(check.claims.subject, options);
}

/** Tokens stay valid until they expire, as those of any server that keeps no list of them. */
function logout(request: IncomingMessage, { issuer }: RestOptions): Answer {
  if ('problem' in issuer.check(bearerOf(request))) return notAuthenticated('Could not validate credentials');
  return { status: 200, body: { message: 'Logged out' } };
}

function grant(subject: string, { issuer }: RestOptions): Answer {
  return {
    status: 200,
    body: {
      access_token: issuer.accessToken(subject),
      refresh_token: issuer.refreshToken(subject),
      token_type: 'bearer',
      expires_in: Math.round(issuer.lifeMs / 1000),
    },
  };
}

/** Splits a request target at its question mark, without decoding it. */
export function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?');
  return mark < 0
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

function bearerOf(request: IncomingMessage): string | undefined {
  return /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

class BodyTooLarge extends Error {}

/** The members of a body that is a form or JSON (the default); `undefined` for other types. */
async function fieldsOf(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  const body = await readUpTo(request, LARGEST_BODY_BYTES);
  if (body.length > LARGEST_BODY_BYTES) throw new BodyTooLarge();
  const text = body.toString();
  if (type === 'application/x-www-form-urlencoded') return Object.fromEntries(new URLSearchParams(text));
  return type === 'application/json' || type === '' ? (parseObject(text) ?? {}) : undefined;
}

/** The shape of FastAPI's errors. */
function detail(status: number, text: string): Answer {
  return { status, body: { detail: text } };
}

function missing(field: string): Answer {
  return {
    status: 422,
    body: { detail: [{ type: 'missing', loc: ['body', field], msg: 'Field required' }] },
  };
}

function notAuthenticated(text: string): Answer {
  return { ...detail(401, text), headers: { 'www-authenticate': 'Bearer' } };
}

function methodNotAllowed(allow: string): Answer {
  return { ...detail(405, 'Method Not Allowed'), headers: { allow } };
}
