import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd } from '../../core/failure/give-up.js';
import type { Check } from '../../core/failure/verdict.js';
import { relativeTime } from '../../core/relative-time.js';
import type { Clock } from '../clock.js';
import type { AskedApi } from '../http/ask-api.js';
import type { Finding } from './checker.js';

/** A clock that is further off than this spoils tokens and certificates. */
const SKEW_MS = 60_000;

/** Measures how far this machine's clock is ahead of the server's; the header has whole seconds. */
export function skewMsOf({ headers }: AskedApi, clock: Clock): number | undefined {
  const theirsMs = Date.parse(headers.date ?? '');
  return Number.isNaN(theirsMs) ? undefined : clock.nowMicros() / 1000 - theirsMs;
}

/** Says what the answer shows about the API. */
export function apiFinding({ status, isMissing, error }: AskedApi, hasToken: boolean): Finding {
  switch (status) {
    case undefined:
      return { status: 'warning', detail: describeEnd(failureOfError(error).event) };
    case 200:
      return { status: 'ok', detail: hasToken ? 'it accepts the token' : 'it wants no token' };
    case 401:
      return {
        status: 'warning',
        detail: hasToken ? 'it rejects the token (HTTP 401)' : 'it wants a token (HTTP 401)',
      };
    case 404:
      return {
        status: 'warning',
        detail: isMissing
          ? 'there is none below this URL (HTTP 404)'
          : 'it does not say whose the token is (HTTP 404)',
      };
    default:
      return { status: 'warning', detail: `HTTP ${status}` };
  }
}

/** Makes the check of the clock. @param skewMs How far this machine's clock is ahead of the server's. */
export function clockCheck(skewMs: number): Check {
  const isOff = Math.abs(skewMs) > SKEW_MS;
  const amount = relativeTime(Math.abs(skewMs), 0).replace(/^in /, '');
  const detail = isOff
    ? `this machine's clock is ${amount} ${skewMs > 0 ? 'ahead of' : 'behind'} the server's`
    : "agrees with the server's";
  return { name: 'clock', status: isOff ? 'warning' : 'ok', detail, durationMs: 0 };
}
