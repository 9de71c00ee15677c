import type { RefusalManner } from '../../core/replay/downtime.js';
import type { LifecycleScript } from '../../core/replay/lifecycle-script.js';
import type { Refusal } from '../server/stream-source.js';
import { type Door, Doorman } from './doorman.js';
import type { LifecycleStep } from './frame-run.js';
import type { LaneGroup } from './lane-group.js';
import type { Paced, Pacer } from './pacer.js';
import type { TimedPlayback } from './timed-playback.js';

/** A client that comes so long after a recorded opening still gets all that the connection brought. */
export const REMEMBER_MS = 30_000;

/** What a client gets that comes for a connection just after its end: the script's slack, and time for the handshake. */
export const MISSED_MS = 500;

/** Acts out a script: who comes in when, what becomes of them, and when nothing listens. */
export class LifecycleStage {
  readonly #script: LifecycleScript;
  readonly #pacer: Pacer;
  readonly #doorman: Doorman;

  constructor(script: LifecycleScript, passes: number, pacer: Pacer, door: Door) {
    this.#script = script;
    this.#pacer = pacer;
    this.#doorman = new Doorman(script, passes, door);
  }

  /** Starts the playback for the first client of all, who comes to that endpoint. */
  begin(playback: TimedPlayback, endpoint: string): void {
    this.#script.rewind();
    playback.start(this.#script.startFor(endpoint));
    this.#doorman.follow(playback);
    this.#pacer.add(this.#doorman);
  }

  stop(): void {
    this.#doorman.stop();
  }

  /** Resolves when the attempt is to be answered. */
  async admit(playback: TimedPlayback, endpoint: string): Promise<Refusal | undefined> {
    const answer = this.#script.answer(endpoint, playback.position, playback.speed);
    await this.#reached(playback, answer.at);
    return answer.admit ? undefined : refusalOf(answer.manner);
  }

  /** Does to the clients what was done to the recorded one. @returns How many events nobody got. */
  play({ lane, connection }: LifecycleStep, lanes: LaneGroup, now: number): number {
    const clients = lanes.at(lane);
    if (connection.state === 'open') clients.remember({ until: now + REMEMBER_MS, firstOnly: false });
    if (connection.state === 'closed') clients.end(connection.code, connection.reason, now + MISSED_MS);
    return clients.takeUnseen();
  }

  #reached(playback: TimedPlayback, position: number): Promise<void> {
    if (playback.position >= position) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting: Paced = {
        get dueAt() {
          return playback.timeOf(position);
        },
        advance: () => {
          this.#pacer.remove(waiting);
          resolve();
        },
      };
      this.#pacer.add(waiting);
    });
  }
}

function refusalOf(manner: RefusalManner): Refusal {
  // Somebody listens, or the attempt had not come this far: a reset is the nearest to "connection refused".
  return manner.kind === 'unreachable' ? { kind: 'reset' } : manner;
}
