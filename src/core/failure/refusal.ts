import { readClaims } from '../claims.js';
import type { Failure, FailureKind, RefusalCause } from './failure.js';

/** The REST API's answer to a question about the token. */
export interface ApiAnswer {
  /** HTTP status of `GET /api/v1/auth/me`; `undefined` when there was no answer. */
  status: number | undefined;
  /** There is no API below the base URL. */
  isMissing: boolean;
}

/** The evidence besides the refusal itself. */
export interface RefusalEvidence {
  /** The token that was sent, if any. */
  token: string | undefined;
  /** Wall clock, milliseconds since 1970. */
  nowMs: number;
  /** Absent when the API was not asked. */
  api?: ApiAnswer | undefined;
}

/** Says whether the REST API has to be asked: a bare 403 and a close with 1008 may be about the token or not. */
export function isAmbiguous({ kind }: Failure): boolean {
  return kind === 'forbidden' || kind === 'policy violated';
}

/** Reads the subject of a refusal from the API's answer. */
export function refusalCause({ status, isMissing }: ApiAnswer): RefusalCause {
  if (isMissing) return 'no API';
  if (status === 401 || status === 403) return 'token';
  return status !== undefined && status >= 200 && status < 300 ? 'not the token' : 'unknown';
}

/** Decides what a refusal is about: the one place where client and doctor weigh the evidence. */
export function classifyRefusal(refusal: Failure, evidence: RefusalEvidence): Failure {
  const cause = evidence.api && refusalCause(evidence.api);
  const kind = kindOf(refusal.kind, cause, evidence);
  if (!isAmbiguous(refusal) || cause === undefined) return { ...refusal, kind };
  const { event } = refusal;
  if (event.state === 'closed') return { ...refusal, kind, cause };
  const error = causeText(cause, event.state, evidence.token !== undefined);
  return { ...refusal, kind, cause, event: { ...event, error } };
}

function kindOf(kind: FailureKind, cause: RefusalCause | undefined, evidence: RefusalEvidence): FailureKind {
  switch (kind) {
    case 'wrong path':
      return cause === 'no API' ? 'no API' : kind;
    case 'token refused':
      return tokenKind(evidence) ?? kind;
    case 'forbidden':
      if (cause === 'not the token') return 'wrong path';
      if (cause === 'no API') return 'no API';
      return tokenKind(evidence) ?? (cause === 'token' ? 'token refused' : kind);
    case 'policy violated':
      // A server without the REST API may refuse a token with 1008 all the same.
      if (cause === 'not the token') return 'closed for policy';
      return tokenKind(evidence) ?? (cause === 'token' ? 'token refused' : kind);
    default:
      return kind;
  }
}

/** Reads from the token itself why it would be refused. */
function tokenKind({ token, nowMs }: RefusalEvidence): FailureKind | undefined {
  if (token === undefined) return 'no token';
  const { expiresAtMs } = readClaims(token);
  return expiresAtMs !== undefined && expiresAtMs <= nowMs ? 'token expired' : undefined;
}

/** Says for people what the API said about a refusal. */
export function causeText(cause: RefusalCause, state: Failure['event']['state'], hasToken: boolean): string {
  switch (cause) {
    case 'token':
      return hasToken
        ? 'the API says that the token is not valid'
        : 'no token was sent, and the API wants one';
    case 'not the token':
      return hasToken
        ? 'the API accepts the token, so the token is not why'
        : 'the API wants no token, so a missing token is not why';
    case 'no API':
      return 'there is no OPMAS API below this URL';
    case 'unknown':
      return state === 'refused'
        ? 'the token may be wrong, or the path may not exist: the API did not say which'
        : 'the API did not say whether the token is why';
  }
}
