import { type ConnectionEvent, closeMeaning, escapeUnsafe, parseTimestamp } from '../../index.js';
import { formatDuration } from '../options/quantity.js';
import type { Palette } from '../terminal/palette.js';
import type { Notice } from './shared-notices.js';

/** A line with more names has a number in place of the rest. */
const MAX_NAMES = 8;
/** The URL of an endpoint in an error. */
const URL_IN_ERROR = /wss?:\/\/\S+?(?=[:;,]?\s)/;

type EventOf<State extends ConnectionEvent['state']> = ConnectionEvent & { state: State };
/** An endpoint, and when something happened to it, in microseconds since 1970. */
type Moment = Pick<Notice, 'endpoint' | 'atMicros'>;

/** Words what happens to connections: for one endpoint, and for several that share it. */
export class ConnectionNotices {
  readonly #palette: Palette;
  readonly #endpoints: readonly string[];
  readonly #width: number;

  constructor(palette: Palette, endpoints: ReadonlySet<string>) {
    this.#palette = palette;
    this.#endpoints = [...endpoints];
    this.#width = Math.max(...this.#endpoints.map((endpoint) => endpoint.length));
  }

  get hasSeveral(): boolean {
    return this.#endpoints.length > 1;
  }

  /** @param wasKept It was open for more than a moment; else others that open now may end like it. */
  lost(
    moment: Moment,
    { code, reason, retry_in_ms: milliseconds }: EventOf<'closed'>,
    wasKept: boolean,
  ): Notice {
    const { yellow } = this.#palette;
    const text = `${code} ${closeMeaning(code)}${reason === '' ? '' : `: ${escapeUnsafe(reason)}`}`;
    const write = (all: readonly Notice[]) =>
      all.length === 1
        ? this.line(moment.endpoint, yellow(`lost: ${text}, ${retryText(all)}`))
        : yellow(`lost ${this.#whoOf(all)}: ${text}, ${retryText(all)}`);
    const awaits = wasKept ? (['open', 'fresh'] as const) : (['open', 'fresh', 'waiting'] as const);
    return { ...moment, key: `lost ${text}`, awaits, milliseconds, write };
  }

  refused(moment: Moment, { status, error = '', retry_in_ms: milliseconds }: EventOf<'refused'>): Notice {
    const { yellow } = this.#palette;
    const answer = status === undefined ? [] : [`refused with HTTP ${status}`];
    const text = [...answer, ...(error === '' ? [] : [escapeUnsafe(error)])].join(': ');
    const write = (all: readonly Notice[]) =>
      all.length === 1
        ? this.line(moment.endpoint, yellow(`${text}, ${retryText(all)}`))
        : yellow(`${this.#whoOf(all)}: ${text}, ${retryText(all)}`);
    // What a server writes beside the status may differ each time.
    return { ...moment, key: `refused ${status ?? text}`, awaits: ['waiting'], milliseconds, write };
  }

  /** @param lostAt When it was lost, if it was open before. */
  open(moment: Moment, { gap_since }: EventOf<'open'>, lostAt: number | undefined): Notice {
    const { green } = this.#palette;
    const gapAt = gap_since === undefined ? undefined : parseTimestamp(gap_since);
    // A server may have opened connections only to close them since the loss.
    const since = gapAt === undefined || lostAt === undefined ? (gapAt ?? lostAt) : Math.min(gapAt, lostAt);
    if (since === undefined) return this.#connected(moment);
    const milliseconds = Math.max(0, moment.atMicros - since) / 1000;
    const write = (all: readonly Notice[]) => {
      const back = `back after ${formatDuration(Math.max(...all.map((one) => one.milliseconds ?? 0)))}`;
      if (all.length > 1) return green(`${back}: ${this.#namesOf(all)} (with a gap)`);
      const text = gap_since === undefined ? 'connected' : `${back}: a gap, events may be missing`;
      return this.line(moment.endpoint, green(text));
    };
    return { ...moment, key: 'back', awaits: ['waiting', 'fresh'], milliseconds, write };
  }

  /** The first connection: a line for each endpoint, unless there are many. */
  #connected(moment: Moment): Notice {
    const { green } = this.#palette;
    const write = (all: readonly Notice[]) =>
      all.length > 1
        ? green(`connected: ${this.#namesOf(all)}`)
        : this.line(moment.endpoint, green('connected'));
    if (this.#endpoints.length <= MAX_NAMES) return { ...moment, key: `connected ${moment.endpoint}`, write };
    return { ...moment, key: 'connected', awaits: ['waiting', 'fresh'], write };
  }

  /** A new token has taken the place of an expired one. */
  renewed(moment: Moment): Notice {
    const text = 'token expired, renewed';
    const write = (all: readonly Notice[]) =>
      this.#palette.dim(this.#isAll(all) ? text : `${text}: ${this.#namesOf(all)}`);
    return { ...moment, key: text, awaits: ['waiting', 'fresh'], write };
  }

  /** @param message Names the URL of the endpoint, in whose place the names of several stand. */
  gaveUp(moment: Moment, message: string): Notice {
    const text = escapeUnsafe(message);
    const [url = ''] = URL_IN_ERROR.exec(text) ?? [];
    const write = (all: readonly Notice[]) => {
      const { red } = this.#palette;
      if (all.length === 1) return this.line(moment.endpoint, red(text));
      return red(text.replace(url, () => this.#whoOf(all)));
    };
    return { ...moment, key: text.replace(url, ''), awaits: ['waiting'], isError: true, write };
  }

  /** Formats a line about one endpoint. */
  line(endpoint: string, text: string): string {
    return `${escapeUnsafe(endpoint).padEnd(this.#width)}  ${text}`;
  }

  #isAll(all: readonly Notice[]): boolean {
    return all.length === this.#endpoints.length;
  }

  #whoOf(all: readonly Notice[]): string {
    if (!this.#isAll(all)) return this.#namesOf(all);
    return all.length === 2 ? 'both endpoints' : `all ${all.length} endpoints`;
  }

  #namesOf(all: readonly Notice[]): string {
    const members = new Set(all.map(({ endpoint }) => endpoint));
    const names = this.#endpoints.filter((endpoint) => members.has(endpoint)).map(escapeUnsafe);
    if (names.length <= MAX_NAMES) return names.join(', ');
    if (this.#isAll(all)) return `all ${names.length} endpoints`;
    return `${names.slice(0, MAX_NAMES).join(', ')} and ${names.length - MAX_NAMES} more`;
  }
}

/** Names the wait before the first attempt of all. */
function retryText(all: readonly Notice[]): string {
  const waitMs = Math.min(...all.map((one) => one.milliseconds ?? 0));
  return waitMs === 0 ? 'retry at once' : `retry in ${formatDuration(waitMs)}`;
}
