import { displayUrl } from '../../core/address.js';
import { readClaims } from '../../core/claims.js';
import {
  type ApiAnswers,
  type ApiWord,
  apiWordOf,
  clockText,
  gatewayFailureOf,
  gatewayText,
  hasApi,
  isPage,
  quoteOf,
} from '../../core/failure/answer.js';
import type { Failure } from '../../core/failure/failure.js';
import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd } from '../../core/failure/give-up.js';
import { adviceOnCredentials } from '../../core/failure/refusal.js';
import type { FailureKind } from '../../core/failure/table.js';
import type { Check } from '../../core/failure/verdict.js';
import { relativeTime } from '../../core/text.js';
import { type Clock, unlessStopped } from '../clock.js';
import { type AskedApi, hasApiBelow } from '../http/ask-api.js';
import { untrustedFirst } from '../http/issuer-trust.js';
import { type RouteOptions, ServerRoute } from '../http/server-route.js';

/** The result of a check, without its name and duration. */
export type Finding = Omit<Check, 'name' | 'durationMs'>;

export const STOPPED: Finding = { status: 'failed', detail: 'stopped' };

/** Runs checks: measures each, and ends it when the user stops the diagnosis. */
export class Checker {
  constructor(
    private readonly clock: Clock,
    private readonly signal: AbortSignal | undefined,
  ) {}

  get isStopped(): boolean {
    return this.signal?.aborted === true;
  }

  /** Runs a check whose errors are ours. */
  async check(name: Check['name'], work: () => Promise<Finding>): Promise<Check> {
    const startMs = this.clock.monotonicMs();
    const finding = await unlessStopped(work(), this.signal);
    return { name, ...(finding ?? STOPPED), durationMs: this.clock.monotonicMs() - startMs };
  }

  /** Runs a check that goes to the network, where any error is a finding. @param route The way of a TLS handshake. */
  checkNetwork(name: Check['name'], work: () => Promise<Finding>, route?: ServerRoute): Promise<Check> {
    return this.check(name, () =>
      work().catch(async (error: unknown): Promise<Finding> => {
        const found = failureOfError(error, { side: route?.trust });
        const { kind, event, hint, next } = route === undefined ? found : await untrustedFirst(found, route);
        return { status: 'failed', detail: describeEnd(event), failure: kind, hint, next };
      }),
    );
  }
}

/** Makes the entry of a check that could not be made. */
export function skipped(name: Check['name'], detail = 'not tried'): Check {
  return { name, status: 'skipped', detail, durationMs: 0 };
}

/** Says when a token is valid. @param clockAheadMs How far this machine's clock is ahead of the server's. */
export function lifeOf(
  token: string,
  nowMs: number,
  clockAheadMs: number | undefined,
): { isWrong: boolean; text: string } {
  const { expiresAtMs, notBeforeMs = nowMs } = readClaims(token, clockAheadMs);
  const isOver = expiresAtMs !== undefined && expiresAtMs <= nowMs;
  const parts = ['it does not say when it expires'];
  if (expiresAtMs !== undefined)
    parts[0] = `${isOver ? 'expired' : 'expires'} ${relativeTime(expiresAtMs, nowMs)}`;
  if (notBeforeMs > nowMs)
    parts.push(`it becomes valid ${relativeTime(notBeforeMs, nowMs)} by the clock of this machine`);
  return { isWrong: isOver || notBeforeMs > nowMs, text: parts.join(', ') };
}

/**
 * Makes the check of the clock.
 *
 * @param aheadMs How far this machine's clock is ahead of the server's. @param life When the token is valid, by the server's.
 */
export function clockCheck(aheadMs: number, life: string | undefined): Check {
  const wrong = clockText(aheadMs);
  if (wrong === undefined)
    return { name: 'clock', status: 'ok', detail: "agrees with the server's", durationMs: 0 };
  const detail = life === undefined ? wrong : `${wrong}; by that one, the token ${life}`;
  return { name: 'clock', status: 'warning', detail, durationMs: 0 };
}

/** Paths below which gateways pass the API on: OPMAS's own container for the UI has `/api`. */
const USUAL_PREFIXES = ['', '/api', '/opmas', '/opmas/api'];
const PREFIX_LIMIT_MS = 2500;

