import { readClaims } from '../claims.js';
import { CloseCode, mayReject } from '../close-code.js';
import { endpointAtPath, endpointPath } from '../protocol.js';
import {
  type ApiAnswers,
  type ApiWord,
  apiWordOf,
  authorOf,
  clockAheadOf,
  gatewayFailureOf,
  gatewayText,
  type HttpAnswer,
  hasApi,
  isAboutCertificate,
  isAboutTls,
  isPage,
  isUpgradeLost,
  otherChallengeOf,
  quoteOf,
} from './answer.js';
import type { Failure, RefusalEvidence } from './failure.js';
import type { Advice } from './rule.js';
import { type FailureKind, SHOW_ANSWER } from './table.js';

/** A token that becomes valid within this time is waited for. */
const LONGEST_WAIT_MS = 60_000;
/** Times in tokens and in `Date` are whole seconds. */
const CLOCK_ROUNDING_MS = 1000;

/** Returns whether a failure is a refusal: a server, or something before it, said no. */
export function isRefusal({ answer, event }: Failure): boolean {
  return answer !== undefined || (event.state === 'closed' && mayReject(event.code));
}

/** Returns whether the REST API has to be asked, because a refusal does not say what it is about. */
export function isAmbiguous(failure: Failure): boolean {
  const status = failure.answer?.status;
  if (status === undefined) return isRefusal(failure);
  return status < 300 || (status >= 400 && status < 500 && ![407, 408, 429].includes(status));
}

/** Decides what a refusal is about, by all evidence: the one place for `tail`, `record` and `doctor`. */
export function triage(refusal: Failure, given: RefusalEvidence): Failure {
  if (!isRefusal(refusal)) return refusal;
  const { event, answer } = refusal;
  const { api, nowMs } = given;
  const clockAheadMs = clockAheadOf(answer, nowMs) ?? clockAheadOf(api?.me, nowMs) ?? given.clockAheadMs;
  const evidence = { ...given, clockAheadMs };
  const found =
    event.state === 'closed' ? kindOfClose(event.code, evidence) : kindOfAnswer(refusal, evidence);
  const kind = found === 'no API there' && given.wasOpenBeside?.() ? 'endpoint does not exist' : found;
  const reasons = [noteOf(kind, refusal, evidence)];
  if (answer !== undefined) reasons.push(quoteOf(answer, evidence.redact));
  const told = reasons.filter((reason) => reason !== undefined).join(': ');
  const isProven = ['accepts', 'rejects'].includes(wordIn(evidence));
  const result = { ...refusal, kind, isProven, clockAheadMs, ...adviceOf(kind, refusal, evidence) };
  if (told === '') return result;
  if (event.state === 'closed') return { ...result, note: told };
  return {
    ...result,
    event: { ...event, error: event.error === undefined ? told : `${event.error}; ${told}` },
  };
}

function kindOfClose(code: number, evidence: RefusalEvidence): FailureKind {
  const word = wordIn(evidence);
  // A private close code is about the token only if the API says so.
  const isOfOpmas = code === CloseCode.POLICY_VIOLATION || code === CloseCode.AUTHENTICATION_FAILED;
  if (!isOfOpmas) return word === 'rejects' ? faultOfToken(evidence) : 'closed';
  if (word !== 'accepts' && evidence.token === undefined) return 'no token';
  const own = ownFaultOf(evidence);
  if (own !== undefined) return own;
  if (word === 'accepts')
    return code === CloseCode.POLICY_VIOLATION ? 'closed for policy' : 'endpoint refuses';
  return word === 'rejects' || code === CloseCode.AUTHENTICATION_FAILED ? 'token refused' : 'unknown';
}

