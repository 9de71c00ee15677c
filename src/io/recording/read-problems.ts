import { OpmasError } from '../../core/errors.js';
import { isStreamAddress } from '../../core/jetstream/address.js';
import type { LineView } from '../../core/recording/line-view.js';

/** A piece of damage in a recording. */
export interface ReadProblem {
  /**
   * - `bad line`: the line is not a JSON object, or not UTF-8; it was skipped.
   * - `torn tail`: the last line is not whole, as after a kill or a power loss; it was skipped.
   * - `hole`: bytes of value 0 before a line, as after a power loss; they were skipped.
   * - `torn gzip`: the compressed data ends too early or is damaged; everything before that was read.
   * - `empty`: one of several sources is empty, as after a kill during a rotation.
   * - `disorder`: times go back; nothing was skipped, and `strict` does not count it.
   * - `left out`: one of several sources is the lock of a recording, or the same file as another one.
   * - `followed`: a file that is followed was truncated, or is not there; reading a stream of NATS was interrupted, or
   *   goes on.
   * - `selection`: nothing of the recording, or less than was asked for, was selected; the message says why.
   */
  kind:
    | 'bad line'
    | 'torn tail'
    | 'hole'
    | 'torn gzip'
    | 'empty'
    | 'disorder'
    | 'left out'
    | 'followed'
    | 'selection';
  /** Path, or `stdin`. */
  source: string;
  /** Line number from 1. */
  line: number;
  /** Offset of the first byte of the line (in the unpacked data). */
  offset: number;
  /** A sentence with source, line and offset. */
  message: string;
}

/** Makes the problem of a source as a whole. */
export function problemOf(kind: ReadProblem['kind'], source: string, message: string): ReadProblem {
  return { kind, source, line: 0, offset: 0, message };
}

const HARMLESS: ReadonlySet<ReadProblem['kind']> = new Set(['disorder', 'left out', 'followed', 'selection']);

/** Returns whether something of the recording was lost. */
export function isDamage({ kind }: ReadProblem): boolean {
  return !HARMLESS.has(kind);
}

/** Returns the handler for problems; in strict reading, damage throws. */
export function problemHandler({
  strict,
  onProblem,
}: {
  strict?: boolean | undefined;
  onProblem?: ((problem: ReadProblem) => void) | undefined;
}): (problem: ReadProblem) => void {
  if (!strict) return onProblem ?? (() => undefined);
  return (problem) => {
    if (!isDamage(problem)) return onProblem?.(problem);
    throw new OpmasError('DATA', problem.message, { hint: 'Without `strict`, damage is skipped.' });
  };
}

/** A source whose first lines, this many, are all bad is not a recording. */
const MAX_BAD_START = 100;

/** Place in a source: line number from 1, offset of the first byte of the line. */
export interface Place {
  line: number;
  offset: number;
}

/**
 * Collects the problems of one source. Without a good line the source may not be a recording at all, which is a
 * different message: so problems are held back until a good line is found.
 */
export class ReadProblems {
  #held: ReadProblem[] = [];
  /** `true` when a good line was found. */
  isRecording = false;

  /** Path, or `stdin`. */
  source = '';
  /** The numbers of lines are unknown, because reading does not begin at the start. */
  isPart = false;

  /** @param isOnly `false` when there are other sources; then this may be empty. */
  constructor(
    private readonly isOnly: boolean,
    private readonly onProblem: (problem: ReadProblem) => void,
  ) {}

  /** Notes that a good line was found, and reports what was held back. */
  confirm(): void {
    this.isRecording = true;
    this.#release();
  }

  /** @throws {OpmasError} `DATA` when the source is not a recording. */
  report(kind: ReadProblem['kind'], what: string, { line, offset }: Place): void {
    const source = this.source;
    // Several recorders fill a stream, each with its own delay.
    if (kind === 'disorder' && isStreamAddress(source)) return;
    const message = this.isPart ? `${source}: ${what}` : `${source}:${line}: ${what}`;
    const problem = { kind, source, line, offset, message };
    if (this.isRecording) {
      this.onProblem(problem);
      return;
    }
    this.#held.push(problem);
    if (this.#held.length >= MAX_BAD_START) this.#refuse();
  }

  /**
   * Notes the end of the source.
   *
   * @throws {OpmasError} `DATA` when it has no good line, unless it is torn, or one of several sources and empty.
   */
  finish(place: Place): void {
    const isTorn = this.#held.some(({ kind }) => kind.startsWith('torn'));
    if (!this.isRecording && !isTorn) {
      if (this.#held.length > 0 || this.isOnly) this.#refuse();
      const what = isStreamAddress(this.source) ? 'the stream has no lines' : 'the file is empty';
      this.report('empty', what, place);
    }
    this.#release();
  }

  #release(): void {
    for (const problem of this.#held) this.onProblem(problem);
    this.#held = [];
  }

  #refuse(): never {
    const first = this.#held[0];
    if (first === undefined && isStreamAddress(this.source)) {
      throw new OpmasError('DATA', `${this.source} has no lines`, {
        hint: 'If they have another prefix, name it with `prefix`.',
      });
    }
    const what =
      first === undefined
        ? `${this.source}:1: it is empty, so it is not a recording`
        : `${this.source} is not a recording: line ${first.message.slice(this.source.length + 1)}`;
    throw new OpmasError('DATA', what, {
      hint: 'A recording has one JSON object on each line (NDJSON), as `opmas-ws record` and `jq -c` write it.',
    });
  }
}

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
  #isReported = false;
  readonly #latest = new Map<string, { at: number }>();
  #endpoint: string | undefined;
  #current: { at: number } = { at: Number.NEGATIVE_INFINITY };

  constructor(private readonly problems: ReadProblems) {}

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
    this.problems.report('disorder', `times go back at line ${line}${why}`, { line, offset });
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
