import {
  type ConnectionEvent,
  type LifecycleEvent,
  type OpmasError,
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

/** The state of an endpoint, as far as messages need it. */
interface Told {
  /** It has been open. */
  wasOpen?: boolean;
  /** Its connection is open, and the server keeps it. */
  isKept?: boolean;
  /** Since when it is lost, in microseconds since 1970. */
  lostAt?: number | undefined;
  /** The failed attempt that was reported last. */
  failure?: string | undefined;
  /** A connection that has opened, until it is clear whether the server keeps it. */
  opening?: EndpointNotice | undefined;
  /** A loss by an expired token, until it is clear whether it was renewed. */
  expiry?: EndpointNotice | undefined;
}

/**
 * Prints each change of a connection on stderr, with its time. Endpoints that share a fate share a line. Calls a
 * connection `connected` when the server keeps it: one that rejects a token may accept the connection first.
 */
export class ConnectionMessages {
  readonly #times: TimeText;
  #date: string;
  readonly #notices: ConnectionNotices;
  readonly #endpoints: Map<string, Told>;
  /** True until the user has been told that connecting never ends by itself. */
  #saysThatItWaits: boolean;
  readonly #silences = new SilenceHints();

  /** @param utc Prints times in UTC. @param isEach Reports each endpoint by itself, and at once. */
  constructor(
    private readonly messages: Messages,
    { endpoints, retry, durationMs }: Pick<SubscribeOptions, 'endpoints' | 'retry' | 'durationMs'>,
    { utc = false, isEach = false },
  ) {
    this.#times = new TimeText(utc);
    this.#date = this.#times.date(systemClock.nowMicros());
    this.#endpoints = new Map(endpoints.map((endpoint) => [endpoint, {}]));
    this.#saysThatItWaits = retry?.waitForServer === true && durationMs === undefined;
    const names = [...this.#endpoints.keys()];
    this.#notices = new ConnectionNotices(
      messages.palette,
      names,
      isEach || names.length === 1,
      (line, notice) => this.#print(line, notice),
    );
  }

  onLifecycle(event: LifecycleEvent): void {
    const { endpoint, connection } = event;
    const told = this.#endpoints.get(endpoint)!;
    const moment = { endpoint, atMicros: parseTimestamp(event.receivedAt) ?? 0 };
    switch (connection.state) {
      case 'connecting':
        this.messages.debug(`${endpoint}: attempt ${connection.attempt}, ${connection.url}`);
        if (connection.attempt === ATTEMPTS_UNTIL_NOTICE && !told.wasOpen) this.#sayThatItWaits();
        return;
      case 'open':
        told.wasOpen = true;
        told.opening = { ...openNotice(told, moment.atMicros, connection), ...moment };
        // The server has kept the connections of other endpoints.
        if (this.#notices.hasWaiting(told.opening.key)) this.onKept(endpoint);
        return;
      case 'refused':
        this.#tellExpiry(told);
        // Without a wait, the attempt was begun again because another endpoint is back.
        if (connection.retry_in_ms) this.#addFailure(told, { ...refusedNotice(connection), ...moment });
        return;
      case 'closed':
        // Without another attempt, we have closed it ourselves, unless it is now given up.
        if (connection.retry_in_ms !== undefined || mayReject(connection.code)) told.opening = undefined;
        this.#tellExpiry(told);
        // Without another attempt, the command was asked to stop, or an error is printed separately.
        if (connection.retry_in_ms !== undefined)
          this.#addLoss(told, { ...lostNotice(connection), ...moment }, connection.code);
        this.#printHint(endpoint, this.#silences.hintAfter(event));
        return;
      case 'dropped':
        this.#printError(endpoint, `${connection.count} events dropped: the output was not read`);
        return;
      case 'given_up':
        // An error of its own, which is printed by `onGiveUp` or at the end.
        told.opening = undefined;
        this.#tellExpiry(told);
        return;
      default:
        connection.state satisfies 'stopped';
    }
  }

  /** Reports that an endpoint is connected: the server keeps the connection, or has sent something. */
  onKept(endpoint: string): void {
    const told = this.#endpoints.get(endpoint)!;
    if (told.opening === undefined) return;
    this.#endpoints.set(endpoint, { wasOpen: true, isKept: true });
    this.#notices.add(told.opening);
  }

  #addLoss(told: Told, notice: EndpointNotice, code: number): void {
    const wasKept = told.isKept;
    told.isKept = false;
    if (wasKept) told.lostAt = notice.atMicros;
    if (mayReject(code) && notice.milliseconds === 0) told.expiry = notice;
    else if (wasKept) this.#notices.add(notice);
    else this.#addFailure(told, notice);
  }

  /** Adds a failed attempt; among several endpoints, the same failure is not reported again before they are back. */
  #addFailure(told: Told, notice: EndpointNotice): void {
    const isKnown = told.failure === notice.key;
    told.failure = notice.key;
    if (!isKnown || this.#notices.isEach) this.#notices.add(notice);
  }

  #printHint(endpoint: string, hint: string | undefined): void {
    if (hint === undefined) return;
    this.#notices.flush();
    this.#print(this.#notices.line(endpoint, this.messages.palette.yellow(hint)));
  }

  #sayThatItWaits(): void {
    if (!this.#saysThatItWaits) return;
    this.#saysThatItWaits = false;
    this.#notices.flush();
    this.#print('waiting for the server, however long it takes (--retries N gives up)');
  }

  /** Prints the messages that still wait for a timer. @param hasFailed The server may keep no connection. */
  end(hasFailed = false): void {
    for (const endpoint of hasFailed ? [] : this.#endpoints.keys()) this.onKept(endpoint);
    for (const told of this.#endpoints.values()) this.#tellExpiry(told);
    this.#notices.flush();
  }

  /** Reports a loss by an expired token that was not renewed. */
  #tellExpiry(told: Told): void {
    const { expiry } = told;
    told.expiry = undefined;
    if (expiry !== undefined) this.#notices.add(expiry);
  }

  /** Warns when the first event is dropped: the reader of stdout may be stuck for hours. */
  onDropping(endpoint: string): void {
    this.#printError(endpoint, 'dropping events: the output is not being read');
  }

  onGiveUp(endpoint: string, error: OpmasError): void {
    // The error of a single endpoint is printed at the end.
    if (this.#endpoints.size === 1) return;
    this.#notices.add({ ...gaveUpNotice(error.message), endpoint, atMicros: systemClock.nowMicros() });
  }

  #print(
    text: string,
    { atMicros = systemClock.nowMicros(), ...notice }: Partial<EndpointNotice> = {},
  ): void {
    const { isTerminal, palette } = this.messages;
    const date = this.#times.date(atMicros);
    // In a log file each line has its date, because many runs may write to it.
    if (isTerminal && date > this.#date) this.messages.say(palette.dim(date));
    this.#date = date;
    const clock = isTerminal ? this.#times.clock(atMicros).slice(0, 8) : this.#times.dateAndClock(atMicros);
    const time = palette.dim(`${clock} `);
    if (notice.color === 'red') this.messages.error(text, time);
    else this.messages.say(text, time, notice.key === CONNECTED.key);
  }

  #printError(endpoint: string, text: string): void {
    this.#print(this.#notices.line(endpoint, this.messages.palette.red(text)), { color: 'red' });
  }
}

function openNotice(
  { expiry, lostAt }: Told,
  atMicros: number,
  connection: ConnectionEvent & { state: 'open' },
): Notice {
  if (expiry !== undefined) return RENEWED;
  if (lostAt === undefined && connection.gap_since === undefined) return CONNECTED;
  return backNotice(atMicros, connection, lostAt ?? atMicros);
}
