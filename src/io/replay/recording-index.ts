import { OpmasError } from '../../core/errors.js';
import {
  type LineSelection,
  TimeWindow,
  timesMissing,
  UNTIMED_HINT,
} from '../../core/recording/line-selection.js';
import type { LineView } from '../../core/recording/line-view.js';
import { RecordedAttempts } from '../../core/replay/recorded-attempts.js';
import { Schedule } from '../../core/replay/schedule.js';
import { shared } from '../clock.js';
import type { RecordingReader } from '../recording/reader.js';
import { lastTime } from '../recording/recording-end.js';
import { openPlan, type ReplayPlan, selectionOf } from './replay-plan.js';

/** The beginning of a recording is enough before it is served, and between small blocks others have their turn. */
const BEGINNING_BLOCK_BYTES = 128 * 1024;
/** A whole recording is read faster in large blocks. */
const WHOLE_BLOCK_BYTES = 1024 * 1024;
const LONGEST_SHOWN_TIME = 40;

/**
 * Knows what must be known of a recording beside its events: its endpoints, its length and the attempts to connect.
 *
 * One pass finds all of it. With `lifecycle` the pass is made before the recording is served. Without, it stops at the
 * first event, so that the start is prompt whatever the size, and goes on when a client asks for an endpoint that has
 * not been met.
 */
export class RecordingIndex {
  readonly attempts = new RecordedAttempts();
  /** The recording says something of connections. */
  hasConnections = false;
  /** Length of the schedule in microseconds; `undefined` when it is not known (compressed files, loops, a rate). */
  length: number | undefined;
  readonly #selection: LineSelection;
  readonly #schedule: Schedule;
  /** Times of the first line and the first event, in microseconds since 1970; `NaN` when a line does not say. */
  #firstLine: number | undefined;
  #firstEvent: number | undefined;
  #isStopped = false;

  private constructor(
    private readonly plan: ReplayPlan,
    private readonly reader: RecordingReader,
  ) {
    this.#selection = selectionOf(plan);
    this.#schedule = new Schedule(plan.schedule);
  }

  /**
   * Reads the recording as far as it must be known before it is served.
   *
   * @throws {OpmasError} `USAGE`: there is no such file, or times are needed and missing. `DATA`: it is not a recording.
   */
  static async open(plan: ReplayPlan): Promise<RecordingIndex> {
    // The playback tells of damage when it comes to it. Only filters look into the JSON of the lines.
    const skipJsonCheck = plan.lifecycle ? plan.filter.passesAll : true;
    const { onIndexed: onRead, signal } = plan;
    const maxBlockBytes = plan.lifecycle ? WHOLE_BLOCK_BYTES : BEGINNING_BLOCK_BYTES;
    const reader = await openPlan(plan, {
      skipJsonCheck,
      maxBlockBytes,
      onRead,
      signal,
      checkTimes: plan.lifecycle,
    });
    const index = new RecordingIndex(plan, reader);
    try {
      while ((plan.lifecycle || index.#firstEvent === undefined) && (await index.#readBlock()));
      signal?.throwIfAborted();
      if (plan.lifecycle) index.attempts.endPass(index.#schedule.restart());
      index.length = await index.#findLength();
      return index;
    } catch (error) {
      await index.stop();
      throw error;
    }
  }

  /** Returns whether the recording has anything of that endpoint; `false` also when it cannot be read further. */
  async has(endpoint: string): Promise<boolean> {
    const { endpoints } = this.plan;
    while (!endpoints.has(endpoint) && (await this.#readBlock().catch(() => false)));
    return endpoints.has(endpoint);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    // A read may be under way.
    await this.#readBlock().catch(() => false);
    await this.reader.close();
  }

  /** Reads the next lines. All who need them at the same time share them. @returns `false` at the end. */
  readonly #readBlock = shared(async (): Promise<boolean> => {
    if (this.#isStopped || !(await this.reader.fill())) return false;
    for (let line = this.reader.next(); line !== undefined; line = this.reader.next()) this.#addLine(line);
    return true;
  });

  #addLine(line: LineView): void {
    if (line.kind === 'connection') this.hasConnections = true;
    const endpoint = this.plan.endpoints.labelOf(line.endpoint);
    this.#firstLine ??= line.receivedAt;
    if (line.kind !== 'connection' && this.#firstEvent === undefined) {
      if (needsTimes(this.plan) && Number.isNaN(line.receivedAt)) {
        const { source, number } = this.reader;
        throw withoutTimes(this.plan, line.unreadableTime, `${source}:${number}`);
      }
      this.#firstEvent = line.receivedAt;
    }
    if (!this.plan.lifecycle || this.#selection.isOver || !this.#selection.takes(line)) return;
    const due = this.#schedule.next(line.receivedAt, this.reader.isUnsorted);
    if (endpoint !== undefined) this.attempts.add(endpoint, due, line.connection);
  }

  async #findLength(): Promise<number | undefined> {
    const { paths, schedule, passes, lifecycle } = this.plan;
    if (passes > 1) return undefined;
    if (lifecycle) return this.attempts.lastDue;
    if (schedule.rate !== undefined || schedule.maxGapMicros !== undefined) return undefined;
    const lastTimes = await Promise.all(paths.map(async (path) => (await lastTime(path)) ?? Number.NaN));
    const { window = new TimeWindow() } = this.#selection;
    window.first ??= this.#firstLine;
    const start = Math.max(this.#firstEvent ?? Number.NaN, window.start);
    const end = Math.min(Math.max(...lastTimes), window.end);
    return end >= start ? end - start : undefined;
  }
}

/** Returns whether the recording is replayed by its times, or a part of it is chosen by them. */
function needsTimes({ schedule, speed, from, to }: ReplayPlan): boolean {
  return (schedule.rate === undefined && speed !== 'max') || from !== undefined || to !== undefined;
}

function withoutTimes({ from, to }: ReplayPlan, unreadable: string | undefined, place: string): OpmasError {
  const choosesByTime = from !== undefined || to !== undefined;
  const hint = choosesByTime
    ? UNTIMED_HINT
    : "Say how fast to send them: `rate: 10` for ten a second, or `speed: 'max'`.";
  if (unreadable === undefined) return timesMissing(hint);
  const shown = JSON.stringify(unreadable.slice(0, LONGEST_SHOWN_TIME));
  const why = `${place}: received_at is ${shown}, which is no time like 2026-11-22T21:50:00Z`;
  return new OpmasError('USAGE', why, { hint });
}
