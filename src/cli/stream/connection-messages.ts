import {
  type ConnectionEvent,
  type LifecycleEvent,
  OpmasError,
  parseTimestamp,
  type SubscribeOptions,
  systemClock,
} from '../../index.js';
import { mayReject } from '../../internal.js';
import { TimeText } from '../render/time-text.js';
import type { Messages } from '../terminal/terminal.js';
import {
  backNotice,
  CONNECTED,
  ConnectionNotices,
  type EndpointNotice,
  gaveUpNotice,
  lostNotice,
  type Notice,
  RENEWED,
  refusedNotice,
} from './connection-notices.js';
import { SilenceHints } from './silence-hints.js';

/** The attempt at which a wait for a server is worth a line. */
const ATTEMPTS_UNTIL_NOTICE = 3;
/** A server that rejects a token may accept the connection first, and close it within this time. */
const KEPT_AFTER_MS = 500;

/** An endpoint, and when something happened to it, in microseconds since 1970. */
type Moment = Pick<EndpointNotice, 'endpoint' | 'atMicros'>;

/** A new connection, which is reported when its timer ends, unless more is known earlier. */
interface FreshConnection {
  notice: EndpointNotice;
  timer: NodeJS.Timeout;
  /** Matching events before. */
  events: number;
}

/**
 * Prints each change of a connection on stderr, with its time. Endpoints that share a fate share a line. Calls a
 * connection `connected` when the server has kept it for a moment, or sent something.
 */
export class ConnectionMessages {
  readonly #times: TimeText;
  #date: string;
  readonly #hasSeveral: boolean;
  readonly #notices: ConnectionNotices;
  readonly #printed = new Set<OpmasError>();
  /** Endpoints that have not been open yet. */
  readonly #waiting: Set<string>;
  /** True until the user has been told that connecting never ends by itself. */
  #saysThatItWaits: boolean;
  readonly #silences = new SilenceHints();
  /** Endpoints whose connection is open and was kept for a moment. */
  readonly #kept = new Set<string>();
  /** Connections that have opened, and are not known to be kept. */
  readonly #fresh = new Map<string, FreshConnection>();
  /** Losses by an expired token, until it is clear whether it was renewed. */
  readonly #expired = new Map<string, EndpointNotice>();
  /** Since when endpoints are lost, in microseconds since 1970. */
  readonly #lostAt = new Map<string, number>();
  /** The failed attempt that was reported last, by endpoint. */
  readonly #failures = new Map<string, string | undefined>();

