import { OpmasError } from '../../core/errors.js';
import { compileFilter } from '../../core/filter/filter.js';
import { refuseUnknownOptions } from '../../core/options.js';
import { parseTimestamp } from '../../core/recording/timestamp.js';
import type { Moment } from '../../core/replay/schedule.js';
import { systemClock } from '../clock.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { checkServing, DEFAULT_LIMITS, type MockServer } from '../server/serving-options.js';
import { StreamServer } from '../server/stream-server.js';
import { RecordingIndex } from './recording-index.js';
import { type RepeatableSources, repeatable } from './repeatable-sources.js';
import {
  EndpointTable,
  type PlaybackControls,
  REPLAY_OPTIONS,
  type ReplayPlan,
  type ReplayStatus,
  type ServeRecordingOptions,
} from './replay-plan.js';
import { ReplaySource } from './replay-source.js';

/** A server of a recording, with the controls of a player. */
export interface ReplayServer extends MockServer, PlaybackControls {
  readonly status: ReplayStatus;
  /**
   * Resolves when the recording has been played to its end for the first time and its clients have taken it, or after
   * `close`; with `exitWhenDone`, when the server has stopped, too. Rejects when the recording cannot be read further.
   */
  readonly finished: Promise<void>;
  /** Resolves when the server has stopped for any reason. Rejects when the recording could not be read further. */
  readonly stopped: Promise<void>;
}

/**
 * Serves a recording as an OPMAS Management API would: the same events at the same intervals, byte for byte. Resolves
 * when it listens. Memory does not grow with the recording.
 *
 * @param sources Paths of recordings, merged by time; `-` is standard input.
 * @throws {OpmasError} `USAGE`: bad options, no such file, or missing times. `DATA`: it is not a recording. `LOCAL`: the
 *   port cannot be opened.
 */
export async function serveRecording(
  sources: string | readonly string[],
  options: ServeRecordingOptions = {},
): Promise<ReplayServer> {
  refuseUnknownOptions('serveRecording', options, REPLAY_OPTIONS);
  checkOptions(options);
  checkServing(options);
  const paths = typeof sources === 'string' ? [sources] : [...(sources ?? [])];
  if (paths.length === 0) throw new OpmasError('USAGE', 'no recording to serve');
  const window = windowOf(options);
  const { stdin, signal, onNotice = () => undefined } = options;
  const onSlow = (source: string) => onNotice({ kind: 'copying', source });
  const copies = await repeatable(paths, { stdin, signal, onSlow });
  try {
    const plan = await planOf(copies, options, window);
    const usesTimes = options.rate === undefined && options.speed !== 'max';
    const needsTimes = usesTimes || plan.from !== undefined || plan.to !== undefined;
    const index = await RecordingIndex.open(plan, { needsTimes, onRead: options.onIndexed, signal });
    const source = new ReplaySource({
      plan,
      index,
      speed: options.speed ?? 1,
      shared: options.clock === 'shared' || options.lifecycle === true,
      exitWhenDone: options.exitWhenDone === true,
      stallMs: options.limits?.closePatienceMs ?? DEFAULT_LIMITS.closePatienceMs,
      precise: options.precise === true,
      clock: systemClock,
      onNotice,
    });
    try {
      await source.prepare();
      const server = new RecordingServer(source, options, copies);
      await server.start();
      return server;
    } catch (error) {
      await source.stop();
      throw error;
    }
  } catch (error) {
    await copies.remove();
    throw error;
  }
}

async function planOf(
  { paths, names }: RepeatableSources,
  options: ServeRecordingOptions,
  window: Pick<ReplayPlan, 'from' | 'to'>,
): Promise<ReplayPlan> {
  const { loop = false, lifecycle = false, rate, maxGapMs, onNotice } = options;
  // Each playback of a recording without an event finds that again.
  let isReported = false;
  return {
    sources: paths,
    names,
    ...window,
    filter: options.filter ?? (await compileFilter()),
    schedule: { rate, maxGapMicros: maxGapMs === undefined ? undefined : maxGapMs * 1000 },
    passes: loop === true ? Number.POSITIVE_INFINITY : loop === false ? 1 : loop,
    lifecycle,
    endpoints: new EndpointTable(),
    strict: options.strict === true,
    onProblem: onceEach(options.onProblem ?? (() => undefined)),
    onNothing: () => {
      if (!isReported) onNotice?.({ kind: 'nothing' });
      isReported = true;
    },
  };
}

