import { readClaims } from '../core/claims.js';
import { OpmasError } from '../core/errors.js';
import { closeMeaning } from '../core/protocol.js';
import { relativeTime } from '../core/relative-time.js';
import type { ConnectionEnd, Consequence } from '../core/retry.js';
import type { TokenProvider } from './token.js';

/** What was given up. */
export interface GivenUp {
  /** The endpoint's URL as it may be shown. */
  url: string;
  /** The token of the last attempt; `undefined` when none was sent. Read for its expiry, never shown. */
  token: string | undefined;
  provider: TokenProvider;
  /** Wall clock, milliseconds since 1970. */
  now: number;
}

/** The error that says why an endpoint was given up, and what to do next. */
export function giveUpError(
  end: ConnectionEnd,
  consequence: Consequence,
  why: 'refused' | 'failed',
  given: GivenUp,
): OpmasError {
  const what = describeEnd(end);
  if (why === 'refused') return refusedToken(what, given);
  return new OpmasError('NETWORK', `gave up on ${given.url}: ${what}`, { hint: hintOf(end, consequence) });
}

function refusedToken(what: string, { url, token, provider, now }: GivenUp): OpmasError {
  const hint =
    'Log in with `opmas-ws auth login`, or give a fresh token with --token-file or OPMAS_TOKEN; `opmas-ws doctor` says more.';
  if (token === undefined) return new OpmasError('AUTH', `${url} wants a token: ${what}`, { hint });
  const { expiresAt } = readClaims(token);
  const parts = [`${url} refuses the token from ${provider.source}: ${what}`];
  if (expiresAt !== undefined && expiresAt < now) parts.push(`it expired ${relativeTime(expiresAt, now)}`);
  if (provider.problem !== undefined) parts.push(`not renewed: ${provider.problem}`);
  return new OpmasError('AUTH', parts.join('; '), { hint });
}

/** What a bare 403 was about, once the API was asked; for people. */
export const forbiddenDetails = {
  token: 'the API says that the token is not valid',
  path: 'the token is good, so the path or the server is at fault',
  unknown: 'the token may be refused, or the path may not exist',
};

function describeEnd(end: ConnectionEnd): string {
  if (end.kind === 'failed') return end.error;
  if (end.kind === 'closed') {
    const reason = end.reason === '' ? '' : `: ${end.reason}`;
    return `closed with ${end.code} (${closeMeaning(end.code)})${reason}`;
  }
  return `HTTP ${end.status}${end.detail === undefined ? '' : ` (${end.detail})`}`;
}

function hintOf(end: ConnectionEnd, consequence: Consequence): string {
  if (end.kind === 'failed' && end.failure === 'certificate') {
    return 'Give the CA with --ca FILE if it is your own; `opmas-ws doctor` says more.';
  }
  if (end.kind === 'closed' && end.code === 1009)
    return 'Raise --max-message if such messages are to be taken.';
  if (consequence === 'stop')
    return 'Check the URL (wrong port, ws:// for wss://, wrong path?); `opmas-ws doctor` says more.';
  return 'Is the server running? `opmas-ws doctor` says more; --retries forever keeps trying.';
}
