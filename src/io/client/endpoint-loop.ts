import { displayUrl, endpointUrl } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { clockAheadOf } from '../../core/failure/answer.js';
import type { Failure } from '../../core/failure/failure.js';
import { giveUpError } from '../../core/failure/give-up.js';
import { FORMAT_VERSION } from '../../core/recording/connection-event.js';
import { type ConnectionLife, decide, initialRetryState, wasRefused } from '../../core/retry.js';
import { unlessStopped } from '../clock.js';
import { loadWebSocket } from '../websocket.js';
import { Connection } from './connection/connection.js';
import { EndpointHistory, type GapTotals } from './endpoint-history.js';
import { examineRefusal } from './examine-refusal.js';
import type { LineWriter } from './line-writer.js';
import type { ResolvedStreamOptions } from './stream-options.js';

/** Everything that the loops of one subscription share. */
export interface LoopContext {
  options: ResolvedStreamOptions;
  /** Aborts when everything stops. */
  stopping: AbortSignal;
  /** Renews a token that was rejected; shared, so that one refusal costs one renewal. */
  renew(rejected: string | undefined): Promise<boolean>;
}

/** The end of an attempt, and the life of its connection. */
interface AttemptEnd {
  failure: Failure;
  life: ConnectionLife;
}

/** The loop over attempts on one endpoint: connect, deliver, and on each end wait and try again, or stop. */
export class EndpointLoop {
  readonly endpoint: string;
  /** A token was available at least once. */
  hadToken = false;
  readonly #context: LoopContext;
  readonly #sink: LineWriter;
  readonly #history: EndpointHistory;
  #connection: Connection | undefined;
  #isPaused = false;
  #attempts = 0;
  /** The end of the last attempt that failed. */
  lastFailure: Failure | undefined;
  /** The token of the running attempt. */
  #token: string | undefined;

  constructor(endpoint: string, sink: LineWriter, context: LoopContext) {
    this.endpoint = endpoint;
    this.#context = context;
    this.#sink = sink;
    this.#history = new EndpointHistory(context.options.clock, (event, receivedAt, silentMs) =>
      sink.onConnectionEvent(event, receivedAt, silentMs),
    );
  }

  get gaps(): GapTotals {
    return this.#history.gaps;
  }

  /** A connection was open, and not only to reject the token. */
  get everOpen(): boolean {
    return this.#history.everOpen;
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
    try {
      await this.#runAttempts();
    } finally {
      this.#history.finish();
    }
  }

  async #runAttempts(): Promise<void> {
    const { options, stopping } = this.#context;
    let state = initialRetryState(options.retry);
    while (!stopping.aborted) {
      const { failure, life } = await this.#attempt();
      const isRefusal = wasRefused(failure, life);
      if (life.openMs !== undefined) this.#history.over({ events: life.events, isRefusal });
      if (stopping.aborted) {
        if (life.openMs !== undefined) this.#history.ended(failure, undefined);
        return;
      }
      const { decision, state: next } = decide(state, failure, life, options.retry, options.random());
      state = next;
      this.lastFailure = failure;
      if (decision.action !== 'end') this.#history.lost();
      this.#history.ended(failure, decision.action === 'retry' ? decision.waitMs : undefined);
      if (decision.action === 'end') return;
      if (decision.action === 'give up') {
        this.#history.gaveUp(failure);
        throw this.#giveUpError(failure);
      }
      if (decision.renew) await unlessStopped(this.#renewToken(), stopping);
      await options.clock.sleep(decision.waitMs, stopping);
    }
  }

  async #attempt(): Promise<AttemptEnd> {
    const { clock } = this.#context.options;
    this.#attempts++;
    this.#history.begin();
    const eventsBefore = this.#sink.events;
    let openedAtMs: number | undefined;
    const failure = await this.#connect(() => {
      openedAtMs = clock.monotonicMs();
      this.#history.opened();
      if (this.#isPaused) this.#connection?.pause();
    });
    const openMs = openedAtMs === undefined ? undefined : clock.monotonicMs() - openedAtMs;
    const life = { openMs, events: this.#sink.events - eventsBefore };
    return { failure: await this.#examine(failure, life), life };
  }

  async #connect(onOpen: () => void): Promise<Failure> {
    const { options, stopping } = this.#context;
    await loadWebSocket();
    try {
      this.#token = await unlessStopped(options.token.token(stopping), stopping);
      this.hadToken = true;
    } catch (error) {
      // The user has to mend a token that is not available at the start; later its lack is a failure that may pass.
      if (!(error instanceof OpmasError) || !this.hadToken) throw error;
      const { message, hint } = error;
      return { kind: 'token source failing', event: { state: 'refused', error: message }, hint };
    }
    if (stopping.aborted) return STOPPED;
    const upgrade = options.route.upgrade(this.endpoint, this.#token, options.connectTimeoutMs);
    this.#history.connecting({
      attempt: this.#attempts,
      url: displayUrl(upgrade.url),
      recorder: options.recorder,
      format: FORMAT_VERSION,
    });
    const heartbeatMs = options.heartbeatMs === false ? undefined : options.heartbeatMs;
    const connection = new Connection(
      { ...options, upgrade, heartbeatMs },
      {
        onUpgrade: (answer) => options.token.onOpen?.(clockAheadOf(answer, options.clock.nowMicros() / 1000)),
        onOpen,
        onBytes: () => this.#history.received(),
        onStandstill: () => this.#history.stoodStill(),
        onProved: () => this.#history.proved(),
        onMessage: (frame, isBinary) => this.#sink.onMessage(frame, isBinary, this.#history.lastByteAtMicros),
      },
    );
    return this.#untilEnd(connection).finally(() => upgrade.agent.destroy());
  }

  async #untilEnd(connection: Connection): Promise<Failure> {
    const { stopping } = this.#context;
    this.#connection = connection;
    const close = () => connection.close();
    stopping.addEventListener('abort', close, { once: true });
    try {
      return await connection.ended;
    } finally {
      stopping.removeEventListener('abort', close);
      this.#connection = undefined;
    }
  }

  /** Finds out what a refusal is about. */
  #examine(failure: Failure, { events }: ConnectionLife): Promise<Failure> {
    const { options, stopping: signal } = this.#context;
    const { route, clock, token } = options;
    const { clockAheadMs } = token;
    const attempt = { route, endpoint: this.endpoint, token: this.#token, clock, signal, clockAheadMs };
    // The token of a connection that gave events was good: it has ended, and no question about it is needed.
    const hasEnded = events > 0 && (failure.kind === 'token refused' || failure.kind === 'closed');
    return examineRefusal(failure, { ...attempt, api: hasEnded ? {} : undefined });
  }

  async #renewToken(): Promise<void> {
    try {
      await this.#context.renew(this.#token);
    } catch (error) {
      // The next attempt shows whether the old token will do after all; it asks for a token anyway.
      if (!(error instanceof OpmasError)) throw error;
    }
  }

  #giveUpError(failure: Failure): OpmasError {
    const { route, token: provider, clock, retry } = this.#context.options;
    const { reconnect: reconnects } = retry;
    const { source, remedy, problem } = provider;
    const nowMs = clock.nowMicros() / 1000;
    const url = endpointUrl(route.base, this.endpoint);
    const given = { url, base: route.base, token: this.#token, source, remedy, problem, reconnects, nowMs };
    return giveUpError(failure, given);
  }
}

/** The end of an attempt that everything stopped before it began. */
const STOPPED: Failure = { kind: 'normal close', event: { state: 'closed', code: 1000, reason: '' } };
