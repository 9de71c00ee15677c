import { displayUrl, endpointUrl } from '../../core/address.js';
import { CloseCode } from '../../core/close-code.js';
import { OpmasError } from '../../core/errors.js';
import { type ConnectionEvent, FORMAT_VERSION } from '../../core/recording/connection-event.js';
import {
  type ConnectionEnd,
  type Consequence,
  consequenceOf,
  type Decision,
  decide,
  initialRetryState,
  type RetryState,
  wasAccepted,
} from '../../core/retry.js';
import { proxyAgentFor } from '../http/proxy.js';
import { type Culprit, triageRefusal } from '../http/triage.js';
import { unlessStopped } from '../unless-stopped.js';
import { Connection } from './connection/connection.js';
import { forbiddenDetail, type GivenUp, giveUpError } from './give-up.js';
import { type GapTotals, LinkHistory } from './link-history.js';
import type { ResolvedStreamOptions } from './stream-options.js';

/** What the loop hands on; all of it in the order in which it happened. */
export interface EndpointSink {
  /** @param stamp Microseconds since 1970. @returns `false` when it is text and no UTF-8. */
  onMessage(frame: Buffer, isBinary: boolean, stamp: number): boolean;
  /** How many events have come, kept or not; heartbeat replies and frames that are no events do not count. */
  readonly events: number;
  onLifecycle(connection: ConnectionEvent, receivedAt: string): void;
}

/** Short, because a wrong token is told within 10 s: this twice, and a wait between. */
const TRIAGE_LIMIT_MS = 2500;

/** The loop over attempts on one endpoint: connect, deliver, and on each end wait and try again, or stop. */
export class EndpointLoop {
  readonly endpoint: string;
  readonly #history: LinkHistory;
  readonly #options: ResolvedStreamOptions;
  readonly #sink: EndpointSink;
  readonly #renew: (refused: string | undefined) => Promise<boolean>;
  readonly #stopping: AbortSignal;
  #connection: Connection | undefined;
  #paused = false;
  #state: RetryState;
  #attempt = 0;
  /** The token of the running attempt. */
  #token: string | undefined;
  /** What the API said about the last end, if it was asked. */
  #culprit: Culprit | undefined;
  /** Whether a token could be had, once at least. */
  hadToken = false;

