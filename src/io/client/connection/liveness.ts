import type { Clock } from '../../clock.js';

/** A message that is still arriving after so long is no sign of life any more. */
const UNFINISHED_MESSAGE_LIMIT_MS = 60_000;
/** After a suspended machine wakes, the server has so long to show that it is still there. */
const WAKE_LIMIT_MS = 2500;
/** A timer that is so much too late means that this process or machine stood still. */
const STANDSTILL_MS = 5000;

/** What has come from the server so far, counted from the connection's begin. */
export interface Traffic {
  /** Bytes of any kind. */
  bytes: number;
  /** Whole messages. */
  messages: number;
  /** Pings and pongs of the protocol. */
  controls: number;
}

/** What to do about a link: nothing, send a protocol ping, destroy it. */
export type LivenessVerdict = 'alive' | 'ask' | 'dead';

/**
 * Judges whether a link is alive, from what has come and when. It is asked at every {@link interval}; so there is
 * no cost per message. Any byte is life; silence is asked about by a ping and then, after `deadAfterMs`, fatal.
 */
export class Liveness {
  /** How often to call {@link judge}, in milliseconds. */
  readonly interval: number;
  readonly #clock: Clock;
  readonly #deadAfterMs: number;
  #seen: Traffic = { bytes: 0, messages: 0, controls: 0 };
  #lastByteAt: number;
  #lastLookAt: number;
  #lastWallAt: number;
  #unfinishedSince: number | undefined;
  #asked = false;

  constructor(clock: Clock, deadAfterMs: number) {
    this.#clock = clock;
    this.#deadAfterMs = deadAfterMs;
    this.interval = Math.max(5, Math.min(1000, deadAfterMs / 20));
    this.#lastByteAt = this.#lastLookAt = clock.monotonicMs();
    this.#lastWallAt = clock.nowMicros() / 1000;
  }

  /** The time that passed while nobody read says nothing about the server. */
  forgive(): void {
    this.#lastByteAt = this.#lastLookAt = this.#clock.monotonicMs();
    this.#lastWallAt = this.#clock.nowMicros() / 1000;
    this.#unfinishedSince = undefined;
    this.#asked = false;
  }

  /** `ask`: send a ping now. `dead`: destroy the connection. */
  judge(traffic: Traffic): LivenessVerdict {
    const now = this.#clock.monotonicMs();
    const stoodStill = this.#stoodStill(now);
    const arrived = traffic.bytes !== this.#seen.bytes;
    if (arrived) {
      this.#lastByteAt = now;
      this.#asked = false;
    }
    this.#watchUnfinished(traffic, arrived, now);
    this.#seen = { ...traffic };
    if (stoodStill && !arrived) {
      // What came meanwhile has not been read yet, so the silence so far counts for nothing.
      this.#lastByteAt = now - Math.max(0, this.#deadAfterMs - WAKE_LIMIT_MS);
      this.#asked = true;
      return 'ask';
    }
    const silence = now - this.#lastByteAt;
    if (silence >= this.#deadAfterMs) return 'dead';
    if (this.#unfinishedSince !== undefined && now - this.#unfinishedSince > UNFINISHED_MESSAGE_LIMIT_MS)
      return 'dead';
    if (this.#asked || silence < this.#deadAfterMs * 0.4) return 'alive';
    this.#asked = true;
    return 'ask';
  }

  #stoodStill(now: number): boolean {
    const wall = this.#clock.nowMicros() / 1000;
    // A suspended machine stops the monotonic clock too, but not the wall clock.
    const late = Math.max(now - this.#lastLookAt, wall - this.#lastWallAt) - this.interval;
    this.#lastLookAt = now;
    this.#lastWallAt = wall;
    return late > Math.min(STANDSTILL_MS, this.#deadAfterMs / 2);
  }

  #watchUnfinished(traffic: Traffic, arrived: boolean, now: number): void {
    if (!arrived || traffic.messages !== this.#seen.messages) this.#unfinishedSince = undefined;
    else if (traffic.controls === this.#seen.controls) this.#unfinishedSince ??= now;
  }
}
