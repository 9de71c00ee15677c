import { displayUrl } from '../address.js';
import { readClaims } from '../claims.js';
import { closeMeaning } from '../close-code.js';
import { OpmasError } from '../errors.js';
import { relativeTime } from '../text.js';
import { clockText } from './answer.js';
import type { Failure } from './failure.js';
import { fillIn } from './next-command.js';
import type { TokenSource } from './rule.js';
import { failureTable, KEEP_TRYING } from './table.js';

/** An endpoint that was given up, and the token of its last attempt. */
export interface GivenUp {
  /** URL of the endpoint, without the token. */
  url: URL;
  base: URL;
  /** `undefined` when none was sent. Read for its expiry, never shown. */
  token: string | undefined;
  /** The origin of the token. */
  from: TokenSource;
  /** More attempts would have been made, had they not been limited. */
  reconnects: boolean;
  /** Another endpoint of the server was open. */
  wasOpenBeside?: boolean;
  /** Wall clock, milliseconds since 1970. */
  nowMs: number;
}

const REMEDY = 'log in with `login`, or give a fresh token';
const NOT_YET = 'wait until it is valid, or check the clock of the server that issued it';
const BLAMES_PORT = /port is wrong|another service/;
const BESIDE_OPEN =
  'another endpoint of this server was open, so the port is right: this path is wrong, or its service is failing';

/** Makes the error that says why an endpoint was given up, and what to do next. */
export function giveUpError(failure: Failure, given: GivenUp): OpmasError {
  const { code, consequence } = failureTable[failure.kind];
  if (code === 'AUTH') return tokenError(failure, given);
  const mayPass = given.reconnects && (consequence === 'retry' || consequence === 'normal');
  const told = given.wasOpenBeside ? clearPort(failure, BESIDE_OPEN) : failure;
  const hint = hintOf(told, given.base) + (mayPass ? ' `retries: Infinity` keeps trying.' : '');
  const text = `gave up on ${displayUrl(given.url)}: ${describe(failure)}`;
  return new OpmasError(code, text, { hint, failure: failure.kind });
}

/** Takes the blame from a port that is proven right. @param hint Says what proves it, and what else may be the cause. */
export function clearPort(failure: Failure, hint: string): Failure {
  // Where nothing listens anymore, no path is the cause.
  if (failure.hint !== undefined || failure.kind === 'connection refused') return failure;
  const blamesPort = BLAMES_PORT.test(failureTable[failure.kind].message);
  return blamesPort ? { ...failure, hint, next: KEEP_TRYING } : failure;
}

function tokenError(failure: Failure, given: GivenUp): OpmasError {
  const { kind } = failure;
  const { token, nowMs } = given;
  const { source, problem, hint: own = REMEDY } = given.from;
  const url = displayUrl(given.url);
  const what = describe(failure);
  const remedy = kind === 'token not valid yet' ? NOT_YET : own;
  const isKnown = kind !== 'unknown';
  const step = isKnown ? remedy : `if the token is the cause, ${remedy}`;
  const hint = `${capitalized(step)}; \`opmas-ws doctor\` says more.`;
  if (token === undefined) {
    const text = `${url} ${isKnown ? 'asked' : 'may have asked'} for a token: ${what}`;
    return new OpmasError('AUTH', text, { hint, failure: kind });
  }
  const verb = isKnown ? 'rejected' : 'may have rejected';
  const parts = [`${url} ${verb} the token from ${source}: ${what}`];
  const { expiresAtMs, notBeforeMs } = readClaims(token, failure.clockAheadMs);
  if (expiresAtMs !== undefined && expiresAtMs < nowMs)
    parts.push(`it expired ${relativeTime(expiresAtMs, nowMs)}`);
  if (notBeforeMs !== undefined && notBeforeMs > nowMs)
    parts.push(`it becomes valid ${relativeTime(notBeforeMs, nowMs)} by the clock of this machine`);
  const clock = clockText(failure.clockAheadMs);
  if (clock !== undefined) parts.push(clock);
  if (problem !== undefined) parts.push(`not renewed: ${problem}`);
  return new OpmasError('AUTH', parts.join('; '), { hint, failure: kind });
}

/** Says for people what failed, and what proves it. */
export function describe({ event, note }: Failure): string {
  return note === undefined ? describeEnd(event) : `${describeEnd(event)}; ${note}`;
}

/** Says for people how a connection ended. Not escaped: parts of it come from the network. */
export function describeEnd(event: Failure['event']): string {
  if (event.state === 'closed') {
    const { code, reason } = event;
    return `closed with ${code} (${closeMeaning(code)})${reason === '' ? '' : `: ${reason}`}`;
  }
  const { status, error } = event;
  if (status === undefined) return error ?? 'no answer';
  return `HTTP ${status}${error === undefined ? '' : ` (${error})`}`;
}

/** Says why a failure that is not about the token may have come, and what to do. */
export function hintOf({ kind, hint }: Pick<Failure, 'kind' | 'hint'>, base: URL): string {
  const text = capitalized(hint ?? fillIn(failureTable[kind].message, base));
  const sentence = /[.?]$/.test(text) ? text : `${text}.`;
  return `${sentence} \`opmas-ws doctor\` says more.`;
}

const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
