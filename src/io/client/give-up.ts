import { readClaims } from '../../core/claims.js';
import { closeMeaning } from '../../core/close-code.js';
import { OpmasError } from '../../core/errors.js';
import { relativeTime } from '../../core/relative-time.js';
import type { ConnectionEnd } from '../../core/retry.js';
import type { Culprit } from '../http/triage.js';
import type { TokenProvider } from '../token/token.js';
import { nextStep } from './next-step.js';

/** What was given up. */
export interface GivenUp {
  /** The endpoint's URL as it may be shown. */
  url: string;
  /** The token of the last attempt; `undefined` when none was sent. Read for its expiry, never shown. */
  token: string | undefined;
  provider: TokenProvider;
  /** What the API said about a refusal that did not explain itself; `undefined` when it was not asked. */
  culprit?: Culprit | undefined;
  /** Whether a CA was named. */
  hasCa: boolean;
  /** Wall clock, milliseconds since 1970. */
  now: number;
}

/** The error that says why an endpoint was given up, and what to do next. */
export function giveUpError(end: ConnectionEnd, why: 'refused' | 'failed', given: GivenUp): OpmasError {
  const what = describeEnd(end, given);
  if (why === 'refused') return refusedToken(what, given);
  return new OpmasError('NETWORK', `gave up on ${given.url}: ${what}`, {
    hint: nextStep(end, given),
  });
}

const REMEDY = 'log in with `opmas-ws auth login`, or give a fresh token with --token-file or OPMAS_TOKEN';

function refusedToken(what: string, { url, token, provider, now, culprit }: GivenUp): OpmasError {
  const remedy = provider.remedy ?? REMEDY;
  const step = culprit === 'unknown' ? `if it is the token, ${remedy}` : remedy;
  const hint = `${capitalized(step)}; \`opmas-ws doctor\` says more.`;
  const isKnown = culprit === undefined || culprit === 'token';
  if (token === undefined) {
    return new OpmasError('AUTH', `${url} ${isKnown ? 'wants' : 'may want'} a token: ${what}`, { hint });
  }
  const from = `the token from ${provider.source}`;
  const parts = [isKnown ? `${url} refuses ${from}: ${what}` : `${url} may refuse ${from}: ${what}`];
  const { expiresAtMs } = readClaims(token);
  if (expiresAtMs !== undefined && expiresAtMs < now)
    parts.push(`it expired ${relativeTime(expiresAtMs, now)}`);
  if (provider.problem !== undefined) parts.push(`not renewed: ${provider.problem}`);
  return new OpmasError('AUTH', parts.join('; '), { hint });
}

/** What a bare 403 was about, once the API was asked; for people. */
export function forbiddenDetail(culprit: Culprit, hasToken: boolean): string {
  switch (culprit) {
    case 'token':
      return hasToken
        ? 'the API says that the token is not valid'
        : 'no token was sent, and the API wants one';
    case 'not the token':
      return hasToken
        ? 'the token is good, so the path or the server is at fault'
        : 'the API wants no token, so the path or the server is at fault';
    case 'no API':
      return 'there is no OPMAS API below this URL';
    case 'unknown':
      return 'the token may be refused, or the path may not exist: the API did not say which';
  }
}

/** What a close with 1008 was about, once the API was asked. */
const policyDetails: Readonly<Record<Culprit, string>> = {
  token: 'the API says that the token is not valid',
  'not the token': 'the API takes the token, so that is not why',
  'no API': 'there is no OPMAS API below this URL',
  unknown: 'about the token or about something else: the API did not say which',
};

function describeEnd(end: ConnectionEnd, { culprit, token }: GivenUp): string {
  if (end.kind === 'failed') return end.error;
  if (end.kind === 'closed') {
    const reason = end.reason === '' ? '' : `: ${end.reason}`;
    const said = `closed with ${end.code} (${closeMeaning(end.code)})${reason}`;
    return culprit === undefined || token === undefined ? said : `${said}; ${policyDetails[culprit]}`;
  }
  return `HTTP ${end.status}${end.detail === undefined ? '' : ` (${end.detail})`}`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
