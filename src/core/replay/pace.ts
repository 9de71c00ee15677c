/**
 * When the lines of a recording are due. A schedule counts microseconds from its start at speed 1; it knows nothing of
 * the time of day, nor of how fast it is played ({@link Playhead}). Every due time is reckoned from the recorded
 * times, never from when something was really sent, so no error ever adds up.
 */

const MICROSECONDS_PER_SECOND = 1_000_000;

/** A step back by more than this is a clock that was set back, or a second recording behind the first. */
const LARGEST_DISORDER = MICROSECONDS_PER_SECOND;

/** The pause before the next pass when a recording has no times to tell it from. */
const LOOP_PAUSE = MICROSECONDS_PER_SECOND;

/** How recorded times become a schedule. */
export interface PaceOptions {
  /** Events a second, in place of the recorded times. */
  rate?: number | undefined;
  /** Longer silences are cut to so many microseconds. */
  maxGap?: number | undefined;
}

/**
 * Turns recorded times into due times, line after line, in the order of the recording. The first line is due at 0;
 * each further one as long after it as it was recorded after it. Times that go backwards wait zero: a little disorder
 * (up to a second) changes nothing for what follows it, and after a larger step back the count goes on from there.
 * So due times never decrease.
 */
export class Pace {
  readonly #interval: number | undefined;
  readonly #maxGap: number;
  /** The recorded time that the schedule has come to; `undefined` at the start of a pass. */
  #recorded: number | undefined;
  /** Where the running pass began, and the due time of the line before. */
  #passStart = 0;
  #due = 0;
  #linesInPass = 0;

  constructor({ rate, maxGap }: PaceOptions = {}) {
    this.#interval = rate === undefined ? undefined : MICROSECONDS_PER_SECOND / rate;
    this.#maxGap = maxGap ?? Number.POSITIVE_INFINITY;
  }

  /**
   * The due time of the next line.
   *
   * @param recordedAt Microseconds since 1970; a line without a time goes with the one before it.
   */
  next(recordedAt: number | undefined): number {
    const index = this.#linesInPass++;
    if (this.#interval !== undefined) {
      this.#due = this.#passStart + index * this.#interval;
    } else if (recordedAt !== undefined) {
      this.#due += this.#gapBefore(recordedAt);
    }
    return this.#due;
  }

  /**
   * Begins the next pass of a loop: times go on, one mean interval of this pass after its last line (a second when
   * all its lines are due at once, so that a loop over them does not spin).
   */
  restart(): void {
    if (this.#linesInPass === 0) return;
    if (this.#interval === undefined) {
      const mean = (this.#due - this.#passStart) / (this.#linesInPass - 1);
      this.#due += Math.min(mean > 0 ? mean : LOOP_PAUSE, this.#maxGap);
      this.#passStart = this.#due;
    } else {
      this.#passStart += this.#linesInPass * this.#interval;
      this.#due = this.#passStart;
    }
    this.#linesInPass = 0;
    this.#recorded = undefined;
  }

  #gapBefore(recordedAt: number): number {
    const reached = this.#recorded ?? recordedAt;
    if (recordedAt < reached && reached - recordedAt <= LARGEST_DISORDER) return 0;
    this.#recorded = recordedAt;
    return Math.min(Math.max(0, recordedAt - reached), this.#maxGap);
  }
}
