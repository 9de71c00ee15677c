import {
  type ApiWord,
  apiWordOf,
  clockText,
  hasApi,
  isPage,
  otherChallengeOf,
  quoteOf,
} from '../../core/failure/answer.js';
import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd } from '../../core/failure/give-up.js';
import type { Check } from '../../core/failure/verdict.js';
import { type Clock, unlessStopped } from '../clock.js';
import type { AskedApi } from '../http/ask-api.js';
import { untrustedFirst } from '../http/issuer-trust.js';
import type { ServerRoute } from '../http/server-route.js';

/** The result of a check, without its name and duration. */
export type Finding = Omit<Check, 'name' | 'durationMs'>;

export const STOPPED: Finding = { status: 'failed', detail: 'stopped' };

/** Runs checks: measures each, and ends it when the user stops the diagnosis. */
export class Checker {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;

  constructor(clock: Clock, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#signal = signal;
  }

  get isStopped(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Runs a check whose errors are ours. */
  async check(name: string, work: () => Promise<Finding>): Promise<Check> {
    const startMs = this.#clock.monotonicMs();
    const finding = await unlessStopped(work(), this.#signal);
    return { name, ...(finding ?? STOPPED), durationMs: this.#clock.monotonicMs() - startMs };
  }

  /** Runs a check that goes to the network, where any error is a finding. @param route The way of a TLS handshake. */
  checkNetwork(name: string, work: () => Promise<Finding>, route?: ServerRoute): Promise<Check> {
    return this.check(name, () =>
      work().catch(async (error: unknown): Promise<Finding> => {
        const found = failureOfError(error, { side: route?.trust });
        const { kind, event, hint } = route === undefined ? found : await untrustedFirst(found, route);
        return { status: 'failed', detail: describeEnd(event), failure: kind, hint };
      }),
    );
  }
}

/** Makes the entry of a check that could not be made. */
export function skipped(name: string, detail = 'not tried'): Check {
  return { name, status: 'skipped', detail, durationMs: 0 };
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

/** The REST API's word about a token, for people. */
export interface ApiFinding {
  /** `accepts` or one of the others. */
  kind: ApiWord;
  text: string;
}

/** Says what the answers show about the API. @param token The one that it was asked about. */
export function apiFinding(asked: AskedApi, token: string | undefined): ApiFinding {
  const { me, error } = asked;
  const kind = apiWordOf(asked);
  if (me === undefined) return { kind, text: describeEnd(failureOfError(error).event) };
  if (kind === 'accepts') {
    return { kind, text: token === undefined ? 'it wants no token' : 'it accepts the token' };
  }
  const quote = kind === 'unclear' && isPage(me) ? undefined : quoteOf(me, token);
  const status = `HTTP ${me.status}${quote === undefined ? '' : `: ${quote}`}`;
  return { kind, text: `${textOf(kind, asked, token)} (${status})` };
}

function textOf(word: Exclude<ApiWord, 'accepts'>, asked: AskedApi, token: string | undefined): string {
  switch (word) {
    case 'rejects':
      return token === undefined ? 'it wants a token' : 'it rejects the token';
    case 'wants credentials':
      return `a gateway in front of it wants ${otherChallengeOf(asked.me!)} credentials`;
    case 'wants certificate':
      return 'a gateway in front of it wants a client certificate, or does not accept the one it got';
    case 'refuses':
      return 'a gateway in front of it refuses this machine';
    case 'absent':
      return 'there is none below this URL';
    case 'fails':
      return 'it is failing';
    case 'unclear':
      return hasApi(asked) ? 'it does not say whose the token is' : 'something else answers in its place';
  }
}
