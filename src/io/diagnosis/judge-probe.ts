import type { IncomingHttpHeaders } from 'node:http';
import { displayUrl } from '../../core/address.js';
import { CloseCode, closeMeaning } from '../../core/close-code.js';
import type { ConnectionFault } from '../../core/diagnosis/check.js';
import type { ApiAnswer } from './check-api.js';
import type { Finding } from './checker.js';
import { faultOfError, wordsOfError } from './fault-of-error.js';
import type { ProbeOutcome, ProbeResult } from './upgrade-probe.js';

/** What is known besides the attempt itself. */
export interface ProbeContext {
  token: string | undefined;
  /** By this machine's clock. */
  isExpired: boolean;
  api: ApiAnswer;
  /** Whether the port speaks TLS although the URL says `ws:`. */
  speaksTls: boolean;
  url: URL;
}

/** What an attempt on one endpoint shows; `pong` only when there was an open connection to send it over. */
export function judgeProbe(
  result: ProbeResult,
  context: ProbeContext,
): { upgrade: Finding; pong: Finding | undefined } {
  const { outcome, roundTripMs } = result;
  if (outcome.kind !== 'open') return { upgrade: judgeOutcome(outcome, context), pong: undefined };
  const pong: Finding =
    roundTripMs === undefined
      ? { status: 'failed', detail: 'none in 5 s', fault: 'no pong' }
      : { status: 'ok', detail: 'round trip' };
  return { upgrade: { status: 'ok', detail: 'open' }, pong };
}

function judgeOutcome(outcome: Exclude<ProbeOutcome, { kind: 'open' }>, context: ProbeContext): Finding {
  if (context.speaksTls) return failed('TLS wanted', 'it speaks TLS');
  switch (outcome.kind) {
    case 'silent':
      return failed('silent', 'no answer in 10 s');
    case 'failed':
      return failed(faultOfError(outcome.error), wordsOfError(outcome.error));
    case 'closed': {
      const { code, reason } = outcome;
      const said = `closed with ${code} (${closeMeaning(code)})${reason === '' ? '' : `: ${reason}`}`;
      return failed(meaningOfClose(code, context), said);
    }
    case 'refused':
      return judgeStatus(outcome.status, outcome.headers, context);
  }
}

function judgeStatus(status: number, headers: IncomingHttpHeaders, context: ProbeContext): Finding {
  const said = `HTTP ${status}${answeredBy(headers)}`;
  switch (true) {
    case status === 401:
      return failed(refusal(context), said);
    case status === 403:
      return failed(meaningOfForbidden(context), said);
    case status === 407:
      return failed('proxy wants a login', said);
    case status === 429:
      return failed('rate limited', `${said}${laterFrom(headers)}`);
    case status >= 500:
      return failed('server failing', said);
    case status >= 300 && status < 400:
      return failed('redirected', `${said} to ${targetOf(headers, context.url)}`);
    case status === 404 && apiIsThere(context.api):
      return failed(
        'wrong path',
        `${said}; the API is there, but not this endpoint, or a proxy drops the upgrade`,
      );
    case status === 404:
      return failed(context.api.isMissing ? 'no API' : 'wrong path', said);
    default:
      return failed('not a WebSocket', said);
  }
}

/** FastAPI answers 403 for a refused token and for an unknown path alike; its REST API tells them apart. */
function meaningOfForbidden(context: ProbeContext): ConnectionFault {
  if (context.api.isMissing) return 'no API';
  return byApi(context, 'wrong path', 'forbidden');
}

/** 4001 is about the token; 1008 may be about anything that the server does not like. */
function meaningOfClose(code: number, context: ProbeContext): ConnectionFault {
  if (code === CloseCode.AUTHENTICATION_FAILED) return refusal(context);
  return code === CloseCode.POLICY_VIOLATION ? byApi(context, 'closed', 'policy violated') : 'closed';
}

/** What a refusal means that does not say so. */
function byApi(
  context: ProbeContext,
  whenTokenIsGood: ConnectionFault,
  whenNobodyKnows: ConnectionFault,
): ConnectionFault {
  const { status } = context.api;
  if (status === 401 || status === 403) return refusal(context);
  if (status !== undefined && status >= 200 && status < 300) return whenTokenIsGood;
  if (context.token === undefined) return 'no token';
  return context.isExpired ? 'token expired' : whenNobodyKnows;
}

function refusal({ token, isExpired }: ProbeContext): ConnectionFault {
  if (token === undefined) return 'no token';
  return isExpired ? 'token expired' : 'token refused';
}

function apiIsThere({ status }: ApiAnswer): boolean {
  return status === 200 || status === 401 || status === 403;
}

function answeredBy({ server, via }: IncomingHttpHeaders): string {
  const names = [server, via === undefined ? undefined : `via ${via}`].filter((name) => name !== undefined);
  return names.length === 0 ? '' : ` from ${names.join(' ')}`;
}

function laterFrom(headers: IncomingHttpHeaders): string {
  return /^\d{1,5}$/.test(headers['retry-after'] ?? '') ? `, again in ${headers['retry-after']} s` : '';
}

function targetOf({ location }: IncomingHttpHeaders, url: URL): string {
  if (location === undefined || !URL.canParse(location, url.href)) return 'an unreadable address';
  return displayUrl(new URL(location, url));
}

function failed(fault: ConnectionFault, detail: string): Finding {
  return { status: 'failed', detail, fault };
}
