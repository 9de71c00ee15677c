import type { FailureKind } from '../../core/failure/failure.js';
import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd } from '../../core/failure/give-up.js';
import type { Check } from '../../core/failure/verdict.js';
import { relativeTime } from '../../core/text.js';
import { type Clock, unlessStopped } from '../clock.js';
import type { AskedApi } from '../http/ask-api.js';

/** The result of a check, without its name and duration. */
export type Finding = Pick<Check, 'status' | 'detail'> & { failure?: FailureKind | undefined };

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

  /** Runs a check that goes to the network, where any error is a finding. */
  checkNetwork(name: string, work: () => Promise<Finding>): Promise<Check> {
    return this.check(name, () =>
      work().catch((error: unknown): Finding => {
        const { kind, event } = failureOfError(error);
        return { status: 'failed', detail: describeEnd(event), failure: kind };
      }),
    );
  }
}

/** Makes the entry of a check that could not be made. */
export function skipped(name: string, detail = 'not tried'): Check {
  return { name, status: 'skipped', detail, durationMs: 0 };
}

/** A clock that is further off than this spoils tokens and certificates. */
const SKEW_MS = 60_000;

/** Measures how far this machine's clock is ahead of the server's; the header has whole seconds. */
export function skewMsOf({ headers }: AskedApi, clock: Clock): number | undefined {
  const theirsMs = Date.parse(headers.date ?? '');
  return Number.isNaN(theirsMs) ? undefined : clock.nowMicros() / 1000 - theirsMs;
}

/** Says what the answer shows about the API. */
export function apiFinding({ status, isMissing, error }: AskedApi, hasToken: boolean): Finding {
  const warn = (detail: string): Finding => ({ status: 'warning', detail });
  switch (status) {
    case undefined:
      return warn(describeEnd(failureOfError(error).event));
    case 200:
      return { status: 'ok', detail: hasToken ? 'it accepts the token' : 'it wants no token' };
    case 401:
      return warn(`it ${hasToken ? 'rejects the' : 'wants a'} token (HTTP 401)`);
    case 404:
      return warn(
        `${isMissing ? 'there is none below this URL' : 'it does not say whose the token is'} (HTTP 404)`,
      );
    default:
      return warn(`HTTP ${status}`);
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
