import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TokenIssuer } from './token-issuer.js';

/** Largest request body; a login is below 1 KiB. */
const LARGEST_BODY_BYTES = 64 * 1024;
/** The password that is always wrong, so that a failed login can be tried. */
export const WRONG_PASSWORD = 'wrong';

/** What the REST routes need to know. */
export interface RestOptions {
  issuer: TokenIssuer;
  /** Life of the tokens that login and refresh give out, in milliseconds. */
  tokenLifeMs: number;
  /** Whether a path is a WebSocket endpoint: it gets 426 on a plain request. */
  isStreamPath(path: string): Promise<boolean>;
}

interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

/**
 * The plain HTTP side of the API, as far as clients of the streams need it: login, refresh, who am I, health.
 * Any user and password are good, but for empty ones and the password `wrong`.
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
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? '' : body);
}

async function route(request: IncomingMessage, options: RestOptions): Promise<Answer> {
  const { path } = splitTarget(request.url ?? '');
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const isPost = request.method === 'POST';
  switch (path) {
    case '/health':
      return isRead ? { status: 200, body: { status: 'healthy' } } : methodNotAllowed('GET');
    case '/api/v1/auth/me':
      return isRead ? await whoAmI(request, options) : methodNotAllowed('GET');
    case '/api/v1/auth/login':
      return isPost ? await login(request, options) : methodNotAllowed('POST');
    case '/api/v1/auth/refresh':
      return isPost ? await refresh(request, options) : methodNotAllowed('POST');
    case '/api/v1/auth/login/':
    case '/api/v1/auth/refresh/':
      return { status: 307, headers: { location: path.slice(0, -1) } };
  }
  if (!(await options.isStreamPath(path))) return detail(404, 'Not Found');
  if (!isRead) return methodNotAllowed('GET');
  return { ...detail(426, 'This is a WebSocket endpoint'), headers: { upgrade: 'websocket' } };
}

async function whoAmI(request: IncomingMessage, { issuer }: RestOptions): Promise<Answer> {
  const claims = await issuer.check(tokenOf(request));
  if (claims === undefined) return notAuthenticated('Could not validate credentials');
  return { status: 200, body: { username: claims.subject, is_active: true } };
}

async function login(request: IncomingMessage, options: RestOptions): Promise<Answer> {
  const fields = await fieldsOf(request);
  if (fields === undefined) return detail(415, 'Send username and password as a form or as JSON');
  const { username, password } = fields;
  for (const [name, value] of Object.entries({ username, password })) {
    if (typeof value !== 'string' || value === '') return missing(name);
  }
  if (password === WRONG_PASSWORD) return notAuthenticated('Incorrect username or password');
  return await grant(username as string, options);
}

async function refresh(request: IncomingMessage, options: RestOptions): Promise<Answer> {
  const member = (await fieldsOf(request))?.refresh_token;
  const token = typeof member === 'string' ? member : bearerOf(request);
  if (token === undefined) return missing('refresh_token');
  const claims = await options.issuer.checkRefreshToken(token);
  if (claims === undefined) return notAuthenticated('Could not validate refresh token');
  return await grant(claims.subject, options);
}

async function grant(subject: string, { issuer, tokenLifeMs }: RestOptions): Promise<Answer> {
  return {
    status: 200,
    body: {
      access_token: await issuer.accessToken(subject, tokenLifeMs),
      refresh_token: await issuer.refreshToken(subject),
      token_type: 'bearer',
      expires_in: Math.round(tokenLifeMs / 1000),
    },
  };
}

/** The token of a request: `?token=` as the document says, else `Authorization: Bearer`. */
export function tokenOf(request: IncomingMessage): string | undefined {
  const { query } = splitTarget(request.url ?? '');
  return new URLSearchParams(query).getAll('token').at(-1) ?? bearerOf(request);
}

/** Takes a request target apart without changing it. */
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

/** The members of a body that is a form or JSON (as it is when nothing is said); `undefined` for other types. */
async function fieldsOf(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  const text = await readBody(request);
  if (type === 'application/x-www-form-urlencoded') return Object.fromEntries(new URLSearchParams(text));
  return type === 'application/json' || type === '' ? parseObject(text) : undefined;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LARGEST_BODY_BYTES) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
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