  /**
   * @param countOf Returns the number of matching events of an endpoint so far. @param utc Prints times in UTC.
   * @param isEach Reports each endpoint by itself, and at once.
   */
  constructor(
    private readonly messages: Messages,
    { endpoints, retry, durationMs }: Pick<SubscribeOptions, 'endpoints' | 'retry' | 'durationMs'>,
    private readonly countOf: (endpoint: string) => number,
    { utc = false, isEach = false },
  ) {
    this.#times = new TimeText(utc);
    this.#date = this.#times.date(systemClock.nowMicros());
    this.#waiting = new Set(endpoints);
    this.#hasSeveral = this.#waiting.size > 1;
    this.#saysThatItWaits = retry?.waitForServer === true && durationMs === undefined;
    this.#notices = new ConnectionNotices(
      messages.palette,
      this.#waiting,
      isEach || !this.#hasSeveral,
      (line, notice) => this.#print(line, notice),
    );
  }

  onLifecycle(event: LifecycleEvent): void {
    const { endpoint, connection } = event;
    const moment = { endpoint, atMicros: parseTimestamp(event.receivedAt) ?? 0 };
    switch (connection.state) {
      case 'connecting':
        this.messages.debug(`${endpoint}: attempt ${connection.attempt}, ${connection.url}`);
        if (connection.attempt === ATTEMPTS_UNTIL_NOTICE) this.#sayThatItWaits(endpoint);
        return;
      case 'open': {
        this.#waiting.delete(endpoint);
        const notice = { ...this.#openNotice(moment, connection), ...moment };
        // The server has kept the connections of other endpoints.
        const keptAfterMs = this.#notices.hasWaiting(notice.key) ? 0 : KEPT_AFTER_MS;
        const timer = setTimeout(() => this.#settle(endpoint, true), keptAfterMs).unref();
        this.#fresh.set(endpoint, { notice, timer, events: this.countOf(endpoint) });
        return;
      }
      case 'refused':
        this.#tellExpired(endpoint);
        // Without a wait, the attempt was begun again because another endpoint is back.
        if (connection.retry_in_ms) this.#addFailure({ ...refusedNotice(connection), ...moment });
        return;
      case 'closed':
        this.#settle(endpoint, connection.retry_in_ms === undefined && !mayReject(connection.code));
        this.#tellExpired(endpoint);
        // Without another attempt, the command was asked to stop, or an error is printed separately.
        if (connection.retry_in_ms !== undefined)
          this.#addLoss({ ...lostNotice(connection), ...moment }, connection.code);
        this.#printHint(endpoint, this.#silences.hintAfter(event));
        return;
      case 'dropped':
        this.#printError(endpoint, `${connection.count} events dropped: the output was not read`);
        return;
      case 'given_up':
        // An error of its own, which is printed by `onGiveUp` or at the end.
        this.#tellExpired(endpoint);
    }
  }

  #openNotice({ endpoint, atMicros }: Moment, connection: ConnectionEvent & { state: 'open' }): Notice {
    if (this.#expired.has(endpoint)) return RENEWED;
    const lostAt = this.#lostAt.get(endpoint);
    if (lostAt === undefined && connection.gap_since === undefined) return CONNECTED;
    return backNotice(atMicros, connection, lostAt ?? atMicros);
  }

  #addLoss(notice: EndpointNotice, code: number): void {
    const { endpoint, atMicros, milliseconds } = notice;
    const wasKept = this.#kept.delete(endpoint);
    if (wasKept) this.#lostAt.set(endpoint, atMicros);
    if (mayReject(code) && milliseconds === 0) {
      this.#expired.set(endpoint, notice);
    } else if (wasKept) {
      this.#notices.add(notice);
    } else {
      this.#addFailure(notice);
    }
  }

  /** Adds a failed attempt; among several endpoints, the same failure is not reported again before they are back. */
  #addFailure(notice: EndpointNotice): void {
    const isKnown = this.#failures.get(notice.endpoint) === notice.key;
    this.#failures.set(notice.endpoint, notice.key);
    if (!isKnown || this.#notices.isEach) this.#notices.add(notice);
  }

  #printHint(endpoint: string, hint: string | undefined): void {
    if (hint === undefined) return;
    this.#notices.flush();
    this.#print(this.#notices.line(endpoint, this.messages.palette.yellow(hint)));
  }

  #sayThatItWaits(endpoint: string): void {
    if (!this.#saysThatItWaits || !this.#waiting.has(endpoint)) return;
    this.#saysThatItWaits = false;
    this.#notices.flush();
    this.#print('waiting for the server, however long it takes (--retries N gives up)');
  }

  /** Takes note that events may have come. */
  onEvents(): void {
    for (const [endpoint, { events }] of this.#fresh) {
      if (this.countOf(endpoint) > events) this.#settle(endpoint, true);
    }
  }

  /** Prints the messages that still wait for a timer, because nothing more comes. */
  end(): void {
    for (const endpoint of this.#fresh.keys()) this.#settle(endpoint, true);
    for (const endpoint of this.#expired.keys()) this.#tellExpired(endpoint);
    this.#notices.flush();
  }

  /** Reports that an endpoint is connected, if the server has kept the connection or sent something. */
  #settle(endpoint: string, isKept: boolean): void {
    const fresh = this.#fresh.get(endpoint);
    if (fresh === undefined) return;
    this.#fresh.delete(endpoint);
    clearTimeout(fresh.timer);
    if (!isKept && this.countOf(endpoint) === fresh.events) return;
    this.#expired.delete(endpoint);
    this.#lostAt.delete(endpoint);
    this.#failures.delete(endpoint);
    this.#kept.add(endpoint);
    this.#notices.add(fresh.notice);
  }

  /** Reports a loss by an expired token that was not renewed. */
  #tellExpired(endpoint: string): void {
    const notice = this.#expired.get(endpoint);
    this.#expired.delete(endpoint);
    if (notice !== undefined) this.#notices.add(notice);
  }

  /** Warns when the first event is dropped: the reader of stdout may be stuck for hours. */
  onDropping(endpoint: string): void {
    this.#printError(endpoint, 'dropping events: the output is not being read');
  }

  onGiveUp(endpoint: string, error: OpmasError): void {
    if (!this.#hasSeveral) return;
    this.#printed.add(error);
    this.#notices.add({ ...gaveUpNotice(error.message), endpoint, atMicros: systemClock.nowMicros() });
  }

  /** Returns the error to end with; its message is not repeated if it was printed for an endpoint. */
  finalError(error: unknown): unknown {
    if (!(error instanceof OpmasError) || !this.#printed.has(error)) return error;
    return new OpmasError(error.code, 'gave up on all endpoints (see above)', { hint: error.hint });
  }

  #print(text: string, { atMicros = systemClock.nowMicros(), color }: Partial<EndpointNotice> = {}): void {
    const { isTerminal, palette } = this.messages;
    const date = this.#times.date(atMicros);
    // In a log file each line has its date, because many runs may write to it.
    if (isTerminal && date > this.#date) this.messages.say(palette.dim(date));
    this.#date = date;
    const clock = isTerminal ? this.#times.clock(atMicros).slice(0, 8) : this.#times.dateAndClock(atMicros);
    const time = palette.dim(`${clock} `);
    if (color === 'red') this.messages.error(text, time);
    else this.messages.say(text, time);
  }

  #printError(endpoint: string, text: string): void {
    this.#print(this.#notices.line(endpoint, this.messages.palette.red(text)), { color: 'red' });
  }
}
