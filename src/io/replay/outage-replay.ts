import { setTimeout as delay } from 'node:timers/promises';
import { fitCloseReason } from '../../core/close-code.js';
import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { CATCH_UP_MS } from '../../core/replay/downtime.js';
import { LifecycleScript } from '../../core/replay/lifecycle-script.js';
import type { RecordedAttempts } from '../../core/replay/recorded-attempts.js';
import type { Refusal, ServerControl } from '../server/stream-source.js';
import type { EndpointChannel } from './endpoint-channel.js';
import type { Playback } from './playback.js';
import type { ReplayPlan } from './replay-plan.js';
import type { Scheduler, Task } from './scheduler.js';

/** A client that comes this long after a recorded opening still gets everything that the connection brought. */
export const CATCH_UP_AFTER_OPENING_MS = 30_000;
/** A connection that has ended before a client came is kept this long: for the script, and for the handshake. */
const MISSED_MS = CATCH_UP_MS + 250;
/** An outgoing connection of any program may take the port for a moment, so it is tried again. */
const REOPEN_EVERY_MS = 50;
const REOPEN_TRIES = 100;

/** The server that stops listening, and callbacks for what happens to it. */
export interface OutageTarget {
  control: ServerControl;
  onDowntime: (phase: 'begins' | 'ends') => void;
  /** Called when the port cannot be opened again. */
  onFailure: (error: unknown) => void;
}

/** Plays what is recorded of connections: how attempts are answered, how connections end, and when nothing listens. */
export class OutageReplay implements Task {
  readonly #plan: ReplayPlan;
  readonly #recorded: RecordedAttempts;
  readonly #scheduler: Scheduler;
  #target: OutageTarget | undefined;
  /** The playback whose clock counts, and the script for its clients. */
  #playback!: Playback;
  #script!: LifecycleScript;
  /** The next downtime has begun. */
  #isDown = false;
  #isShut = false;
  #stopped = false;

  constructor(plan: ReplayPlan, recorded: RecordedAttempts, scheduler: Scheduler) {
    this.#plan = plan;
    this.#recorded = recorded;
    this.#scheduler = scheduler;
  }

  /** Sets the server that stops listening for the downtimes. */
  guard(target: OutageTarget): void {
    this.#target = target;
    this.#scheduler.add(this);
  }

  /** Begins anew, for a playback that has not started. */
  follow(playback: Playback): void {
    this.#playback = playback;
    this.#script = new LifecycleScript(this.#recorded, this.#plan.passes);
    this.#isDown = false;
  }

  /** Leaves the server as it is, for good: nothing opens or closes any more. */
  stop(): void {
    this.#stopped = true;
    this.#scheduler.remove(this);
  }

  /** Resolves when an attempt of a client is to be answered. The first attempt of all starts the playback. */
  async admit(label: string): Promise<Refusal | undefined> {
    const playback = this.#playback;
    const endpoint = this.#plan.endpoints.indexOf(label);
    if (!playback.started) {
      playback.start(this.#recorded.startFor(endpoint));
      this.#scheduler.reschedule();
    }
    const { position, speed } = playback;
    const answer = this.#script.answer(endpoint, position, speed);
    if (answer.at > playback.position) await this.#scheduler.when(() => playback.timeOf(answer.at));
    if (answer.admit) return undefined;
    // The server does listen when an attempt reaches it: a reset is the nearest to "connection refused".
    return answer.manner.kind === 'unreachable' ? { kind: 'reset' } : answer.manner;
  }

  /** Does to the clients of an endpoint what was done to the recorded client. */
  play(channel: EndpointChannel, connection: ConnectionEvent, nowMs: number): void {
    if (connection.state === 'open') {
      channel.keepForLateClients({ untilMs: nowMs + CATCH_UP_AFTER_OPENING_MS, firstOnly: false });
    } else if (connection.state === 'closed') {
      channel.end(connection.code, fitCloseReason(connection.reason), nowMs + MISSED_MS);
    }
  }

  get dueAtMs(): number {
    const { downtime } = this.#script;
    if (downtime === undefined) return Number.POSITIVE_INFINITY;
    return this.#playback.timeOf(this.#isDown ? downtime.to : downtime.from);
  }

  advance(nowMs: number): void {
    let isShut = this.#isShut;
    while (this.dueAtMs <= nowMs) {
      this.#isDown = !this.#isDown;
      isShut = this.#isDown;
      if (!this.#isDown) this.#script.passDowntime();
    }
    if (isShut !== this.#isShut && !this.#stopped) this.#shut(isShut);
  }

  #shut(isShut: boolean): void {
    const { control, onDowntime, onFailure } = this.#target as OutageTarget;
    this.#isShut = isShut;
    onDowntime(isShut ? 'begins' : 'ends');
    if (isShut) control.suspend();
    else void this.#reopen(control).catch(onFailure);
  }

  async #reopen(control: ServerControl): Promise<void> {
    for (let tries = 1; !this.#stopped && !this.#isShut; tries++) {
      try {
        await control.resume();
        return;
      } catch (error) {
        if (tries === REOPEN_TRIES) throw error;
        await delay(REOPEN_EVERY_MS);
      }
    }
  }
}
