import type { LineView } from '../../core/recording/line-view.js';
import { MICROSECONDS, SLACK_MS } from '../../core/replay/downtime.js';
import { LifecycleScript } from '../../core/replay/lifecycle-script.js';
import type { Pace } from '../../core/replay/pace.js';
import type { LineCollector } from '../recording/read-recording.js';
import type { LaneTable } from './lane-table.js';
import type { Paced, Pacer } from './pacer.js';
import { type Programme, readPasses } from './read-frames.js';
import type { TimedPlayback } from './timed-playback.js';

/** Small pieces: between them others have their turn. */
const BLOCK_BYTES = 64 * 1024;
/** It reads so much further than it has to, and rests until that is used up. */
const RESERVE = 1.25;

/** Reads what happened to the connections of a recording, a little ahead of its playback. */
export class ScriptReader implements Paced {
  readonly script = new LifecycleScript();
  /** Rejects when the recording can't be read further. */
  readonly finished: Promise<void>;
  readonly #playback: TimedPlayback;
  readonly #pacer: Pacer;
  readonly #stopping = new AbortController();
  #onRead: (() => void)[] = [];
  /** Lets the reading go on that is far enough ahead. */
  #resume: (() => void) | undefined;

  /** Begins to read at once. */
  constructor(programme: Programme, playback: TimedPlayback, pacer: Pacer) {
    this.#playback = playback;
    this.#pacer = pacer;
    // Damage is told when the playback comes to it, which may be minutes later.
    this.finished = this.#read({ ...programme, strict: false, onProblem: ignore, onNothing: ignore });
    this.finished.catch(() => undefined);
    pacer.add(this);
  }

  /** Resolves with what the script has to say as soon as it has read enough for that; at the end it always has. */
  async when<T>(told: () => T | undefined): Promise<T> {
    for (;;) {
      const value = told();
      if (value !== undefined || this.script.read === Number.POSITIVE_INFINITY) return value as T;
      this.advance();
      await new Promise<void>((resolve) => {
        this.#onRead.push(resolve);
      });
    }
  }

  /**
   * Where the playback stands, in microseconds of the schedule, as far as the script can tell what is next there: at
   * high speeds the clock may be ahead of what can be read.
   */
  get position(): number {
    const { position, speed } = this.#playback;
    return Math.max(0, Math.min(position, this.script.read - SLACK_MS * MICROSECONDS * speed));
  }

  get dueAt(): number {
    if (this.#resume === undefined) return Number.POSITIVE_INFINITY;
    return this.#playback.timeOf(this.script.toldUntil(this.#playback.speed));
  }

  advance(): void {
    const resume = this.#resume;
    // At once: until then it would be due again and again.
    this.#resume = undefined;
    resume?.();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#pacer.remove(this);
    this.advance();
    await this.finished.catch(() => undefined);
  }

  async #read(programme: Programme): Promise<void> {
    const { signal } = this.#stopping;
    const passes = readPasses(programme, (pace) => new ScriptLines(this.script, programme.lanes, pace), {
      signal,
      blockBytes: BLOCK_BYTES,
      onPass: () => this.script.endPass(),
    });
    try {
      for await (const _lines of passes) {
        this.#tell();
        await this.#untilNeeded(signal);
      }
    } finally {
      this.script.end();
      this.#tell();
    }
  }

  #tell(): void {
    this.script.settle(this.position, this.#playback.speed);
    for (const resolve of this.#onRead.splice(0)) resolve();
    // Downtimes may have become known.
    this.#pacer.reschedule();
  }

  async #untilNeeded(signal: AbortSignal): Promise<void> {
    const { position, speed } = this.#playback;
    const isFarAhead = this.script.read >= position + SLACK_MS * MICROSECONDS * speed;
    if (!isFarAhead || this.script.toldUntil(speed, RESERVE) <= position || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
      this.#pacer.reschedule();
    });
    this.#resume = undefined;
  }
}

function ignore(): void {}

/** Tells a script the lines, as they are read. */
class ScriptLines implements LineCollector<undefined> {
  isEmpty = true;
  readonly #script: LifecycleScript;
  readonly #lanes: LaneTable;
  readonly #pace: Pace;

  constructor(script: LifecycleScript, lanes: LaneTable, pace: Pace) {
    this.#script = script;
    this.#lanes = lanes;
    this.#pace = pace;
  }

  hasRoomFor(): boolean {
    return true;
  }

  add(line: LineView): void {
    this.isEmpty = false;
    const { receivedAt, connection } = line;
    const due = this.#pace.next(Number.isNaN(receivedAt) ? undefined : receivedAt);
    const endpoint = this.#lanes.labelOf(this.#lanes.indexOf(line.endpoint));
    if (endpoint !== undefined) this.#script.add(endpoint, due, connection);
  }

  settle(): void {}

  take(): undefined {
    this.isEmpty = true;
  }
}
