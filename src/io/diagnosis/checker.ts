import type { Check, ConnectionFault } from '../../core/diagnosis/check.js';
import type { Clock } from '../clock.js';
import { unlessStopped } from '../unless-stopped.js';
import { faultOfError, wordsOfError } from './fault-of-error.js';

/** What a check found; who runs it adds its name and how long it took. */
export type Finding = Pick<Check, 'status' | 'detail'> & { fault?: ConnectionFault | undefined };

const STOPPED: Finding = { status: 'failed', detail: 'stopped' };

/** Runs checks: measures each, and ends it when the user wants no more of it. */
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
    const start = this.#clock.monotonicMs();
    const finding = await unlessStopped(work(), this.#signal);
    return { name, ...(finding ?? STOPPED), durationMs: this.#clock.monotonicMs() - start };
  }

  /** Runs a check that goes to the network, where any error is a finding. */
  checkNetwork(name: string, work: () => Promise<Finding>): Promise<Check> {
    return this.check(name, () =>
      work().catch(
        (error: unknown): Finding => ({
          status: 'failed',
          detail: wordsOfError(error),
          fault: faultOfError(error),
        }),
      ),
    );
  }
}

/** The check of that name, which could not be made. */
export function skipped(name: string, detail = 'not tried'): Check {
  return { name, status: 'skipped', detail, durationMs: 0 };
}
