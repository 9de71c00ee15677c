import type { ServedClient } from '../server/stream-source.js';

/** What a playback can be told while it runs. */
export interface PlaybackControls {
  /** 2 is twice the recorded speed. */
  setSpeed(speed: number): void;
  pause(): void;
  resume(): void;
  /** While paused: sends the next event, whenever it is due. */
  step(): void;
}

/** One going through the recording with a clock of its own, and the clients who watch it. */
export interface Playback extends PlaybackControls {
  /** Resolves when all has been sent and taken, or after {@link stop}; rejects when the recording can't be read. */
  readonly ended: Promise<void>;
  /** How many clients watch. */
  readonly clients: number;
  /** Where it stands, in microseconds of the schedule. */
  readonly position: number;
  readonly started: boolean;
  /** Whether it went through to the end. */
  readonly isOver: boolean;
  join(client: ServedClient): void;
  leave(client: ServedClient): void;
  /** Begins to send; its clock starts. */
  start(): void;
  /** Sends nothing more and closes the recording. */
  stop(): void;
}
