import { escapeUnsafe, type LifecycleEvent } from '../../../index.js';
import { ProcessGroup } from '../../../internal.js';
import type { Session } from '../../session.js';

/** Some servers send the state of all devices first, which came before the command. */
const SETTLED_AFTER_MS = 500;
/** Time for the command to end after SIGTERM. */
const GRACE_MS = 5000;

/**
 * The command that causes the event: starts it when the server keeps all connections, and ends it with the wait. A server
 * may open a connection before it judges the token and before it subscribes the client.
 */
export class Trigger {
  /** Why the command ended the wait. */
  failure: { exitCode: number; message: string } | undefined;
  readonly #failed = new AbortController();
  /** Aborts when the command ends the wait, or cannot be started anymore. */
  readonly failed: AbortSignal = this.#failed.signal;
  readonly #waiting: Set<string>;
  /** When an endpoint opened last. */
  #openedAtMs = 0;
  #group: ProcessGroup | undefined;
  #ending: Promise<void> | undefined;

  /**
   * @param words The program and its arguments. @param endpoints Labels of the endpoints that have to be open.
   * @param onStart Called when the command has started.
   */
  constructor(
    private readonly words: readonly string[],
    endpoints: readonly string[],
    private readonly session: Session,
    private readonly onStart: () => void,
  ) {
    this.#waiting = new Set(endpoints);
  }

  get hasStarted(): boolean {
    return this.#group !== undefined;
  }

  /** Takes note of what happens to the connections. */
  onLifecycle({ endpoint, connection: { state } }: LifecycleEvent): void {
    if (this.hasStarted || this.#ending !== undefined) return;
    // The command would never start without this endpoint.
    if (state === 'given_up') this.#failed.abort();
    if (state === 'open') this.#openedAtMs = performance.now();
    if (state === 'closed') this.#waiting.add(endpoint);
  }

  /** Takes note that the server keeps a connection. */
  onKept(endpoint: string): void {
    this.#waiting.delete(endpoint);
    setTimeout(() => this.#start(), this.#openedAtMs + SETTLED_AFTER_MS - performance.now()).unref();
  }

  #start(): void {
    if (this.#waiting.size > 0 || this.hasStarted || this.#ending !== undefined) return;
    const { environment } = this.session;
    // Its output goes straight to stderr and costs us nothing.
    this.#group = new ProcessGroup(this.words, { stdio: ['inherit', 2, 2], environment });
    process.once('exit', this.#kill);
    this.onStart();
    void this.#group.exited.then(({ exitCode, problem, cause }) => {
      if (problem === undefined || this.#ending !== undefined) return;
      const reason = cause === undefined ? `${this.words[0]} ${problem}` : problem;
      const message = `the command ended the wait with ${exitCode}: ${escapeUnsafe(reason)}`;
      this.failure = { exitCode, message };
      this.#failed.abort();
    });
  }

  /** Ends the command, with all of its processes. It is not started from here on. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    if (await this.#group?.end(GRACE_MS)) {
      const text = `${this.words[0]} did not end ${GRACE_MS / 1000} s after SIGTERM and was killed`;
      this.session.terminal.messages.warn(text);
    }
    process.off('exit', this.#kill);
  }

  /** The process has to exit at once. */
  readonly #kill = (): void => this.#group?.signal('SIGKILL');
}
