import { closeMeaning, escapeUnsafe, type LifecycleEvent, OpmasError, parseTimestamp } from '../../index.js';
import { formatDuration } from '../options/quantity.js';
import type { Messages } from '../terminal/terminal.js';

/** Says on stderr what happens to the connections: one line for each change. */
export class LifecycleMessages {
  readonly #messages: Messages;
  readonly #width: number;
  readonly #several: boolean;
  readonly #said = new Set<OpmasError>();

  constructor(messages: Messages, endpoints: readonly string[]) {
    this.#messages = messages;
    this.#width = Math.max(...endpoints.map((endpoint) => endpoint.length));
    this.#several = new Set(endpoints).size > 1;
  }

  onLifecycle({ endpoint, receivedAt, connection }: LifecycleEvent): void {
    const { yellow, green } = this.#messages.palette;
    switch (connection.state) {
      case 'connecting':
        this.#messages.debug(`${endpoint}: attempt ${connection.attempt}, ${connection.url}`);
        return;
      case 'open':
        this.#say(endpoint, green(openText(connection.gap_since, receivedAt)));
        return;
      case 'refused':
        if (connection.retry_in_ms === undefined) return;
        this.#say(endpoint, yellow(`${refusedText(connection)}, ${retryText(connection.retry_in_ms)}`));
        return;
      case 'closed':
        // Without another attempt it is the end that was asked for, or an error that is said on its own.
        if (connection.retry_in_ms === undefined) return;
        this.#say(endpoint, yellow(`lost: ${closedText(connection)}, ${retryText(connection.retry_in_ms)}`));
        return;
      case 'dropped':
        this.#sayError(endpoint, `${connection.count} events dropped: nobody took the output`);
    }
  }

  /** Said at once: the reader of stdout may be stuck for hours. */
  onDropping(endpoint: string): void {
    this.#sayError(endpoint, 'dropping events: nobody takes the output');
  }

  onGiveUp(endpoint: string, error: OpmasError): void {
    if (!this.#several) return;
    this.#said.add(error);
    this.#sayError(endpoint, escapeUnsafe(error.message));
  }

  /** The error to end with: why an endpoint was given up is not said twice. */
  withoutRepetition(error: unknown): unknown {
    if (!(error instanceof OpmasError) || !this.#said.has(error)) return error;
    return new OpmasError(error.code, 'no endpoint is left', { hint: error.hint });
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
  return `back after ${formatDuration(Math.max(0, to - from) / 1000)}: a gap, events in between may be missing`;
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