function kindOfAnswer({ kind, answer }: Failure, evidence: RefusalEvidence): FailureKind {
  const { status } = answer!;
  if (isAboutCertificate(answer!)) return gatewayFailureOf(answer!, evidence.hasCertificate)!;
  // Over TLS, a server behind a gateway says it.
  if (!evidence.isSecure && isAboutTls(answer!)) return 'TLS wanted';
  if ([401, 403, 451].includes(status)) return kindOfDenial(answer!, evidence);
  const { api } = evidence;
  const word = wordIn(evidence);
  const isElsewhere = api?.me !== undefined && (word === 'absent' || word === 'unclear') && !hasApi(api);
  if (isElsewhere && (status === 404 || status === 410 || status < 300)) return 'no API there';
  const isObjection = kind === 'not a WebSocket' && status >= 400 && !isUpgradeLost(answer);
  // The API is there, so that is no other service.
  if (isObjection && word === 'accepts') return kindOfDenial(answer!, evidence);
  if (isObjection && word === 'rejects') return faultOfToken(evidence);
  return kind;
}

/** Names the fault of a token that the API rejects. */
function faultOfToken(evidence: RefusalEvidence): FailureKind {
  return ownFaultOf(evidence) ?? (evidence.token === undefined ? 'no token' : 'token refused');
}

/** Decides about 401, 403 and 451. */
function kindOfDenial(answer: HttpAnswer, evidence: RefusalEvidence): FailureKind {
  const author = authorOf(answer);
  const word = wordIn(evidence);
  const own = ownFaultOf(evidence);
  if (own !== undefined) return own;
  if (otherChallengeOf(answer) !== undefined) return 'gateway wants credentials';
  if (answer.status === 451) return 'gateway refuses this machine';
  if (word === 'accepts') {
    if (author === 'gateway' && isPage(answer)) return 'gateway refuses this machine';
    // A server without such a path answers an upgrade with a bare 403.
    const isKnownPath = endpointAtPath(evidence.endpoint) !== undefined || !evidence.endpoint.startsWith('/');
    return author === undefined && !isKnownPath ? 'endpoint does not exist' : 'endpoint refuses';
  }
  if (author === 'gateway') return 'gateway refuses this machine';
  if (word === 'rejects') return faultOfToken(evidence);
  if (word === 'gateway refuses this machine') return isSameRefusal(answer, evidence) ? word : 'unknown';
  if (word === 'absent' && author === undefined) return 'no API there';
  if (answer.status === 401 && word !== 'gateway wants credentials') {
    return evidence.token === undefined ? 'no token' : 'token refused';
  }
  return 'unknown';
}

/** Returns whether the stream and the REST API are refused by the same bare answer, which FastAPI gives to REST never. */
function isSameRefusal({ status, text = '' }: HttpAnswer, { api }: RefusalEvidence): boolean {
  return api?.me?.status === status && text.trim() === (api.me.text ?? '').trim();
}

function wordIn({ api }: RefusalEvidence): ApiWord {
  return api === undefined ? 'unclear' : apiWordOf(api);
}

/** The fault that a token's own times show. */
function ownFaultOf(evidence: RefusalEvidence): FailureKind | undefined {
  const { token = '', nowMs, clockAheadMs } = evidence;
  const { expiresAtMs = nowMs + 1, notBeforeMs = 0 } = readClaims(token, clockAheadMs);
  if (expiresAtMs <= nowMs) return 'token expired';
  return notBeforeMs > nowMs && wordIn(evidence) !== 'accepts' ? 'token not valid yet' : undefined;
}

/** Says for people what proves the outcome, or why nothing does. */
function noteOf(kind: FailureKind, refusal: Failure, evidence: RefusalEvidence): string | undefined {
  const { token, api } = evidence;
  const { event } = refusal;
  const word = wordIn(evidence);
  switch (kind) {
    case 'token refused':
      // A close with 4001 says it itself.
      return word === 'rejects' && (event.state === 'refused' || event.code === CloseCode.POLICY_VIOLATION)
        ? 'the API says that the token is not valid'
        : undefined;
    case 'no token':
      return 'no token was sent, and the API wants one';
    case 'gateway wants credentials':
    case 'gateway refuses this machine':
      return gatewayText(kind, refusal.answer!);
    case 'endpoint refuses':
    case 'closed for policy':
      return acceptedText(token);
    case 'not a WebSocket':
      return isUpgradeLost(refusal.answer) ? UPGRADE_LOST : undefined;
    case 'endpoint does not exist':
      if (isUpgradeLost(refusal.answer)) return UPGRADE_LOST;
      return word === 'accepts' ? acceptedText(token) : undefined;
    case 'no API there':
      return 'there is no OPMAS API below this URL';
    case 'unknown':
      return unknownText(refusal, word, api);
    default:
      return undefined;
  }
}

