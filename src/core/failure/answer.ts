import { displayUrl, type Redact } from '../address.js';
import { isObject, parseObject } from '../json/json-tokens.js';
import { escapeUnsafe, relativeTime } from '../text.js';
import type { FailureKind } from './table.js';

/** An HTTP answer to a request of ours. */
export interface HttpAnswer {
  status: number;
  /** By lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The beginning of the body. Absent when it was not read. */
  text?: string | undefined;
}

/** The longest quotation of a body, in characters. */
const LONGEST_QUOTE = 200;
/** A text with more characters that cannot be read is not quoted. */
const MOST_UNREADABLE = 4;
/** A header of that length is read; the rest says nothing more. */
const LONGEST_HEADER = 500;
/** Members in which servers say why they refuse. */
const REASON_MEMBERS = ['detail', 'message', 'error_description', 'error', 'reason', 'title'];

/** Returns the first value of a header. @param name In lower case. */
export function headerOf({ headers }: Pick<HttpAnswer, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value)?.slice(0, LONGEST_HEADER);
}

/** Returns the target of a redirect, without user, query and fragment; `undefined` when it cannot be read. */
export function redirectTarget(answer: HttpAnswer, from: URL): URL | undefined {
  const location = headerOf(answer, 'location');
  if (location === undefined || !URL.canParse(location, from.href)) return undefined;
  const shown = displayUrl(new URL(location, from));
  return URL.canParse(shown) ? new URL(shown) : undefined;
}

/** The header has whole seconds, and the answer was on its way for some. */
const CLOCK_NOISE_MS = 5000;
/** A clock that is further off spoils tokens, certificates and the times of recordings. */
const CLOCK_OFF_MS = 60_000;

/**
 * Measures how far this machine's clock is ahead of the server's by the `Date` of an answer, in milliseconds.
 *
 * @param nowMs Wall clock. @returns 0 for up to 5 s; `undefined` without a date.
 */
export function clockAheadOf(
  answer: Pick<HttpAnswer, 'headers'> | undefined,
  nowMs: number,
): number | undefined {
  const aheadMs = nowMs - Date.parse((answer && headerOf(answer, 'date')) ?? '');
  if (Number.isNaN(aheadMs)) return undefined;
  return Math.abs(aheadMs) > CLOCK_NOISE_MS ? aheadMs : 0;
}

/** Says for people how wrong this machine's clock is; `undefined` for up to a minute. */
export function clockText(aheadMs = 0): string | undefined {
  if (Math.abs(aheadMs) <= CLOCK_OFF_MS) return undefined;
  // An answer that was on its way makes 2 days of 1 day, 23 hours, 59 minutes and 58 seconds.
  const amount = relativeTime(Math.abs(aheadMs) + CLOCK_NOISE_MS, 0).replace(/^in /, '');
  return `this machine's clock is ${amount} ${aheadMs > 0 ? 'ahead of' : 'behind'} the server's`;
}

/** Returns the body as an object, if it is JSON by content type and content. */
export function jsonOf(answer: HttpAnswer): Record<string, unknown> | undefined {
  if (!/^application\/([\w.-]+\+)?json\b/i.test(headerOf(answer, 'content-type') ?? '')) return undefined;
  return parseObject(answer.text ?? '');
}

/** Returns whether an answer has the form that FastAPI gives to all its errors: JSON with a `detail`. */
export function isApiError(answer: HttpAnswer): boolean {
  return jsonOf(answer)?.detail !== undefined;
}

/**
 * Returns whether an answer is to a request that has lost its `Upgrade` header: FastAPI answers it as a plain request to
 * a path that it does not know, other servers say what is missing.
 */
export function isUpgradeLost(answer: HttpAnswer | undefined): boolean {
  if (answer === undefined) return false;
  const { status, text = '' } = answer;
  if (status === 404) return isApiError(answer);
  return status === 426 || (status === 400 && /\bupgrade\b/i.test(text));
}

