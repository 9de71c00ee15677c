import { systemClock } from '../index.js';
import { exitBySignal, exitNow, reportError } from './exit.js';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/** Limit for a shutdown, counted from the signal or the error. */
const SHUTDOWN_LIMIT_MS = 2000;
/** `npm` and `timeout` deliver each signal twice: the same signal within this time is not a second request. */
const REPEAT_MS = 50;
/** `logrotate` may send SIGHUP for each file that it has renamed, and compresses some in between. */
const HANGUP_REPEAT_MS = 1000;
/** Interval of the checks whether the outputs take anything. */
const STALL_POLL_MS = 100;
/** Time for the last message when the process is forced to exit. */
const EXIT_MESSAGE_LIMIT_MS = 300;

/**
 * Collects the reasons to stop a command early: signals, a closed stdout, and uncaught errors. The first one asks the
 * command to end, which may take 2 s; a second signal ends the process at once.
 */
export class StopRequests {
  /** The signal that was received; the process finally exits by it. */
  signal: NodeJS.Signals | undefined;
  /** True after an uncaught error, which has been reported. */
  hasBug = false;
  /** Handles SIGHUP instead of a stop; `false` lets the command stop. */
  onHangup: () => boolean = () => false;
  /** Limit for the shutdown after a signal. */
  shutdownLimitMs = SHUTDOWN_LIMIT_MS;
  /** Called right before the process exits without a normal end, which then waits up to 300 ms for it. */
  onForcedExit: () => void | Promise<void> = () => undefined;
  /** Returns the time since stdout and stderr have last taken something that waits for them. */
  stalledMs: () => number = () => 0;
  /** Returns the exit code of an end that an output holds up. */
  stalledExitCode: () => number = () => 0;
  readonly #stopping = new AbortController();
  #signalledAt = 0;
  #hungUpAt = Number.NEGATIVE_INFINITY;
  readonly #released = new AbortController();
  #stallTimer: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;

  /** @param debug Reports errors with their stack. */
  constructor(private readonly debug: boolean) {
    for (const signal of STOP_SIGNALS) process.on(signal, this.#onSignal);
    process.on('uncaughtException', this.#onUncaught);
  }

  /** Aborts when the command must stop. */
  get stop(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Asks the command to stop. */
  request(): void {
    this.#stopping.abort();
  }

  /** Exits when this time has passed and then an output takes nothing for 2 s. */
  async endAfter(milliseconds: number): Promise<void> {
    await systemClock.sleep(milliseconds, this.#released.signal);
    const endedAt = performance.now();
    const check = () => {
      const stalledMs = Math.min(this.stalledMs(), performance.now() - endedAt);
      if (stalledMs < SHUTDOWN_LIMIT_MS || this.signal !== undefined) return;
      clearInterval(this.#stallTimer);
      this.#exitNow(() => exitNow(this.stalledExitCode()));
    };
    if (!this.#released.signal.aborted) this.#stallTimer = setInterval(check, STALL_POLL_MS);
  }

  /** Gives signals their default effect again. */
  release(): void {
    this.#released.abort();
    clearInterval(this.#stallTimer);
    for (const signal of STOP_SIGNALS) process.off(signal, this.#onSignal);
    clearTimeout(this.#deadline);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.signal !== undefined) {
      const isRepeat = signal === this.signal && performance.now() - this.#signalledAt < REPEAT_MS;
      if (!isRepeat) this.#exitNow(() => exitBySignal(signal));
      return;
    }
    if (signal === 'SIGHUP' && this.#isHangupHandled()) return;
    this.signal = signal;
    this.#signalledAt = performance.now();
    this.#deadline = setTimeout(() => this.#exitNow(() => exitBySignal(signal)), this.shutdownLimitMs);
    this.request();
  };

  #isHangupHandled(): boolean {
    if (this.onHangup()) this.#hungUpAt = performance.now();
    return performance.now() - this.#hungUpAt < HANGUP_REPEAT_MS;
  }

  readonly #onUncaught = (error: unknown): void => {
    // A broken timer would report the same error each time that it fires.
    if (this.hasBug) return;
    this.hasBug = true;
    reportError(error, { debug: this.debug });
    setTimeout(() => exitNow(1), SHUTDOWN_LIMIT_MS).unref();
    this.request();
  };

  #exitNow(exit: () => void): void {
    // A further signal then has its default effect.
    for (const each of STOP_SIGNALS) process.off(each, this.#onSignal);
    setTimeout(exit, EXIT_MESSAGE_LIMIT_MS);
    void Promise.resolve(this.onForcedExit()).then(exit, exit);
  }
}
