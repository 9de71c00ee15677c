import type { Check } from '../../core/diagnosis/check.js';
import { relativeTime } from '../../core/relative-time.js';
import type { Clock } from '../clock.js';
import type { HttpResponse } from '../http/http-request.js';
import { askAboutToken, isApiMissing, type TriageOptions } from '../http/triage.js';
import type { Finding } from './checker.js';
import { wordsOfError } from './fault-of-error.js';

/** What the REST API said about the token. */
export interface ApiAnswer {
  /** `undefined` when it gave no answer. */
  status: number | undefined;
  /** Whether there is no API below the base URL at all. */
  isMissing: boolean;
  /** How far this machine's clock is ahead of the server's. */
  skewMs: number | undefined;
  error: unknown;
}

/** A clock that is further off than that spoils tokens and certificates. */
const SKEW_MS = 60_000;

/** Asks the API whom the token is for; that it does not answer is an answer. */
export async function askApi(question: TriageOptions, clock: Clock): Promise<ApiAnswer> {
  try {
    const response = await askAboutToken(question);
    const { status } = response;
    const isMissing = status === 404 && (await isApiMissing(question));
    return { status, isMissing, skewMs: skewOf(response, clock), error: undefined };
  } catch (error) {
    return { status: undefined, isMissing: false, skewMs: undefined, error };
  }
}

/** How far this machine's clock is ahead of the server's; the header has whole seconds. */
function skewOf({ headers }: HttpResponse, clock: Clock): number | undefined {
  const theirs = Date.parse(headers.date ?? '');
  return Number.isNaN(theirs) ? undefined : clock.nowMicros() / 1000 - theirs;
}

/** What that says about the API. */
export function apiFinding({ status, isMissing, error }: ApiAnswer, hasToken: boolean): Finding {
  switch (status) {
    case undefined:
      return { status: 'warning', detail: wordsOfError(error) };
    case 200:
      return { status: 'ok', detail: hasToken ? 'it knows the token' : 'it wants no token' };
    case 401:
      return {
        status: 'warning',
        detail: hasToken ? 'it does not take the token (HTTP 401)' : 'it wants a token (HTTP 401)',
      };
    case 404:
      return {
        status: 'warning',
        detail: isMissing
          ? 'there is none below this URL (HTTP 404)'
          : 'it does not say whom the token is for (HTTP 404)',
      };
    default:
      return { status: 'warning', detail: `HTTP ${status}` };
  }
}

/** @param skewMs How far this machine's clock is ahead of the server's. */
export function clockCheck(skewMs: number): Check {
  const isOff = Math.abs(skewMs) > SKEW_MS;
  const amount = relativeTime(Math.abs(skewMs), 0).replace(/^in /, '');
  const detail = isOff
    ? `this machine's clock is ${amount} ${skewMs > 0 ? 'ahead of' : 'behind'} the server's`
    : "agrees with the server's";
  return { name: 'clock', status: isOff ? 'warning' : 'ok', detail, durationMs: 0 };
}