/** Returns whether the body is a web page. */
export function isPage(answer: HttpAnswer): boolean {
  return (
    /html/i.test(headerOf(answer, 'content-type') ?? '') || /^\s*<(!doctype|html)/i.test(answer.text ?? '')
  );
}

/** Returns the schemes of `WWW-Authenticate`: `Bearer`, `Basic`. */
function challengesOf(answer: HttpAnswer): string[] {
  const header = [answer.headers['www-authenticate'] ?? []].flat().join(', ').slice(0, LONGEST_HEADER);
  const schemes = header.replace(/"[^"]*"?/g, '').matchAll(/(?:^|,)\s*([a-z][\w-]*)(?=[\s,]|$)/gi);
  return Array.from(schemes, ([, scheme]) => scheme!);
}

/** Returns the credentials that an answer asks for in place of a token: `Basic`, `Negotiate or NTLM`. */
export function otherChallengeOf(answer: HttpAnswer): string | undefined {
  const schemes = challengesOf(answer);
  if (answer.status !== 401 || schemes.length === 0 || schemes.some(isBearer)) return undefined;
  return [...new Set(schemes)].join(' or ');
}

const isBearer = (scheme: string) => scheme.toLowerCase() === 'bearer';

/** Texts of nginx, Apache and others about a client certificate that is missing or not accepted. */
const ABOUT_CERTIFICATE =
  /no required ssl certificate|ssl certificate error|client certificate|post-handshake authentication/i;

/** Returns whether an answer is about our client certificate: there is none, or it is not accepted. */
export function isAboutCertificate({ status, text = '' }: HttpAnswer): boolean {
  // 495 and 496 are nginx's own codes for that.
  if (status === 495 || status === 496) return true;
  return (status === 400 || status === 401 || status === 403) && ABOUT_CERTIFICATE.test(text);
}

/** Returns whether an answer says that the port wants TLS, in the words of nginx, Go and Apache. */
export function isAboutTls({ status, text = '' }: HttpAnswer): boolean {
  return status === 400 && /\bto (an )?HTTPS (port|server)\b|SSL-enabled server port/.test(text);
}

/**
 * Tells who wrote a refusal (401, 403), as far as its form shows: the API, something that stands before it, or
 * `undefined` for an answer without a body, which both give.
 */
export function authorOf(answer: HttpAnswer): 'API' | 'gateway' | undefined {
  if (otherChallengeOf(answer) !== undefined) return 'gateway';
  if (challengesOf(answer).some(isBearer) || isApiError(answer)) return 'API';
  if ((answer.text ?? '').trim() === '') return undefined;
  return answer.status === 401 && jsonOf(answer) !== undefined ? 'API' : 'gateway';
}

/** The failures that something before the API causes. */
export type GatewayFailure = Extract<FailureKind, `gateway ${string}` | `client certificate ${string}`>;

/** Says what something before the API does, or before another place. */
export function gatewayText(kind: GatewayFailure, answer: HttpAnswer, place = 'the API'): string {
  const deeds: Record<GatewayFailure, string> = {
    'client certificate refused': 'does not accept the client certificate',
    'client certificate wanted': 'wants a client certificate',
    'gateway refuses this machine': 'refuses this machine',
    'gateway wants credentials': `wants ${otherChallengeOf(answer)} credentials`,
  };
  return `a gateway in front of ${place} ${deeds[kind]}`;
}

/** Names the failure that a REST answer of something before the API shows; `undefined` if it may be the API's. */
export function gatewayFailureOf(answer: HttpAnswer, hasCertificate = false): GatewayFailure | undefined {
  const { status } = answer;
  if (isAboutCertificate(answer)) {
    return hasCertificate ? 'client certificate refused' : 'client certificate wanted';
  }
  if (otherChallengeOf(answer) !== undefined) return 'gateway wants credentials';
  // FastAPI writes no 403 of its REST API without a body.
  const isByApi = status === 403 ? authorOf(answer) === 'API' : authorOf(answer) !== 'gateway';
  const isRefusal = status === 451 || ((status === 401 || status === 403) && !isByApi);
  return isRefusal ? 'gateway refuses this machine' : undefined;
}

