import {
  closeMeaning,
  escapeUnsafe,
  type LifecycleEvent,
  OpmasError,
  parseTimestamp,
  type StreamSummary,
  type SubscribeOptions,
} from '../../index.js';
import { mayReject } from '../../internal.js';
import { counted, formatDuration } from '../options/quantity.js';
import type { Messages } from '../terminal/terminal.js';
import { SilenceHints } from './silence-hints.js';

/** The attempt at which a wait for a server is worth a line. */
const ATTEMPTS_UNTIL_NOTICE = 3;

/** A server that rejects a token may accept the connection first, and close it within this time. */
const KEPT_AFTER_MS = 500;

/** A connection that has opened, and is not known to be kept. */
interface FreshConnection {
  text: string;
  /** Matching events before it opened. */
  eventsBefore: number;
  timer: NodeJS.Timeout;
}

/**
 * Prints each change of a connection on stderr, one line each. Calls a connection `connected` when the server has kept
 * it for a moment, or sent something.
 */
export class ConnectionMessages {
  readonly #messages: Messages;
  readonly #width: number;
  readonly #hasSeveral: boolean;
  readonly #printed = new Set<OpmasError>();
  /** Endpoints that have not been open yet. */
  readonly #waiting: Set<string>;
  /** True until it has been said that connecting never ends by itself. */
  #saysThatItWaits: boolean;

  readonly #silences = new SilenceHints();
  readonly #fresh = new Map<string, FreshConnection>();
  readonly #countOf: (endpoint: string) => number;

  /** @param countOf Returns the number of matching events of an endpoint so far. */
  constructor(
    messages: Messages,
    { endpoints, retry }: Pick<SubscribeOptions, 'endpoints' | 'retry'>,
    countOf: (endpoint: string) => number,
  ) {
    this.#countOf = countOf;
    this.#messages = messages;
    this.#width = Math.max(...endpoints.map((endpoint) => endpoint.length));
    this.#waiting = new Set(endpoints);
    this.#saysThatItWaits = retry?.waitForServer === true;
    this.#hasSeveral = new Set(endpoints).size > 1;
  }

  onLifecycle(event: LifecycleEvent): void {
    const { endpoint, receivedAt, connection } = event;
    const { yellow, green } = this.#messages.palette;
    switch (connection.state) {
      case 'connecting':
        this.#messages.debug(`${endpoint}: attempt ${connection.attempt}, ${connection.url}`);
        if (connection.attempt === ATTEMPTS_UNTIL_NOTICE) this.#sayThatItWaits(endpoint);
        return;
      case 'open':
        this.#waiting.delete(endpoint);
        this.#waitUntilKept(endpoint, green(openText(connection.gap_since, receivedAt)));
        return;
      case 'refused':
        if (connection.retry_in_ms === undefined) return;
        this.#say(endpoint, yellow(`${refusedText(connection)}, ${retryText(connection.retry_in_ms)}`));
        return;
      case 'closed':
        this.#settle(endpoint, !mayReject(connection.code));
        // Without another attempt, the command was asked to stop, or an error is printed separately.
        if (connection.retry_in_ms === undefined) return;
        this.#say(endpoint, yellow(`lost: ${closedText(connection)}, ${retryText(connection.retry_in_ms)}`));
        this.#sayHint(endpoint, this.#silences.hintAfter(event));
        return;
      case 'dropped':
        this.#sayError(endpoint, `${connection.count} events dropped: the output was not read`);
        return;
      case 'given_up':
      // An error of its own, which is printed by `onGiveUp` or at the end.
    }
  }

