import { type Clock, elapsedMs, type Instant, instantOf } from '../../clock.js';

/** A message that is still arriving after this long is no longer a sign of life. */
const UNFINISHED_MESSAGE_LIMIT_MS = 60_000;
/** After a suspended machine wakes, the server has this long to show that it is still there. */
const WAKE_LIMIT_MS = 2500;
/** A timer that is this late means that this process or machine stood still, and the link may be dead. */
const STANDSTILL_MS = 5000;
/** A timer that is this late means that what is read next may be old. */
const SHORT_STANDSTILL_MS = 1000;
/** The share of `deadAfterMs` after which a silent server is sent a ping. */
const PING_AFTER_SHARE = 0.4;

/** The traffic from the server so far, counted from the start of the connection. */
export interface Traffic {
  /** Bytes of any kind. */
  bytes: number;
  /** Whole messages. */
  messages: number;
  /** Pings and pongs of the protocol. */
  controls: number;
}

/** The state of a link: leave it alone, send a protocol ping, or destroy it. */
export type LivenessVerdict = 'alive' | 'ping' | 'dead';

/**
 * Judges whether a link is alive, from what came and when. The caller asks at every {@link intervalMs}, so there is no
 * cost per message. Any byte is life. After a silence it asks for a ping, and after `deadAfterMs` the link is dead.
 */
export class Liveness {
  /** The time between two calls of {@link judge}. */
  readonly intervalMs: number;
  #seen: Traffic = { bytes: 0, messages: 0, controls: 0 };
  #lastByteAtMs = 0;
  #lastLookAtMs = 0;
  #lastWallMs = 0;
  #measuredAt: Instant;
  #unfinishedSinceMs: number | undefined;
  #pinged = false;

  /** @param onStandstill Called when this process or machine has stood still, before anything that came meanwhile. */
  constructor(
    private readonly clock: Clock,
    private readonly deadAfterMs: number,
    private readonly onStandstill: () => void = () => undefined,
  ) {
    this.#measuredAt = instantOf(clock);
    this.intervalMs = Math.max(5, Math.min(1000, deadAfterMs / 20));
    this.resetIdle();
  }

  /** Starts the silence anew: time that passed while we did not read says nothing about the server. */
  resetIdle(): void {
    this.#lastByteAtMs = this.#lastLookAtMs = this.clock.monotonicMs();
    this.#lastWallMs = this.clock.nowMicros() / 1000;
    this.#unfinishedSinceMs = undefined;
    this.#pinged = false;
  }

  /** Judges the traffic so far. `ping`: send one now. `dead`: destroy the connection. */
  judge(traffic: Traffic): LivenessVerdict {
    const nowMs = this.clock.monotonicMs();
    const stoodStill = this.look() > Math.min(STANDSTILL_MS, this.deadAfterMs / 2);
    const hasNewBytes = traffic.bytes !== this.#seen.bytes;
    if (hasNewBytes) {
      this.#lastByteAtMs = nowMs;
      this.#pinged = false;
    }
    this.#watchUnfinished(traffic, hasNewBytes, nowMs);
    this.#seen = { ...traffic };
    if (stoodStill && !hasNewBytes) {
      // Bytes may have come meanwhile and are not read yet, so the silence so far does not count.
      this.#lastByteAtMs = nowMs - Math.max(0, this.deadAfterMs - WAKE_LIMIT_MS);
      this.#pinged = true;
      return 'ping';
    }
    const silentMs = nowMs - this.#lastByteAtMs;
    const unfinishedMs = nowMs - (this.#unfinishedSinceMs ?? nowMs);
    if (silentMs >= this.deadAfterMs || unfinishedMs > UNFINISHED_MESSAGE_LIMIT_MS) return 'dead';
    if (this.#pinged || silentMs < this.deadAfterMs * PING_AFTER_SHARE) return 'alive';
    this.#pinged = true;
    return 'ping';
  }

  /**
   * Looks at the clocks: call it before bytes are handled, too, so that a standstill is noticed before what it kept.
   *
   * @returns Milliseconds by which this look is late.
   */
  look(): number {
    const nowMs = this.clock.monotonicMs();
    const wallMs = this.clock.nowMicros() / 1000;
    let passedMs = nowMs - this.#lastLookAtMs;
    // A suspended machine stops the monotonic clock, too, but not the wall clock; which may also have been set.
    if (wallMs - this.#lastWallMs > passedMs + SHORT_STANDSTILL_MS) passedMs += this.#suspendedMs();
    this.#lastLookAtMs = nowMs;
    this.#lastWallMs = wallMs;
    const lateMs = passedMs - this.intervalMs;
    if (lateMs > SHORT_STANDSTILL_MS) this.onStandstill();
    return lateMs;
  }

  /** Measures for how long the machine was suspended since the last call, or the beginning. Costs microseconds. */
  #suspendedMs(): number {
    const before = this.#measuredAt;
    this.#measuredAt = instantOf(this.clock);
    return elapsedMs(before, this.#measuredAt) - (this.#measuredAt.monotonicMs - before.monotonicMs);
  }

  #watchUnfinished(traffic: Traffic, hasNewBytes: boolean, nowMs: number): void {
    if (!hasNewBytes || traffic.messages !== this.#seen.messages) this.#unfinishedSinceMs = undefined;
    else if (traffic.controls === this.#seen.controls) this.#unfinishedSinceMs ??= nowMs;
  }
}
