import { dieBySignal, reportError } from './exit.js';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** All that follows a signal or a fault has to be over by then. */
const SHUTDOWN_BUDGET_MS = 2000;
/** The same signal again within so short a time is no second wish: `npm` and `timeout` send each one on twice. */
const ECHO_MS = 50;
/** What is said before a sudden death has so long to be taken. */
const LAST_WORDS_MS = 100;

/**
 * Everything that makes a command stop before its work is done: signals, a reader that has gone, and faults of ours
 * that nobody caught. The first asks it to end in its own time, at most 2 s; a second signal ends the process at once.
 */
export class StopRequests {
  /** The signal that was received; the process has to die by it in the end. */
  signalled: NodeJS.Signals | undefined;
  /** Whether there was a fault of ours; it has been reported. */
  hasBug = false;
  /** Called right before the process dies without having come to its end; it waits for that a tenth of a second. */
  onSuddenDeath: () => void | Promise<void> = () => undefined;
  readonly #stopping = new AbortController();
  readonly #debug: boolean;
  #signalledAt = 0;
  #budget: NodeJS.Timeout | undefined;

  /** @param options.debug Whether reports of faults show their stack. */
  constructor({ debug }: { debug: boolean }) {
    this.#debug = debug;
    for (const signal of STOP_SIGNALS) process.on(signal, this.#onSignal);
    process.on('uncaughtException', this.#onFault);
  }

  /** Aborts when the command shall stop. */
  get stop(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Asks the command to stop. */
  ask(): void {
    this.#stopping.abort();
  }

  /** From now on signals have their usual effect. */
  release(): void {
    for (const signal of STOP_SIGNALS) process.off(signal, this.#onSignal);
    clearTimeout(this.#budget);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.signalled !== undefined) {
      const isEcho = signal === this.signalled && performance.now() - this.#signalledAt < ECHO_MS;
      if (!isEcho) this.#dieNow(signal);
      return;
    }
    this.signalled = signal;
    this.#signalledAt = performance.now();
    this.#budget = setTimeout(() => this.#dieNow(signal), SHUTDOWN_BUDGET_MS);
    this.ask();
  };

  readonly #onFault = (error: unknown): void => {
    // What breaks once may break each time that a timer fires.
    if (this.hasBug) return;
    this.hasBug = true;
    void reportError(error, { debug: this.#debug });
    setTimeout(() => process.exit(1), SHUTDOWN_BUDGET_MS).unref();
    this.ask();
  };

  #dieNow(signal: NodeJS.Signals): void {
    // From here on nothing is in the way of a further signal.
    for (const each of STOP_SIGNALS) process.off(each, this.#onSignal);
    const die = () => dieBySignal(signal);
    setTimeout(die, LAST_WORDS_MS);
    void Promise.resolve(this.onSuddenDeath()).then(die, die);
  }
}
