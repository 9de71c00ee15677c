import { OpmasError } from '../../core/errors.js';
import { compileFilter } from '../../core/filter/filter.js';
import { WEBSOCKET_PATH } from '../../core/protocol.js';
import { parseTimestamp } from '../../core/recording/timestamp.js';
import type { Moment } from '../../core/replay/schedule.js';
import { systemClock } from '../clock.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { withoutLocks } from '../recording/source.js';
import { checkServing, DEFAULT_LIMITS, type MockServer } from '../server/serving-options.js';
import { StreamServer } from '../server/stream-server.js';
import { RecordingIndex } from './recording-index.js';
import { type RepeatableSources, repeatable } from './repeatable-sources.js';
import {
  EndpointTable,
  type PlaybackControls,
  REPLAY_RULES,
  type ReplayNotice,
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
  checkServing('serveRecording', options, REPLAY_RULES);
  checkTogether(options);
  const paths = typeof sources === 'string' ? [sources] : [...(sources ?? [])];
  if (paths.length === 0) throw new OpmasError('USAGE', 'no recording to serve');
  const recordings = withoutLocks(paths, options.onProblem);
  const { stdin, signal, onNotice } = options;
  const onSlow = (source: string) => onNotice?.({ kind: 'copying', source });
  const copies = await repeatable(recordings, onSlow, signal, stdin);
  let source: ReplaySource | undefined;
  try {
    const plan = await planOf(copies, options);
    const index = await RecordingIndex.open(plan);
    if (plan.lifecycle && !index.hasConnections) plan.onNotice({ kind: 'no lifecycle' });
    source = new ReplaySource(plan, index);
    await source.prepare();
    const server = new RecordingServer(source, options);
    await server.start();
    return server;
  } catch (error) {
    await source?.stop();
    await copies.removeCopies();
    throw error;
  }
}

/** Fills in the defaults of options that have been checked. */
export async function planOf(copies: RepeatableSources, options: ServeRecordingOptions): Promise<ReplayPlan> {
  const { from, to, speed = 1, loop = false, lifecycle = false, rate, maxGapMs } = options;
  const onNotice = noticesOf(options);
  return {
    ...copies,
    filter: options.filter ?? (await compileFilter()),
    from: momentOf(from, 'from'),
    to: momentOf(to, 'to'),
    schedule: { rate, maxGapMicros: maxGapMs === undefined ? undefined : maxGapMs * 1000 },
    passes: loop === true ? Number.POSITIVE_INFINITY : loop === false ? 1 : loop,
    speed,
    shared: options.clock === 'shared' || lifecycle,
    lifecycle,
    exitWhenDone: options.exitWhenDone === true,
    precise: options.precise === true,
    strict: options.strict === true,
    stallMs: options.limits?.closePatienceMs ?? DEFAULT_LIMITS.closePatienceMs,
    endpoints: new EndpointTable((path) => {
      const endpoint = path.slice(WEBSOCKET_PATH.length);
      // Other paths were recorded by that path.
      if (path === WEBSOCKET_PATH + endpoint && !endpoint.includes('/')) {
        onNotice({ kind: 'foreign', endpoint, path });
      }
    }),
    clock: systemClock,
    signal: options.signal,
    onIndexed: options.onIndexed,
    onProblem: onceEach(options.onProblem ?? (() => undefined)),
    onNotice,
  };
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

/** @throws {OpmasError} `USAGE` for options that exclude each other. */
function checkTogether({ speed, rate, from, to, clock, lifecycle }: ServeRecordingOptions): void {
  const wrong = (message: string) => new OpmasError('USAGE', message);
  if (rate !== undefined && speed === 'max') throw wrong('a rate and the speed max exclude each other');
  if (lifecycle === true && (rate !== undefined || speed === 'max')) {
    throw wrong('lifecycle needs the recorded times: it goes with no rate, and not with the speed max');
  }
  if (lifecycle === true && clock === 'client') throw wrong('lifecycle needs the shared clock');
  const start = momentOf(from, 'from');
  if (isBefore(momentOf(to, 'to'), start)) throw wrong('the end (to) comes before the start (from)');
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
  readonly setSpeed = (speed: number): void => this.#source.setSpeed(speed);
  readonly pause = (): void => this.#source.pause();
  readonly resume = (): void => this.#source.resume();
  readonly step = (): void => this.#source.step();

  constructor(source: ReplaySource, options: ServeRecordingOptions) {
    super(source, options);
    this.#source = source;
    this.finished = options.exitWhenDone ? this.stopped : Promise.race([source.played, this.stopped]);
    this.finished.catch(() => undefined);
  }

  get status(): ReplayStatus {
    return this.#source.status;
  }
}

/** Notices that are told once: each playback finds them again. */
const ONCE: ReadonlySet<ReplayNotice['kind']> = new Set(['nothing', 'unnamed', 'end', 'again']);
/** Endpoints that the API does not have are named one by one up to this number. */
const MOST_FOREIGN = 10;

/** Wraps the callback for notices: leaves out repeats, the end that was asked for, and a start that is no second one. */
function noticesOf({ onNotice, exitWhenDone }: ServeRecordingOptions): (notice: ReplayNotice) => void {
  const told = new Set<ReplayNotice['kind']>();
  let foreign = 0;
  return (notice) => {
    const { kind } = notice;
    if (told.has(kind) || (kind === 'foreign' && foreign++ >= MOST_FOREIGN)) return;
    if (kind === 'end' && (exitWhenDone || told.has('nothing'))) return;
    if (kind === 'again' && !told.has('end')) return;
    if (ONCE.has(kind)) told.add(kind);
    onNotice?.(notice);
  };
}