  /** @param renew Renews the token; shared by all endpoints, so that one refusal costs one renewal. */
  constructor(
    endpoint: string,
    options: ResolvedStreamOptions,
    sink: EndpointSink,
    renew: (refused: string | undefined) => Promise<boolean>,
    stopping: AbortSignal,
  ) {
    this.endpoint = endpoint;
    this.#options = options;
    this.#sink = sink;
    this.#renew = renew;
    this.#stopping = stopping;
    this.#state = initialRetryState(options.retry);
    this.#history = new LinkHistory(options.clock, (connection, receivedAt) =>
      sink.onLifecycle(connection, receivedAt),
    );
  }

  get gaps(): GapTotals {
    return this.#history.gaps;
  }

  /** Stops or goes on reading from the network. */
  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (paused) this.#connection?.pause();
    else this.#connection?.resume();
  }

  /**
   * Runs until the endpoint is given up or everything stops.
   *
   * @throws {OpmasError} Why it was given up; it ends normally when it was asked to.
   */
  async run(): Promise<void> {
    try {
      await this.#runAttempts();
    } finally {
      this.#history.finish();
    }
  }

  async #runAttempts(): Promise<void> {
    while (!this.#stopping.aborted) {
      const { end, decision } = await this.#attemptOnce();
      if (decision === undefined) return;
      if (decision.action === 'end') {
        if (decision.why === 'ended') return;
        throw giveUpError(end, decision.why, this.#givenUp());
      }
      if (decision.renew) await unlessStopped(this.#renewToken(), this.#stopping);
      await this.#options.clock.sleep(decision.waitMs, this.#stopping);
    }
  }

  /** `decision` is undefined when everything stops. */
  async #attemptOnce(): Promise<{ end: ConnectionEnd; decision: Decision | undefined }> {
    const { clock, random, retry } = this.#options;
    this.#attempt++;
    const history = this.#history;
    history.begin();
    let openedAt: number | undefined;
    const eventsBefore = this.#sink.events;
    const onOpen = () => {
      openedAt = clock.monotonicMs();
      history.opened();
      if (this.#paused) this.#connection?.pause();
    };
    const onMessage = (frame: Buffer, isBinary: boolean) =>
      this.#sink.onMessage(frame, isBinary, history.lastByte);
    const end = await this.#connect(onOpen, onMessage);
    const openMs = openedAt === undefined ? undefined : clock.monotonicMs() - openedAt;
    if (this.#stopping.aborted) {
      if (openedAt !== undefined) history.ended(end, undefined);
      return { end, decision: undefined };
    }
    const consequence = await this.#examine(end);
    // Whatever an interrupted question has brought, it says nothing about the server.
    if (this.#stopping.aborted) {
      if (openedAt !== undefined) history.ended(end, undefined);
      return { end, decision: undefined };
    }
    const life = { openMs, events: this.#sink.events - eventsBefore };
    const { decision, state } = decide(this.#state, end, consequence, life, retry, random());
    this.#state = state;
    if (consequence === 'renew' && openMs !== undefined && !wasAccepted(life)) history.turnedAway();
    if (decision.action === 'retry' || decision.why !== 'ended') history.lost();
    history.ended(end, decision.action === 'retry' ? decision.waitMs : undefined);
    return { end, decision };
  }

  async #connect(
    onOpen: () => void,
    onMessage: (frame: Buffer, isBinary: boolean) => boolean,
  ): Promise<ConnectionEnd> {
    const options = this.#options;
    try {
      this.#token = await unlessStopped(options.token.token(), this.#stopping);
      this.hadToken = true;
    } catch (error) {
      // A token that can't be had at the start is the user's to mend; later it is a fault that may pass.
      if (!(error instanceof OpmasError) || !this.hadToken) throw error;
      return { kind: 'failed', failure: 'unreachable', error: error.message, hint: error.hint };
    }
    const url = endpointUrl(options.url, this.endpoint, this.#token);
    // Before anything is said: a proxy that cannot be understood is the user's to mend.
    const agent = await proxyAgentFor(url, { ca: options.ca });
    if (this.#stopping.aborted) return { kind: 'closed', code: CloseCode.NORMAL, reason: '' };
    this.#history.connecting({
      attempt: this.#attempt,
      url: displayUrl(url),
      recorder: options.recorder,
      format: FORMAT_VERSION,
    });
    const connection = new Connection(
      {
        url,
        token: this.#token,
        clock: options.clock,
        connectTimeoutMs: options.connectTimeoutMs,
        deadAfterMs: options.deadAfterMs,
        heartbeatMs: options.heartbeatMs === false ? undefined : options.heartbeatMs,
        maxMessageBytes: options.maxMessageBytes,
        agent,
        ca: options.ca,
        insecure: options.insecure,
      },
      { onOpen, onMessage, onBytes: () => this.#history.received() },
    );
    return this.#untilEnd(connection).finally(() => agent?.destroy());
  }

  async #untilEnd(connection: Connection): Promise<ConnectionEnd> {
    this.#connection = connection;
    const close = () => connection.close();
    this.#stopping.addEventListener('abort', close, { once: true });
    try {
      return await connection.ended;
    } finally {
      this.#stopping.removeEventListener('abort', close);
      this.#connection = undefined;
    }
  }

  /** A bare 403 or a 1008 may be about the token or about something else: ask first. */
  async #examine(end: ConnectionEnd): Promise<Consequence> {
    this.#culprit = undefined;
    const consequence = consequenceOf(end);
    const isForbidden = end.kind === 'refused' && end.status === 403;
    const isPolicy = end.kind === 'closed' && end.code === CloseCode.POLICY_VIOLATION;
    if (!isForbidden && !isPolicy) return consequence;
    const { url, ca, insecure } = this.#options;
    const culprit = await triageRefusal({
      base: url,
      timeoutMs: TRIAGE_LIMIT_MS,
      token: this.#token,
      ca,
      insecure,
      signal: this.#stopping,
    });
    this.#culprit = culprit;
    if (isForbidden) {
      end.detail = forbiddenDetail(culprit, this.#token !== undefined);
    }
    // A server without the REST API may refuse a token by 1008 all the same.
    const isCleared = culprit === 'not the token' || (culprit === 'no API' && isForbidden);
    return isCleared ? 'stop' : consequence;
  }

  async #renewToken(): Promise<void> {
    try {
      await this.#renew(this.#token);
    } catch (error) {
      // The next attempt shows whether the old token will do after all; it asks for a token anyway.
      if (!(error instanceof OpmasError)) throw error;
    }
  }

  #givenUp(): GivenUp {
    const { url, token, clock, ca } = this.#options;
    return {
      url: displayUrl(endpointUrl(url, this.endpoint)),
      token: this.#token,
      provider: token,
      culprit: this.#culprit,
      hasCa: ca !== undefined,
      now: clock.nowMicros() / 1000,
    };
  }
}
