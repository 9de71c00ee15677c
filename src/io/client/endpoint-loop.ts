import { displayUrl, endpointUrl } from '../../core/address.js';
import { hasExpired } from '../../core/claims.js';
import { OpmasError } from '../../core/errors.js';
import { clockAheadOf } from '../../core/failure/answer.js';
import type { Failure } from '../../core/failure/failure.js';
import { giveUpError } from '../../core/failure/give-up.js';
import { failureTable } from '../../core/failure/table.js';
import { FORMAT_VERSION } from '../../core/recording/connection-event.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import { type ConnectionLife, decide, initialRetryState, wasRefused } from '../../core/retry.js';
import type { ConnectionHistory } from '../../core/statistics/connection-history.js';
import { unlessStopped } from '../clock.js';
import { loadWebSocket } from '../websocket.js';
import { Connection } from './connection/connection.js';
import { ConnectionLog } from './connection-log.js';
import { examineRefusal } from './examine-refusal.js';
import type { LineWriter } from './line-writer.js';
import { RetryWait, type SharedWaits } from './retry-wait.js';
import type { StreamControl } from './stream-control.js';
import type { ResolvedStreamOptions } from './stream-options.js';

/** The parts that the loops of one subscription share. */
export interface LoopContext {
  options: ResolvedStreamOptions;
  control: StreamControl;
  /** Renews a token that was rejected; shared, so that one refusal costs one renewal. */
  renew(rejected: string | undefined): Promise<boolean>;
  waits: SharedWaits;
  /** What has happened to all endpoints. */
  history: ConnectionHistory;
  wasOpenBeside(endpoint: string): boolean;
}

/** The loop over attempts on one endpoint: connect, deliver, and on each end wait and try again, or stop. */
export class EndpointLoop {
  /** A token was available at least once. */
  hadToken = false;
  /** A connection was open and not closed at once for its token. */
  everOpen = false;
  readonly log: ConnectionLog;
  readonly #wait: RetryWait;
  #connection: Connection | undefined;
  #isPaused = false;
  #attempts = 0;
  #openedAtMs: number | undefined;
  /** A connection is open and not known to be kept. */
  #isFresh = false;
  /** The end of the last attempt that failed. */
  lastFailure: Failure | undefined;
  /** The token of the running attempt. */
  #token: string | undefined;
  #clockAheadMs: number | undefined;

  constructor(
    readonly endpoint: string,
    readonly writer: LineWriter,
    private readonly context: LoopContext,
  ) {
    const { options, control, waits, history } = context;
    const { stopping } = control;
    this.log = new ConnectionLog(options.clock, (event, atMicros, silentMs) => {
      // A connection that we close ourselves is not lost, however it ends. No attempt was to follow on it.
      const mayBeOurs = event.state === 'closed' && event.retry_in_ms === undefined;
      if (!stopping.aborted || !mayBeOurs) history.add(endpoint, atMicros, event);
      writer.onConnectionEvent(event, formatTimestamp(atMicros), silentMs);
    });
    const endAttempt = () => this.#connection?.endAttempt('no upgrade, while another endpoint opened');
    this.#wait = new RetryWait(options, stopping, waits, endAttempt);
  }

  /** Stops or resumes reading from the network. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (isPaused) this.#connection?.pause();
    else this.#connection?.resume();
  }

  /**
   * Runs until the endpoint is given up or everything stops.
   *
   * @throws {OpmasError} The reason why it was given up. It ends normally when it was asked to.
   */
  async run(): Promise<void> {
    await this.#runAttempts().finally(() => this.#wait.leave());
  }

  async #runAttempts(): Promise<void> {
    const { options, control } = this.context;
    let state = initialRetryState(options.retry);
    while (!control.stopping.aborted) {
      const { failure, life } = await this.#attempt();
      const wasOpen = life.openMs !== undefined;
      if (wasOpen && !wasRefused(failure, life)) this.everOpen = true;
      if (control.stopping.aborted) {
        if (wasOpen) this.log.ended(failure, false, undefined);
        return;
      }
      const { decision, state: next } = decide(state, failure, life, options.retry, this.#wait.draw(state));
      state = next;
      this.lastFailure = failure;
      const { waitMs = 0, leastMs = 0, isExpiry = false } = decision.action === 'retry' ? decision : {};
      const lengthMs = this.#wait.lengthOf(waitMs, leastMs);
      const endedAtMicros = this.log.nowMicros;
      const renew = () => unlessStopped(this.#renewToken(), control.stopping);
      const renewal = isExpiry ? renew() : undefined;
      // Only a token that was renewed needs no wait. The end is told within 2 s, even if the renewal hangs.
      const isRenewed = renewal && (await unlessStopped(renewal, AbortSignal.timeout(2000)));
      const toldMs = isRenewed ? 0 : lengthMs;
      // Only what gave an event can miss some.
      const isLost = decision.action !== 'end' && this.writer.events > 0;
      this.log.ended(failure, isLost, decision.action === 'retry' ? toldMs : undefined, endedAtMicros);
      if (decision.action === 'end') return;
      if (decision.action === 'give up') {
        this.log.gaveUp(failure);
        throw this.#giveUpError(failure);
      }
      if (decision.renew && !isRenewed) await (renewal ?? renew());
      if (isRenewed) this.#wait.leaveOut();
      else await this.#wait.wait(lengthMs, leastMs);
    }
  }

  async #attempt(): Promise<{ failure: Failure; life: ConnectionLife }> {
    const { clock } = this.context.options;
    this.#attempts++;
    this.#wait.begin();
    this.log.begin();
    const eventsBefore = this.writer.events;
    this.#openedAtMs = undefined;
    const failure = await this.#connect();
    this.#isFresh = false;
    const openMs = this.#openedAtMs === undefined ? undefined : clock.monotonicMs() - this.#openedAtMs;
    this.#wait.ended(openMs);
    const life = { openMs, events: this.writer.events - eventsBefore };
    const isExpiry = !wasRefused(failure, life) && this.#isExpiry(failure);
    return { failure: await this.#examine(failure, life, isExpiry), life: { ...life, isExpiry } };
  }

  /** Returns whether a connection ended because its token did, which its source expected. */
  #isExpiry({ kind, event }: Failure): boolean {
    if (event.state !== 'closed' || failureTable[kind].consequence !== 'renew') return false;
    const { token: source, clock } = this.context.options;
    if (source.renew === undefined) return false;
    const nowMs = clock.nowMicros() / 1000;
    const clockAheadMs = this.#clockAheadMs ?? source.clockAheadMs;
    return hasExpired(this.#token ?? '', { nowMs, clockAheadMs, isRenewed: source.renewsItself });
  }

  #onOpen(): void {
    this.#openedAtMs = this.context.options.clock.monotonicMs();
    this.log.opened();
    this.#wait.leave();
    this.#isFresh = true;
    if (this.#isPaused) this.#connection?.pause();
  }

  #onKept(): void {
    if (this.lastFailure !== undefined) this.#wait.wakeOthers();
    this.#tellKept();
  }