  #sayHint(endpoint: string, hint: string | undefined): void {
    if (hint !== undefined) this.#say(endpoint, this.#messages.palette.yellow(hint));
  }

  #sayThatItWaits(endpoint: string): void {
    if (!this.#saysThatItWaits || !this.#waiting.has(endpoint)) return;
    this.#saysThatItWaits = false;
    this.#messages.say('waiting for the server, however long it takes (--retries N gives up)');
  }

  /** Takes note that events may have come. */
  onEvents(): void {
    for (const [endpoint, { eventsBefore }] of this.#fresh) {
      if (this.#countOf(endpoint) > eventsBefore) this.#settle(endpoint, true);
    }
  }

  /** Prints what waits for its moment, because nothing more comes. */
  end(): void {
    for (const endpoint of this.#fresh.keys()) this.#settle(endpoint, true);
  }

  #waitUntilKept(endpoint: string, text: string): void {
    const timer = setTimeout(() => this.#settle(endpoint, true), KEPT_AFTER_MS);
    timer.unref();
    this.#fresh.set(endpoint, { text, timer, eventsBefore: this.#countOf(endpoint) });
  }

  /** Prints that an endpoint is connected, if the server has kept the connection or sent something. */
  #settle(endpoint: string, isKept: boolean): void {
    const fresh = this.#fresh.get(endpoint);
    if (fresh === undefined) return;
    this.#fresh.delete(endpoint);
    clearTimeout(fresh.timer);
    if (isKept || this.#countOf(endpoint) > fresh.eventsBefore) this.#say(endpoint, fresh.text);
  }

  /** Warns when the first event is dropped: the reader of stdout may be stuck for hours. */
  onDropping(endpoint: string): void {
    this.#sayError(endpoint, 'dropping events: the output is not being read');
  }

  onGiveUp(endpoint: string, error: OpmasError): void {
    if (!this.#hasSeveral) return;
    this.#printed.add(error);
    this.#sayError(endpoint, escapeUnsafe(error.message));
  }

  /** Returns the error to end with; its message is not repeated if it was printed for an endpoint. */
  finalError(error: unknown): unknown {
    if (!(error instanceof OpmasError) || !this.#printed.has(error)) return error;
    return new OpmasError(error.code, 'gave up on all endpoints (see above)', { hint: error.hint });
  }

  #say(endpoint: string, text: string): void {
    this.#messages.say(this.#lineOf(endpoint, text));
  }

  #sayError(endpoint: string, text: string): void {
    this.#messages.error(this.#lineOf(endpoint, this.#messages.palette.red(text)));
  }

  #lineOf(endpoint: string, text: string): string {
    return `${escapeUnsafe(endpoint).padEnd(this.#width)}  ${text}`;
  }
}

function openText(gapSince: string | undefined, receivedAt: string): string {
  if (gapSince === undefined) return 'connected';
  const from = parseTimestamp(gapSince) ?? 0;
  const to = parseTimestamp(receivedAt) ?? from;
  return `back after ${formatDuration(Math.max(0, to - from) / 1000)}: a gap, events may be missing`;
}

function refusedText({ status, error }: { status?: number; error?: string }): string {
  const detail = error === undefined ? '' : escapeUnsafe(error);
  if (status === undefined) return detail;
  return `refused with HTTP ${status}${detail === '' ? '' : `: ${detail}`}`;
}

function closedText({ code, reason }: { code: number; reason: string }): string {
  return `${code} ${closeMeaning(code)}${reason === '' ? '' : `: ${escapeUnsafe(reason)}`}`;
}

function retryText(milliseconds: number): string {
  return `retry in ${formatDuration(milliseconds)}`;
}

/** Formats the summary of a stream: `120 events (devices 80, agents 40) in 3m12s, 1 gap of 12s, 0 dropped`. */
export function summaryText(summary: StreamSummary, more: readonly string[] = []): string {
  const counts = Object.entries(summary.events);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const byEndpoint = counts.map(([endpoint, count]) => `${endpoint} ${count}`).join(', ');
  const parts = [
    `${counted(total, 'event')} (${byEndpoint}) in ${formatDuration(summary.durationMs)}`,
    gapText(summary.gaps),
  ];
  if (summary.invalid > 0) parts.push(invalidText(summary));
  parts.push(`${summary.dropped} dropped`, ...more);
  return parts.join(', ');
}

function invalidText({ invalid, invalidSkipped, invalidReason }: StreamSummary): string {
  const text = `${invalid} invalid${invalidReason === undefined ? '' : ` (${invalidReason})`}`;
  if (invalidSkipped === 0) return text;
  return `${text}, ${invalidSkipped === invalid ? 'all' : invalidSkipped} skipped by the filter`;
}

function gapText({ count, totalMs }: StreamSummary['gaps']): string {
  if (count === 0) return 'no gaps';
  return count === 1
    ? `1 gap of ${formatDuration(totalMs)}`
    : `${count} gaps, ${formatDuration(totalMs)} in all`;
}