/**
 * Quotes what an answer says to people: up to 200 characters, on one line, safe to print, without tags.
 */
export function quoteOf(answer: HttpAnswer, redact: Redact): string | undefined {
  const json = jsonOf(answer);
  const members = REASON_MEMBERS.map((name) => json?.[name]);
  const reason = members.find((value): value is string => typeof value === 'string' && value !== '');
  const text = reason ?? (isPage(answer) ? withoutTags(answer.text ?? '') : (answer.text ?? ''));
  const line = redact(text).replace(/\s+/g, ' ').trim();
  // Compressed or binary data tells people nothing.
  const isText =
    !line.includes('\0') && line.split('\ufffd', MOST_UNREADABLE + 2).length <= MOST_UNREADABLE + 1;
  return line === '' || !isText ? undefined : `"${escapeUnsafe(line).slice(0, LONGEST_QUOTE)}"`;
}

function withoutTags(html: string): string {
  // Most pages of servers repeat their title as a heading.
  const once = html.replace(/<title>([^<]+)<\/title>(?=[\s\S]*\1)/i, ' ');
  return once.replace(/<(script|style)\b[\s\S]*?(<\/\1\s*>|$)/gi, ' ').replace(/<[^>]*(>|$)/g, ' ');
}

/** The answers of the REST API to a question about a token. */
export interface ApiAnswers {
  /** To `GET /api/v1/auth/me` with the token; absent when none came. */
  me?: HttpAnswer | undefined;
  /** To `GET /health`, which needs no token; absent when it was not asked, or none came. */
  health?: HttpAnswer | undefined;
  /** A client certificate was shown. */
  hasCertificate?: boolean | undefined;
}

/** The word of the REST API about a token. */
export type ApiWord =
  /** It names the user. */
  | 'accepts'
  /** The API itself refuses it, or wants one. */
  | 'rejects'
  /** Something before the API refuses the request, whatever the token. */
  | GatewayFailure
  /** The server that answers says itself that it has no such API. */
  | 'absent'
  /** It is failing, or had too many requests. */
  | 'fails'
  /** There is no answer, or one that says nothing about the token. */
  | 'unclear';

/** Members that tell a user from other JSON, such as `{"status":"ok"}`. */
const USER_MEMBERS = ['username', 'email', 'user_id', 'sub', 'login'];

/** Reads the API's word. A status alone is not its word: something before it may have answered. */
export function apiWordOf({ me, health, hasCertificate }: ApiAnswers): ApiWord {
  if (me === undefined) return 'unclear';
  const { status } = me;
  const gateway = gatewayFailureOf(me, hasCertificate);
  if (gateway !== undefined) return gateway;
  if (status === 401) return 'rejects';
  if (status === 403) {
    // A path that needs no token is refused in the same words, so the token is not the cause.
    const isForAll = health?.status === 403 && health.text === me.text;
    return isForAll ? 'gateway refuses this machine' : 'rejects';
  }
  if (status === 408 || status === 429 || status >= 500) return 'fails';
  if (status === 404 && isApiError(me)) {
    return health?.status === 404 && isApiError(health) ? 'absent' : 'unclear';
  }
  return status >= 200 && status < 300 && isUser(jsonOf(me)) ? 'accepts' : 'unclear';
}

/** Returns whether an API is below the base URL, as far as its answers show. */
export function hasApi(answers: ApiAnswers): boolean {
  const word = apiWordOf(answers);
  if (word === 'accepts' || word === 'rejects') return true;
  const { health } = answers;
  return health?.status === 200 && jsonOf(health) !== undefined;
}

function isUser(value: unknown): boolean {
  if (!isObject(value)) return false;
  return (
    USER_MEMBERS.some((name) => typeof value[name] === 'string' && value[name] !== '') || isUser(value.user)
  );
}