  #tellKept(): void {
    if (this.#isFresh) this.context.control.report('onKept', this.endpoint);
    this.#isFresh = false;
  }

  #onMessage(frame: Buffer, isBinary: boolean): boolean {
    const { events } = this.writer;
    const isText = this.writer.onMessage(frame, isBinary, this.log.lastByteAtMicros);
    if (this.writer.events > events) this.#tellKept();
    return isText;
  }

  async #connect(): Promise<Failure> {
    const { options, control } = this.context;
    await loadWebSocket();
    try {
      this.#token = await unlessStopped(options.token.token(control.stopping), control.stopping);
      this.hadToken = true;
    } catch (error) {
      // The user has to fix a token that is not available at the start; later its lack is a failure that may pass.
      if (!(error instanceof OpmasError) || !this.hadToken) throw error;
      const { message, hint } = error;
      return { kind: 'token source failing', event: { state: 'refused', error: message }, hint };
    }
    if (control.stopping.aborted) return STOPPED;
    const upgrade = options.route.upgrade(this.endpoint, this.#token, options.connectTimeoutMs);
    this.log.connecting({
      attempt: this.#attempts,
      url: displayUrl(upgrade.url),
      recorder: options.recorder,
      format: FORMAT_VERSION,
    });
    this.#connection = new Connection(
      { ...options, upgrade, heartbeatMs: options.heartbeatMs || undefined, signal: control.stopping },
      {
        onUpgrade: (answer) => {
          this.#clockAheadMs = clockAheadOf(answer, options.clock.nowMicros() / 1000);
          options.token.onOpen?.(this.#clockAheadMs);
        },
        onOpen: () => this.#onOpen(),
        onKept: () => this.#onKept(),
        onBytes: () => this.log.received(),
        onStandstill: () => this.log.stoodStill(),
        onProved: () => this.log.proved(),
        onMessage: (frame, isBinary) => this.#onMessage(frame, isBinary),
      },
    );
    return this.#connection.ended.finally(() => {
      this.#connection = undefined;
    });
  }

  /** Finds out what a refusal is about. */
  #examine(failure: Failure, { events }: ConnectionLife, isExpiry: boolean): Promise<Failure> {
    const { options, control } = this.context;
    const { route, clock, token } = options;
    const { clockAheadMs } = token;
    const signal = control.stopping;
    const attempt = { route, endpoint: this.endpoint, token: this.#token, clock, signal, clockAheadMs };
    // The token of a connection that gave events was good: it has ended, and no question about it is needed.
    const hasEnded = isExpiry || (events > 0 && ['token refused', 'closed'].includes(failure.kind));
    const wasOpenBeside = () => this.context.wasOpenBeside(this.endpoint);
    return examineRefusal(failure, { ...attempt, wasOpenBeside, api: hasEnded ? {} : undefined });
  }

  /** @returns `true` when there may be a better token. */
  #renewToken(): Promise<boolean> {
    return this.context.renew(this.#token).catch((error: unknown) => {
      // The next attempt shows whether the old token will do after all; it asks for a token anyway.
      if (!(error instanceof OpmasError)) throw error;
      return false;
    });
  }

  #giveUpError(failure: Failure): OpmasError {
    const { route, token, clock, retry } = this.context.options;
    return giveUpError(failure, {
      ...{ url: endpointUrl(route.base, this.endpoint), base: route.base, token: this.#token, from: token },
      ...{ nowMs: clock.nowMicros() / 1000, reconnects: retry.reconnect },
      wasOpenBeside: this.context.wasOpenBeside(this.endpoint),
    });
  }
}

/** The end of an attempt that everything stopped before it began. */
const STOPPED: Failure = { kind: 'normal close', event: { state: 'closed', code: 1000, reason: '' } };
