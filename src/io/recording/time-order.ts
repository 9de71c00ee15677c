import type { LineView } from '../../core/recording/line-view.js';
import type { ReadProblems } from './read-problems.js';

/** Endpoints that are told apart; all others count as one. */
const MAX_ENDPOINTS = 100;
/** A new connection may begin this much earlier: it reads the wall clock anew. */
const NEW_ANCHOR_MICROS = 1_000_000;

/**
 * Notices lines of one source whose times go back. On one connection they never do, so the file is not sorted; between
 * connections the clock may have been set back.
 */
export class TimeOrder {
  #steps = 0;
  readonly #problems: ReadProblems;
  #isReported = false;
  readonly #latest = new Map<string, { at: number }>();
  #endpoint: string | undefined;
  #current: { at: number } = { at: Number.NEGATIVE_INFINITY };

  constructor(problems: ReadProblems) {
    this.#problems = problems;
  }

  /** The lines are in no order: more than one step back on a connection is no clock that was set. */
  get isUnsorted(): boolean {
    return this.#steps > 1;
  }

  /** Compares a line with those before it. */
  check({ receivedAt, endpoint = '', connection }: LineView, line: number, offset: number): void {
    // Lines that repeat the state at the start of a part are not in order with the others.
    if (Number.isNaN(receivedAt) || (connection !== undefined && 'continued' in connection)) return;
    if (endpoint !== this.#endpoint) this.#current = this.#latestOf(endpoint);
    this.#endpoint = endpoint;
    const backMicros = this.#current.at - receivedAt;
    const isNew = connection?.state === 'connecting';
    if (backMicros <= 0 || isNew) this.#current.at = receivedAt;
    if (!(backMicros > (isNew ? NEW_ANCHOR_MICROS : 0))) return;
    if (!isNew) this.#steps++;
    if (this.#isReported) return;
    this.#isReported = true;
    const why = isNew
      ? ' with a new connection: the clock was set back, or parts are in the wrong order'
      : '; sort the file';
    this.#problems.report('disorder', `times go back at line ${line}${why}`, { line, offset });
  }

  #latestOf(endpoint: string): { at: number } {
    let known = this.#latest.get(endpoint);
    if (known === undefined) {
      known = this.#latest.size < MAX_ENDPOINTS ? { at: Number.NEGATIVE_INFINITY } : { at: Number.NaN };
      if (this.#latest.size < MAX_ENDPOINTS) this.#latest.set(endpoint, known);
    }
    return known;
  }
}