function acceptedText(token: string | undefined): string {
  return token === undefined
    ? 'the API wants no token, so a missing token is not the cause'
    : 'the API accepts the token, so the token is not the cause';
}

function unknownText({ event }: Failure, word: ApiWord, api: ApiAnswers | undefined): string {
  if (word === 'gateway wants credentials')
    return `the token may be wrong, or something else: the API does not say which, because ${gatewayText(word, api!.me!)}`;
  return event.state === 'refused'
    ? 'the token may be wrong, or the path may not exist: the API does not say which'
    : 'the API does not say whether the token is the cause';
}

const UPGRADE_LOST = 'the Upgrade header was lost on the way, or the server has no WebSocket support';

/** Says why a gateway rejects the header `Authorization` as it is. */
export function adviceOnCredentials(authorization: RefusalEvidence['authorization']): Advice {
  if (authorization === 'user') {
    return { hint: 'a gateway in front of the API rejects the Authorization header that was sent: check it' };
  }
  if (authorization === undefined) return {};
  return {
    hint: "a gateway in front of the API wants credentials of its own in the Authorization header, where the token stands: use `tokenIn: 'query'`, and `headers.Authorization` for the gateway",
    next: { name: 'doctor', change: { header: ['Authorization: @FILE'], tokenIn: 'query' } },
  };
}

/** Finds the next step where more is known than the table says. */
function adviceOf(kind: FailureKind, refusal: Failure, evidence: RefusalEvidence): Partial<Failure> {
  const { endpoint, opensWithoutToken, token = '', nowMs, clockAheadMs } = evidence;
  if (kind === 'token not valid yet') {
    const waitMs = readClaims(token, clockAheadMs).notBeforeMs! - nowMs + CLOCK_ROUNDING_MS;
    return waitMs > LONGEST_WAIT_MS ? {} : { retryAfterMs: waitMs };
  }
  if (kind === 'gateway wants credentials') return adviceOnCredentials(evidence.authorization);
  if (kind === 'gateway refuses this machine' && wordIn(evidence) === 'accepts') {
    const path = endpointPath(endpoint);
    return {
      hint: `a gateway in front of the API refuses ${path}, though it passes on the rest of the API: its administrator has to allow that path`,
    };
  }
  if (kind === 'endpoint refuses' && opensWithoutToken) {
    return {
      hint: 'the endpoint opens without a token, and refuses the connection with one, though the API accepts the token: use `noToken()`',
      next: { name: 'tail', change: { endpoints: [endpoint], noToken: true, tokenFile: undefined } },
    };
  }
  const { event } = refusal;
  if (
    kind === 'closed for policy' &&
    event.state === 'closed' &&
    !/^$|message|many|rate|limit/i.test(event.reason)
  ) {
    return {
      hint: 'the server closed the connection with 1008 though its API accepts the token: act on the reason that it gives',
    };
  }
  if (kind === 'endpoint refuses' && event.state === 'closed') {
    const guess =
      evidence.authorization === 'token'
        ? "it may read the token only from the query: use `tokenIn: 'query'`"
        : 'it may want a first message, which is not part of the documented API';
    return {
      hint: `the server opens the connection and refuses it before any event, though its API accepts the token: ${guess}`,
    };
  }
  if ((kind === 'endpoint does not exist' || kind === 'not a WebSocket') && isUpgradeLost(refusal.answer)) {
    return {
      hint: `${UPGRADE_LOST}: a proxy in front has to pass on the headers Upgrade and Connection`,
      next: SHOW_ANSWER,
    };
  }
  return {};
}
