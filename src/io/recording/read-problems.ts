import { OpmasError } from '../../core/errors.js';

/** Something in a recording that is not as it should be, and what was done about it. */
export interface ReadProblem {
  /**
   * - `bad line`: it is no JSON object, or no UTF-8; it was skipped.
   * - `torn tail`: the last line is not whole, as after a kill or a power loss; it was skipped.
   * - `hole`: bytes of value 0 before a line, as after a power loss; they were skipped.
   * - `torn gzip`: the compressed data ends too soon or is damaged; all before that was read.
   * - `empty`: one of several sources has nothing in it, as a part of a rotation whose recorder was killed just then.
   */
  kind: 'bad line' | 'torn tail' | 'hole' | 'torn gzip' | 'empty';
  /** Path, or `stdin`. */
  source: string;
  /** Line number from 1. */
  line: number;
  /** Offset of the line's first byte (in the unpacked data). */
  offset: number;
  /** The whole complaint as a sentence, with source, line and offset in it. */
  message: string;
}

/** What has no line of a recording among so many lines is none. */
const MAX_BAD_START = 100;

/** Where something is: line number from 1, offset of the line's first byte. */
export interface Place {
  line: number;
  offset: number;
}

/**
 * The problems of one source. Until there is a line of a recording in it, it may be something else altogether, and
 * that is another complaint: so problems are held back until one is found.
 */
export class ReadProblems {
  readonly #source: string;
  readonly #isOnly: boolean;
  readonly #onProblem: (problem: ReadProblem) => void;
  #held: ReadProblem[] = [];
  #isRecording = false;

  /** @param source Path, or `stdin`. @param isOnly Whether there is no other source beside it; else it may be empty. */
  constructor(source: string, isOnly: boolean, onProblem: (problem: ReadProblem) => void) {
    this.#source = source;
    this.#isOnly = isOnly;
    this.#onProblem = onProblem;
  }

  /** Whether a line of a recording was found. */
  get isRecording(): boolean {
    return this.#isRecording;
  }

  /** A line of a recording was found: what was held back is told, the rest at once. */
  confirm(): void {
    this.#isRecording = true;
    this.#release();
  }

  /** @throws {OpmasError} `DATA` when this must be something else. */
  report(kind: ReadProblem['kind'], what: string, { line, offset }: Place): void {
    const source = this.#source;
    const problem = { kind, source, line, offset, message: `${source}:${line}: ${what}` };
    if (this.#isRecording) {
      this.#onProblem(problem);
      return;
    }
    this.#held.push(problem);
    if (this.#held.length >= MAX_BAD_START) this.#refuse();
  }

  /**
   * The source has ended there.
   *
   * @throws {OpmasError} `DATA` when there was no line of a recording, and it is neither torn nor one of several and
   * empty.
   */
  finish(place: Place): void {
    const isTorn = this.#held.some(({ kind }) => kind.startsWith('torn'));
    if (!this.#isRecording && !isTorn) {
      if (this.#isOnly || this.#held.length > 0) this.#refuse();
      this.report('empty', 'the file is empty', place);
    }
    this.#release();
  }

  #release(): void {
    for (const problem of this.#held) this.#onProblem(problem);
    this.#held = [];
  }

  #refuse(): never {
    const first = this.#held[0];
    const what =
      first === undefined
        ? `${this.#source}:1: it is empty, so it is not a recording`
        : `${this.#source} is not a recording: line ${first.message.slice(this.#source.length + 1)}`;
    throw new OpmasError('DATA', what, {
      hint: 'A recording has one JSON object on each line (NDJSON), as `opmas-ws record` and `jq -c` write it.',
    });
  }
}
