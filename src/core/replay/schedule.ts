/**
 * The time rules of a replay. A schedule counts microseconds from its start at speed 1. It knows neither the time of day
 * nor the speed at which it is played ({@link Playhead}). Every due time is computed from recorded times, never from the
 * moment when something was sent, so errors do not add up.
 */

const MICROS_PER_SECOND = 1_000_000;
export const MICROS_PER_MS = 1000;

/** Lines may stand this far out of the order of their times. A larger step back is a clock that was set back. */
const LARGEST_DISORDER_MICROS = MICROS_PER_SECOND;

/** The pause before the next pass of a loop when a recording has no times to tell it from. */
const LOOP_PAUSE_MICROS = MICROS_PER_SECOND;

export interface ScheduleOptions {
  /** Events a second, in place of the recorded times. */
  rate?: number | undefined;
  /** Longer silences are cut to this. */
  maxGapMicros?: number | undefined;
}

/**
 * Turns recorded times into due times, line after line, in the order of the recording. The first line is due at 0, each
 * further line as long after it as it was recorded after it. Due times never decrease: disorder of up to a second changes
 * nothing for the lines that follow, and after a larger step back the schedule goes on from where it stands.
 */
export class Schedule {
  readonly #intervalMicros: number | undefined;
  readonly #maxGapMicros: number;
  /** The recorded time that the schedule has reached; `undefined` at the start of a pass. */
  #recordedAt: number | undefined;
  #passStart = 0;
  /** Due time of the last line. */
  #due = 0;
  #linesInPass = 0;

  constructor({ rate, maxGapMicros }: ScheduleOptions = {}) {
    this.#intervalMicros = rate === undefined ? undefined : MICROS_PER_SECOND / rate;
    this.#maxGapMicros = maxGapMicros ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Returns the due time of the next line.
   *
   * @param recordedAt Microseconds since 1970. A line without a time (`NaN`) is due with the line before it.
   * @param isUnsorted The lines are in no order: one that is earlier than those before it is due at once, and does not
   *   set the schedule back. Else the sum of all steps forward could be days.
   */
  next(recordedAt: number, isUnsorted = false): number {
    const index = this.#linesInPass++;
    if (this.#intervalMicros !== undefined) this.#due = this.#passStart + index * this.#intervalMicros;
    else if (!Number.isNaN(recordedAt)) this.#due += this.#gapBefore(recordedAt, isUnsorted);
    return this.#due;
  }

  /**
   * Begins the next pass of a loop, one mean interval after the last line. When all lines are due at once, that is a
   * second, so that a loop over them does not spin.
   *
   * @returns Where the next pass begins.
   */
  restart(): number {
    if (this.#linesInPass === 0) return this.#passStart;
    if (this.#intervalMicros === undefined) {
      const mean = (this.#due - this.#passStart) / (this.#linesInPass - 1);
      this.#due += Math.min(mean > 0 ? mean : LOOP_PAUSE_MICROS, this.#maxGapMicros);
      this.#passStart = this.#due;
    } else {
      this.#passStart += this.#linesInPass * this.#intervalMicros;
      this.#due = this.#passStart;
    }
    this.#linesInPass = 0;
    this.#recordedAt = undefined;
    return this.#passStart;
  }

  #gapBefore(recordedAt: number, isUnsorted: boolean): number {
    const reached = this.#recordedAt ?? recordedAt;
    const isSmall = isUnsorted || reached - recordedAt <= LARGEST_DISORDER_MICROS;
    if (recordedAt < reached && isSmall) return 0;
    this.#recordedAt = recordedAt;
    return Math.min(Math.max(0, recordedAt - reached), this.#maxGapMicros);
  }
}

/**
 * The position of a replay in its schedule: microseconds of the schedule over milliseconds of a monotonic clock. It is a
 * straight line from its last anchor (start, change of speed, pause), so a replay of any length does not drift.
 */
export class Playhead {
  speed: number;
  paused = false;
  /** The point where the line begins. */
  #anchorMs: number;
  #anchorPosition = 0;

  /**
   * @param nowMs Of the monotonic clock.
   * @param speed More than 0; 2 is twice as fast. At infinite speed every position is reached, except while paused.
   */
  constructor(nowMs: number, speed = 1) {
    this.#anchorMs = nowMs;
    this.speed = speed;
  }

  /** The position that is reached at that time, in microseconds of the schedule. */
  position(nowMs: number): number {
    if (this.paused) return this.#anchorPosition;
    if (this.speed === Number.POSITIVE_INFINITY) return this.speed;
    return this.#anchorPosition + (nowMs - this.#anchorMs) * MICROS_PER_MS * this.speed;
  }

  /** The time at which a position is reached, in milliseconds; infinite while paused before it. */
  timeOf(position: number): number {
    if (this.paused) return position <= this.#anchorPosition ? this.#anchorMs : Number.POSITIVE_INFINITY;
    return this.#anchorMs + (position - this.#anchorPosition) / MICROS_PER_MS / this.speed;
  }

  setSpeed(speed: number, nowMs: number): void {
    this.#anchorAt(nowMs);
    this.speed = speed;
  }

  pause(nowMs: number): void {
    if (this.speed !== Number.POSITIVE_INFINITY) this.#anchorAt(nowMs);
    this.paused = true;
  }

  resume(nowMs: number): void {
    if (!this.paused) return;
    this.paused = false;
    this.#anchorMs = nowMs;
  }

  #anchorAt(nowMs: number): void {
    this.#anchorPosition = this.position(nowMs);
    this.#anchorMs = nowMs;
  }
}
