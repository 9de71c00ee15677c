import { CATCH_UP_MS, type RefusalManner } from '../../core/replay/downtime.js';
import type { LifecycleScript } from '../../core/replay/lifecycle-script.js';
import type { Refusal } from '../server/stream-source.js';
import { DowntimePlayer, type DowntimeTarget } from './downtime-player.js';
import type { LifecycleStep } from './frame-run.js';
import type { LaneGroup } from './lane-group.js';
import type { Paced, Pacer } from './pacer.js';
import type { Programme } from './read-frames.js';
import { ScriptReader } from './script-reader.js';
import type { TimedPlayback } from './timed-playback.js';

/** A client that comes so long after a recorded opening still gets all that the connection brought. */
export const REMEMBER_MS = 30_000;

/** A connection that has ended before anybody came for it is kept so long: for the script, and for the handshake. */
const MISSED_MS = CATCH_UP_MS + 250;

/** Acts out what is recorded of connections: who comes in when, what becomes of them, and when nothing listens. */
export class LifecycleStage {
  readonly #programme: Programme;
  readonly #pacer: Pacer;
  readonly #onFailure: (error: unknown) => void;
  #downtimePlayer: DowntimePlayer | undefined;
  /** What is acted out now, by the clock of its playback. */
  #play: { playback: TimedPlayback; reader: ScriptReader } | undefined;

  /** @param onFailure Told when the recording can't be read further. */
  constructor(programme: Programme, pacer: Pacer, onFailure: (error: unknown) => void) {
    this.#programme = programme;
    this.#pacer = pacer;
    this.#onFailure = onFailure;
  }

  /** What stops listening when nothing listened. */
  guard(target: DowntimeTarget): void {
    this.#downtimePlayer = new DowntimePlayer(target);
    this.#pacer.add(this.#downtimePlayer);
  }

  /** Begins to read the script for a playback that has not started; it takes the place of the one before. */
  prepare(playback: TimedPlayback): void {
    void this.#play?.reader.stop();
    const reader = new ScriptReader(this.#programme, playback, this.#pacer);
    reader.finished.catch(this.#onFailure);
    this.#play = { playback, reader };
  }

  async stop(): Promise<void> {
    this.#downtimePlayer?.stop();
    await this.#play?.reader.stop();
  }

  /** Whether the recording has anything of that endpoint, which may have to be read first. */
  finds(endpoint: string): Promise<boolean> {
    const { playback, reader } = this.#play!;
    return reader.when(() => {
      if (reader.script.knows(endpoint)) return true;
      return reader.script.toldUntil(playback.speed) >= reader.position ? false : undefined;
    });
  }

  /** Resolves when an attempt of a client is to be answered. The first one of all starts the playback. */
  async admit(endpoint: string): Promise<Refusal | undefined> {
    const { playback, reader } = this.#play!;
    const { script } = reader;
    if (!playback.started) {
      const start = await reader.when(() => script.startFor(endpoint));
      if (!playback.started) this.#begin(playback, script, start);
    }
    const answer = await reader.when(() => {
      const { position } = reader;
      const { speed } = playback;
      return script.canAnswer(endpoint, position, speed)
        ? script.answer(endpoint, position, speed)
        : undefined;
    });
    await this.#reached(playback, answer.at);
    return answer.admit ? undefined : refusalOf(answer.manner);
  }

  #begin(playback: TimedPlayback, script: LifecycleScript, start: number | undefined): void {
    playback.start(start);
    this.#downtimePlayer?.follow(playback, script);
    this.#pacer.reschedule();
  }

  /** Does to the clients what was done to the recorded one. @returns How many events nobody got. */
  perform({ lane, connection }: LifecycleStep, lanes: LaneGroup, now: number): number {
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