/** Looks for the API below other paths of the same server, to which no token is sent. */
export async function tryPrefixes(
  base: URL,
  options: RouteOptions & { signal?: AbortSignal | undefined },
): Promise<Finding> {
  const own = base.pathname.replace(/\/$/, '');
  const paths = [...new Set([...USUAL_PREFIXES, `${own}/api`])].filter((path) => path !== own);
  const urls = paths.map((pathname) => Object.assign(new URL(base), { pathname }));
  const limits = { timeoutMs: PREFIX_LIMIT_MS, signal: options.signal };
  const answers = urls.map((url) => hasApiBelow(new ServerRoute(url, options), limits));
  const found = urls[(await Promise.all(answers)).indexOf(true)];
  if (found === undefined) {
    return {
      status: 'warning',
      detail: `looked for the API below ${urls.map(displayUrl).join(', ')}: none answers`,
    };
  }
  const url = displayUrl(found);
  return {
    status: 'failed',
    detail: `an OPMAS API answers below ${url}`,
    failure: 'no API there',
    hint: `there is no OPMAS API below {base}, but one answers below ${url}`,
    next: { name: 'doctor', change: { url } },
  };
}

/**
 * Finds what stands before the API, as its answer shows. Without a token, no endpoint is tried that would show it, and a
 * login would be refused, too.
 */
export function gatewayFinding({ me }: ApiAnswers, route: ServerRoute): Partial<Finding> {
  const failure = me && gatewayFailureOf(me, route.trust.hasCertificate);
  if (failure === undefined) return {};
  const advice = failure === 'gateway wants credentials' ? adviceOnCredentials(route.authorization) : {};
  return { status: 'failed', failure, ...advice };
}

/** Says what the answers show about the API. @param token The one that it was asked about. */
export function apiText(asked: AskedApi, token: string | undefined): string {
  const { me, error, redact } = asked;
  if (me === undefined) {
    return error === undefined
      ? 'not asked: a header of yours takes the place of the token in Authorization'
      : describeEnd(failureOfError(error).event);
  }
  const word = apiWordOf(asked);
  if (word === 'accepts') return token === undefined ? 'it wants no token' : 'it accepts the token';
  const quote = word === 'unclear' && isPage(me) ? undefined : quoteOf(me, redact);
  return `${textOf(word, asked, token)} (HTTP ${me.status}${quote === undefined ? '' : `: ${quote}`})`;
}

function textOf(word: Exclude<ApiWord, 'accepts'>, asked: AskedApi, token: string | undefined): string {
  if (word === 'rejects') return token === undefined ? 'it wants a token' : 'it rejects the token';
  if (word === 'absent') return 'there is none below this URL';
  if (word === 'fails') return 'it is failing';
  if (word !== 'unclear') return gatewayText(word, asked.me!, 'it');
  return hasApi(asked) ? 'it does not say whose the token is' : 'something else answers in its place';
}

/** Refusals that may be about the place of the token in the request. */
const PLACE_KINDS: readonly FailureKind[] = [
  'token refused',
  'unknown',
  'endpoint refuses',
  'endpoint does not exist',
  'gateway refuses this machine',
];
export const USE_HEADER: Partial<Finding> = {
  detail: '; opens with the token in the Authorization header',
  hint: "the server takes the token in the Authorization header, not in the query: use `tokenIn: 'header'`",
  next: { name: 'tail', change: { tokenIn: 'header' } },
};
export const USE_QUERY: Partial<Finding> = {
  hint: "the server refuses the token in the Authorization header; the API's document has it in the query, where access logs may show it: `tokenIn: 'query'`",
  next: { name: 'doctor', change: { tokenIn: 'query' } },
};

/** Returns whether a server may refuse the token only for its place in the request. */
export function mayBePlace({ kind, next }: Failure, api: ApiAnswers): boolean {
  const word = apiWordOf(api);
  const isTold = word === 'rejects' || word === 'gateway refuses this machine';
  return PLACE_KINDS.includes(kind) && next === undefined && !isTold;
}
