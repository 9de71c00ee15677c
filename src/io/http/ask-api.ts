import type { Redact } from '../../core/address.js';
import { type ApiAnswers, apiWordOf, type HttpAnswer, isApiError } from '../../core/failure/answer.js';
import { monotonicMs } from '../clock.js';
import { type HttpRequest, textOf } from './http-request.js';
import type { RouteRequest, ServerRoute } from './server-route.js';

/** The answers of {@link askApi}. */
export interface AskedApi extends ApiAnswers {
  redact: Redact;
  /** The reason why there was no answer. */
  error: unknown;
}

const TIMEOUT_MS = 5000;
/** A user is smaller than that. */
const MAX_BODY_BYTES = 16 * 1024;

/**
 * Asks the REST API about a token: `GET /api/v1/auth/me`, and `GET /health` where the first answer leaves open who
 * gave it, because every version of the server has it and it needs no token. This never throws. Where a header of the
 * user takes the place of the token, the API cannot be asked about it.
 *
 * @param token `undefined` asks without one. @param limits `timeoutMs`: of all requests together, default 5 s.
 */
export async function askApi(
  route: ServerRoute,
  token: string | undefined,
  { timeoutMs = TIMEOUT_MS, signal }: Pick<HttpRequest, 'timeoutMs' | 'signal'> = {},
): Promise<AskedApi> {
  const deadline = monotonicMs() + timeoutMs;
  const { hasCertificate } = route.trust;
  const asked: AskedApi = { error: undefined, hasCertificate, redact: (text) => route.redact(text, token) };
  try {
    if (token === undefined || route.authorization !== 'user') {
      asked.me = await get(route, '/api/v1/auth/me', { timeoutMs, signal, token });
      if (isPlain(asked)) return asked;
    }
    const leftMs = Math.max(1, Math.round(deadline - monotonicMs()));
    asked.health = await get(route, '/health', { timeoutMs: leftMs, signal });
  } catch (error) {
    asked.error = error;
  }
  return asked;
}

/** Returns whether an OPMAS API answers below a base URL. Sends no token. Never throws. */
export async function hasApiBelow(route: ServerRoute, limits: HttpRequest): Promise<boolean> {
  const me = await get(route, '/api/v1/auth/me', limits).catch(() => undefined);
  return ['accepts', 'rejects'].includes(apiWordOf({ me }));
}

/** Returns whether the first answer says all: the API names the user, or refuses the token with 401. */
function isPlain({ me }: ApiAnswers): boolean {
  const word = apiWordOf({ me });
  return (
    word === 'accepts' || word === 'fails' || (word === 'rejects' && me?.status === 401 && isApiError(me))
  );
}

async function get(route: ServerRoute, path: string, request: RouteRequest): Promise<HttpAnswer> {
  const { status, headers, body } = await route.request(path, { ...request, maxBodyBytes: MAX_BODY_BYTES });
  return { status, headers, text: textOf(body, headers) };
}