/** The part of the recording that the options ask for. @throws {OpmasError} `USAGE` when they are wrong. */
function windowOf({ from, to }: ServeRecordingOptions): Pick<ReplayPlan, 'from' | 'to'> {
  const window = { from: momentOf(from, 'from'), to: momentOf(to, 'to') };
  if (isBefore(window.to, window.from)) {
    throw new OpmasError('USAGE', 'the end (to) comes before the start (from)');
  }
  return window;
}

/** A time cannot be compared with an offset before the recording is read. */
function isBefore(one: Moment | undefined, other: Moment | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  if ('at' in one) return 'at' in other && one.at < other.at;
  return 'offset' in other && one.offset < other.offset;
}

function momentOf(moment: string | number | undefined, name: string): Moment | undefined {
  if (moment === undefined) return undefined;
  if (typeof moment === 'number' && moment >= 0) return { offset: moment * 1000 };
  const at = typeof moment === 'string' ? parseTimestamp(moment) : undefined;
  if (at === undefined) {
    throw new OpmasError('USAGE', `${name}: ${JSON.stringify(moment)} is neither a time nor an offset`, {
      hint: 'Write an RFC 3339 time with its zone, 2026-11-22T21:50:00Z, or an offset from the start.',
    });
  }
  return { at };
}

const HIGHEST = 1_000_000;

/** @throws {OpmasError} `USAGE` for options that are out of range, or exclude each other. */
function checkOptions({ speed, rate, maxGapMs, loop, clock, lifecycle }: ServeRecordingOptions): void {
  const wrong = (message: string) => new OpmasError('USAGE', message);
  const isSpeed =
    speed === undefined || speed === 'max' || (typeof speed === 'number' && speed > 0 && speed <= HIGHEST);
  if (!isSpeed) throw wrong(`a speed is above 0 and at most ${HIGHEST}, or max`);
  if (rate !== undefined && !(rate > 0 && rate <= HIGHEST)) {
    throw wrong(`a rate is above 0 and at most ${HIGHEST} events a second`);
  }
  if (maxGapMs !== undefined && !(maxGapMs >= 0)) throw wrong('a longest gap is not negative');
  if (loop !== undefined && typeof loop !== 'boolean' && !(Number.isInteger(loop) && loop >= 1)) {
    throw wrong('a loop is a whole number of passes, 1 or more');
  }
  if (clock !== undefined && clock !== 'client' && clock !== 'shared') {
    throw wrong('a clock is client or shared');
  }
  if (rate !== undefined && speed === 'max') throw wrong('a rate and the speed max exclude each other');
  if (lifecycle === true && (rate !== undefined || speed === 'max')) {
    throw wrong('lifecycle needs the recorded times: it goes with no rate, and not with the speed max');
  }
  if (lifecycle === true && clock === 'client') throw wrong('lifecycle needs the shared clock');
}

/** A recording is read once for each client and pass; its damage is reported once. */
function onceEach(onProblem: (problem: ReadProblem) => void): (problem: ReadProblem) => void {
  const lastLines = new Map<string, number>();
  return (problem) => {
    if (problem.line <= (lastLines.get(problem.source) ?? 0)) return;
    lastLines.set(problem.source, problem.line);
    onProblem(problem);
  };
}

/** A server whose source is a recording. */
class RecordingServer extends StreamServer implements ReplayServer {
  readonly stopped = (this as StreamServer).finished;
  override readonly finished: Promise<void>;
  readonly #source: ReplaySource;
  readonly #copies: RepeatableSources;

  constructor(source: ReplaySource, options: ServeRecordingOptions, copies: RepeatableSources) {
    super(source, options);
    this.#source = source;
    this.#copies = copies;
    const done = options.exitWhenDone ? this.stopped : Promise.race([source.played, this.stopped]);
    this.finished = done.then(() => undefined);
    this.finished.catch(() => undefined);
    const remove = () => copies.remove();
    this.stopped.then(remove, remove);
  }

  get status(): ReplayStatus {
    return this.#source.status;
  }

  setSpeed(speed: number): void {
    this.#source.setSpeed(speed);
  }

  pause(): void {
    this.#source.pause();
  }

  resume(): void {
    this.#source.resume();
  }

  step(): void {
    this.#source.step();
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#copies.remove();
  }
}
