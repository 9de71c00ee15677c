const MICROSECONDS_PER_MILLISECOND = 1000;

/**
 * Where a replay stands in its schedule: microseconds of the schedule over milliseconds of a monotonic clock. It is a
 * straight line from its last anchor (start, change of speed, pause), so a replay of any length does not drift.
 */
export class Playhead {
  #speed: number;
  #paused = false;
  /** The point where the line begins. */
  #anchorTime: number;
  #anchorPosition: number;

  /**
   * @param now Milliseconds of the monotonic clock. @param speed 2 is twice as fast; more than 0.
   * @param position Where it starts, in microseconds of the schedule.
   */
  constructor(now: number, speed = 1, position = 0) {
    this.#anchorTime = now;
    this.#anchorPosition = position;
    this.#speed = speed;
  }

  get speed(): number {
    return this.#speed;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Microseconds of the schedule that are reached at that time: all that is due by then. */
  position(now: number): number {
    if (this.#paused) return this.#anchorPosition;
    return this.#anchorPosition + (now - this.#anchorTime) * MICROSECONDS_PER_MILLISECOND * this.#speed;
  }

  /** The time at which a position is reached, in milliseconds; infinite while paused before it. */
  timeOf(position: number): number {
    if (this.#paused) return position <= this.#anchorPosition ? this.#anchorTime : Number.POSITIVE_INFINITY;
    return this.#anchorTime + (position - this.#anchorPosition) / MICROSECONDS_PER_MILLISECOND / this.#speed;
  }

  setSpeed(speed: number, now: number): void {
    this.moveTo(this.position(now), now);
    this.#speed = speed;
  }

  pause(now: number): void {
    this.moveTo(this.position(now), now);
    this.#paused = true;
  }

  resume(now: number): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#anchorTime = now;
  }

  /** Stands at another position from now on, running or paused as before. */
  moveTo(position: number, now: number): void {
    this.#anchorPosition = position;
    this.#anchorTime = now;
  }
}
