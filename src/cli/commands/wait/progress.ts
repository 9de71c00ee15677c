import { type ConnectionEvent, type LifecycleEvent, OpmasError, parseTimestamp } from '../../../index.js';
import { ConnectionHistory, type EventSequence, type SequenceMatch, shortName } from '../../../internal.js';

/** Endpoints with gaps that are named. */
const MOST_NAMED = 10;
const AFTER_GAP = 'The API keeps no past events: check in another way, or try again.';

/** Follows a wait: which events have come, how long that took, and whether the next one may have been missed. */
export class WaitProgress {
  readonly history = new ConnectionHistory();
  readonly #done = new AbortController();
  /** Aborts when all events have come. */
  readonly done: AbortSignal = this.#done.signal;
  readonly #sequence: EventSequence;
  /** The endpoint whose events were dropped last because stdout was not read, and when. */
  #dropped: readonly (readonly [endpoint: string, to: number])[] = [];
  #latest: SequenceMatch | undefined;
  /** From here on the next event counts, in microseconds since 1970. */
  since = Number.NaN;

  /** @param say Prints the time between two events. */
  constructor(sequence: EventSequence, say: (text: string) => void) {
    this.#sequence = sequence;
    sequence.onMatch = (match) => {
      const latency = match.receivedAt - (this.#latest?.receivedAt ?? Number.NaN);
      // The start of a command is known to the millisecond: an event right after it may seem to come before it.
      const seconds = (latency / 1e6).toFixed(3).replace(/^-0\.00[01]$/, '0.000');
      if (!Number.isNaN(latency)) say(`${nameOf(match)} came ${seconds}s after ${nameOf(this.#latest)}`);
      this.#latest = match;
      this.since = match.receivedAt;
      if (sequence.isDone) this.#done.abort();
    };
  }

  /** Lets events count from now on. @param what That which happened now: `the start of sh`. */
  begin(what: string, nowMicros: number): void {
    this.#sequence.isOpen = true;
    this.#latest = { type: what, receivedAt: nowMicros };
    this.since = nowMicros;
  }

  /** Notes what happened to a live connection. */
  onLifecycle({ endpoint, receivedAt, connection }: LifecycleEvent): void {
    // A connection that we have closed ourselves.
    if (connection.state === 'closed' && !connection.lost && connection.retry_in_ms === undefined) return;
    this.note(endpoint, parseTimestamp(receivedAt) ?? Number.NaN, connection);
  }

  /** Notes what happened to a connection. */
  note(label: string, receivedAt: number, connection: ConnectionEvent): void {
    const endpoint = shortName(label);
    if (connection.state === 'dropped') this.#dropped = [[endpoint, receivedAt]];
    this.history.add(endpoint, receivedAt, connection);
  }

  /**
   * Judges a wait that has ended.
   *
   * @param how How it ended: `in 60s`. @param endMicros The time of its end. @param failure What kept events from coming.
   * @param advice What to do about a gap, if there was no failure.
   * @returns The error to end with; `undefined` when all events have come.
   */
  judge(how: string, endMicros: number, failure?: OpmasError, advice = AFTER_GAP): OpmasError | undefined {
    const { found, length, isDone } = this.#sequence;
    if (isDone) return undefined;
    // No event can come with a token that is rejected.
    if (failure?.code === 'AUTH') return failure;
    const what = length === 1 ? 'the event did not come' : `${found} of ${length} events came`;
    const gaps = this.#gapsOf(endMicros);
    const cause = failure === undefined ? '' : `; ${failure.message}`;
    if (gaps.length > 0) {
      const message = `${what} ${how}, but may have come in a gap (${gaps.join(', ')})${cause}`;
      return new OpmasError('GAPS', message, { hint: failure?.hint ?? advice });
    }
    return new OpmasError(failure?.code ?? 'INCOMPLETE', `${what} ${how}${cause}`, { hint: failure?.hint });
  }

  /** Returns the endpoints with a gap in which the next event may have come. */
  #gapsOf(endMicros: number): string[] {
    const gaps = this.history.finish(endMicros).gaps.map(({ endpoint, to }) => [endpoint, to] as const);
    // NaN, where a time is not known, compares as false.
    const late = [...gaps, ...this.#dropped].filter(([, to]) => !(to <= this.since));
    return [...new Set(late.map(([endpoint]) => endpoint))].slice(0, MOST_NAMED);
  }
}

function nameOf(match: SequenceMatch | undefined): string {
  return shortName(match?.type ?? 'an event');
}
