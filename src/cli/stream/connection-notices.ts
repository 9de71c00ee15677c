import { type ConnectionEvent, closeMeaning, escapeUnsafe, parseTimestamp } from '../../index.js';
import { formatDuration } from '../options/quantity.js';
import type { Palette } from '../terminal/palette.js';

/** Changes of several endpoints within this time, for the same cause, are reported in one line. */
const GATHER_MS = 1000;
/** A change that is reported late waits this long for the same change of other endpoints. */
const LEAST_GATHER_MS = 250;
/** A line with more endpoints has a number in place of the other names. */
const MAX_NAMES = 8;
/** The URL of an endpoint in an error. */
const URL_IN_ERROR = /wss?:\/\/\S+?(?=[:;,]?\s)/;

/** A change of an endpoint's connection, in words. */
export interface Notice {
  color: 'green' | 'yellow' | 'red' | 'dim';
  /** Notices with the same key share a line; without it, the line is printed at once. */
  key: string | undefined;
  /** A wait or a gap. */
  milliseconds?: number | undefined;
  /** Formats it. @param milliseconds Those of all notices that share the line. */
  text(milliseconds: readonly number[]): string;
}

/** A notice, its endpoint and its time, in microseconds since 1970. */
export interface EndpointNotice extends Notice {
  endpoint: string;
  atMicros: number;
}

type EventOf<State extends ConnectionEvent['state']> = ConnectionEvent & { state: State };

/**
 * Gathers messages that endpoints share. A line is printed as soon as all endpoints share it, at the latest a second after the
 * time that it names.
 */
export class ConnectionNotices {
  readonly #width: number;
  /** By key, the oldest first. */
  readonly #groups = new Map<string, { all: EndpointNotice[]; timer: NodeJS.Timeout }>();

  /** @param isEach Prints a line for each endpoint, at once. */
  constructor(
    private readonly palette: Palette,
    private readonly endpoints: readonly string[],
    readonly isEach: boolean,
    private readonly print: (line: string, first: EndpointNotice) => void,
  ) {
    this.#width = Math.max(...endpoints.map((endpoint) => endpoint.length));
  }

  add(notice: EndpointNotice): void {
    const { key, endpoint } = notice;
    if (key === undefined || this.isEach) {
      this.flush();
      this.#printLine([notice]);
      return;
    }
    if (this.#groups.get(key)?.all.some((one) => one.endpoint === endpoint)) this.flush(key);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const waitMs = GATHER_MS - (Date.now() - notice.atMicros / 1000);
      const timer = setTimeout(() => this.flush(key), Math.min(GATHER_MS, Math.max(LEAST_GATHER_MS, waitMs)));
      group = { all: [], timer: timer.unref() };
      this.#groups.set(key, group);
    }
    group.all.push(notice);
    if (group.all.length === this.endpoints.length) this.flush(key);
  }

  /** Prints all gathered lines, or the line of one key and those before it. */
  flush(last?: string): void {
    for (const [key, { all, timer }] of this.#groups) {
      clearTimeout(timer);
      this.#groups.delete(key);
      this.#printLine(all);
      if (key === last) return;
    }
  }

  /** Returns whether a line is about to be printed that other endpoints can share. */
  hasWaiting(key: string | undefined): boolean {
    return key !== undefined && this.#groups.has(key);
  }

  /** Formats a line about one endpoint. */
  line(endpoint: string, text: string): string {
    return `${escapeUnsafe(endpoint).padEnd(this.#width)}  ${text}`;
  }

  #printLine(all: readonly EndpointNotice[]): void {
    const first = all[0]!;
    const paint = this.palette[first.color];
    const text = first.text(all.flatMap(({ milliseconds }) => milliseconds ?? []));
    const who = this.#namesOf(all);
    if (all.length === 1) this.print(this.line(first.endpoint, paint(text)), first);
    else if (first.color === 'red') this.print(paint(text.replace(URL_IN_ERROR, () => who)), first);
    else this.print(paint(`${who}  ${text}`), first);
  }

  #namesOf(all: readonly EndpointNotice[]): string {
    const { length } = all;
    if (length === this.endpoints.length) return length === 2 ? 'both endpoints' : `all ${length} endpoints`;
    const members = new Set(all.map(({ endpoint }) => endpoint));
    const names = this.endpoints.filter((endpoint) => members.has(endpoint)).map(escapeUnsafe);
    if (length <= MAX_NAMES) return names.join(', ');
    return `${names.slice(0, MAX_NAMES).join(', ')} and ${length - MAX_NAMES} more`;
  }
}

export function lostNotice({ code, reason, retry_in_ms: milliseconds }: EventOf<'closed'>): Notice {
  const text = `lost: ${code} ${closeMeaning(code)}${reason === '' ? '' : `: ${escapeUnsafe(reason)}`}`;
  return { color: 'yellow', key: text, milliseconds, text: (all) => `${text}, ${retryText(all)}` };
}

export function refusedNotice({ status, error = '', retry_in_ms: milliseconds }: EventOf<'refused'>): Notice {
  const answer = status === undefined ? [] : [`refused with HTTP ${status}`];
  const text = [...answer, ...(error === '' ? [] : [escapeUnsafe(error)])].join(': ');
  // The text that a server writes beside the status may differ each time.
  const key = `refused ${status ?? text}`;
  return { color: 'yellow', key, milliseconds, text: (all) => `${text}, ${retryText(all)}` };
}

/** @param lostAt When the endpoint was lost, in microseconds: since then a server may have opened connections only to close them. */
export function backNotice(atMicros: number, { gap_since }: EventOf<'open'>, lostAt: number): Notice {
  const gapAt = gap_since === undefined ? undefined : parseTimestamp(gap_since);
  const milliseconds =
    gapAt === undefined ? undefined : Math.max(0, atMicros - Math.min(gapAt, lostAt)) / 1000;
  const text = (gaps: readonly number[]) =>
    gaps.length === 0
      ? 'connected'
      : `back after ${formatDuration(Math.max(...gaps))}: a gap, events may be missing`;
  return { color: 'green', key: 'back', milliseconds, text };
}

const fixedNotice = (color: Notice['color'], text: string): Notice => ({
  color,
  key: text,
  text: () => text,
});

export const CONNECTED = fixedNotice('green', 'connected');
/** A new token has taken the place of an expired one. */
export const RENEWED = fixedNotice('dim', 'token expired, renewed');

/** @param message Names the URL of the endpoint, in whose place the names of several stand. */
export function gaveUpNotice(message: string): Notice {
  const text = escapeUnsafe(message);
  return { color: 'red', key: text.replace(URL_IN_ERROR, ''), text: () => text };
}

/** Names the wait before the first attempt of all. */
function retryText(waits: readonly number[]): string {
  const waitMs = Math.min(...waits);
  return waitMs === 0 ? 'retry at once' : `retry in ${formatDuration(waitMs)}`;
}
