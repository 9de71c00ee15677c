import type { FailureKind } from '../../core/failure/failure.js';
import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd } from '../../core/failure/give-up.js';
import type { Check } from '../../core/failure/verdict.js';
import type { Clock } from '../clock.js';
import { unlessStopped } from '../unless-stopped.js';

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
