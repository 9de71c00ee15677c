import type { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import { compileFilter, type Filter } from '../../core/filter/filter.js';
import { parseTimestamp } from '../../core/recording/timestamp.js';
import type { Moment } from '../../core/replay/time-window.js';
import { systemClock } from '../clock.js';
import type { ReadProblem } from '../recording/cursor.js';
import { startServer } from '../server/mock-server.js';
import { DEFAULT_LIMITS, type MockServer, type ServingOptions } from '../server/serving-options.js';
import { LaneTable } from './lane-table.js';
import type { PlaybackControls } from './playback.js';
import type { Programme } from './read-frames.js';
import { type ReplayNotice, ReplaySource, type ReplayStatus } from './replay-source.js';
import { scheduleLength } from './schedule-length.js';
import { type Spool, spool } from './spool.js';
import { surveyBeginning } from './survey.js';

/** How to serve a recording; all of it optional. */
export interface ServeRecordingOptions extends ServingOptions {
  /** 2 is twice the recorded speed, 0.5 half of it; `max` = as fast as clients take it. Default 1. */
  speed?: number | 'max';
  /** Events a second in place of the recorded times. Needed for recordings without times. */
  rate?: number;
  /** Longer silences are cut to so many milliseconds. Default: none are. */
  maxGapMs?: number;
  /** First event: an RFC 3339 time, or milliseconds from the start of the recording. Default: its start. */
  from?: string | number;
  /** Last event, in the same way. Default: the end of the recording. */
  to?: string | number;
  /** From {@link compileFilter}. Default: everything. */
  filter?: Filter;
  /** `true` = again and again, or how often in all; times go on. Default: once. */
  loop?: boolean | number;
  /**
   * `client`: every connection gets its endpoint's events from the start. `shared`: all share one clock that starts
   * with the first client; who comes later gets what comes later, but for the first connection to each endpoint in
   * the first second, which misses nothing. When a shared replay is over and all clients have gone, the next one
   * starts it again. Default `client`.
   */
  clock?: 'client' | 'shared';
  /**
   * Act out what happened to the recorded connections: refusals, closes, drops, downtimes. Implies a shared clock.
   * `core/replay/lifecycle-script.ts` says what that means for a client that does not come when the recorded one did.
   */
  lifecycle?: boolean;
  /** At the end: close clients with 1000 and stop. Default: the end closes nothing, and new clients are served. */
  exitWhenDone?: boolean;
  /** Be on time to a quarter of a millisecond, by blocking this thread for up to 2 ms at a time. Default `false`. */
  precise?: boolean;
  /** Damage in the recording is an error. Default: it is skipped and told to `onProblem`. */
  strict?: boolean;
  /** Told of damage that was skipped, once for each. */
  onProblem?: (problem: ReadProblem) => void;
  /** Told what else is worth knowing. */
  onNotice?: (notice: ReplayNotice) => void;
  /** What the source `-` means. Default: standard input. It is copied to a temporary file. */
  stdin?: Readable;
  /** Stops the preparation; once the server listens, `close` ends it. */
  signal?: AbortSignal;
}

/** A server of a recording, with the controls of a player. */
export interface ReplayServer extends MockServer, PlaybackControls {
  readonly status: ReplayStatus;
  /**
   * Resolves when the recording has been played to its end, for the first time, and its clients have taken it (with
   * `exitWhenDone`: and the server has stopped), or after `close`. Rejects when the recording cannot be read further.
   */
  readonly finished: Promise<void>;
  /** Resolves when the server has stopped, whatever made it; rejects when the recording could not be read further. */
  readonly stopped: Promise<void>;
}

/**
 * Serves a recording as an OPMAS Management API would: the same events at the same distances of time, byte for byte.
 * It listens when this resolves. Memory does not grow with the recording.
 *
 * @param sources Paths of recordings, merged by time; `-` is standard input.
 * @throws {OpmasError} `USAGE` for bad options, no such file, or missing times; `DATA` when it is no recording;
 *   `LOCAL` when the port cannot be had.
 */
export async function serveRecording(
  sources: string | readonly string[],
  options: ServeRecordingOptions = {},
): Promise<ReplayServer> {
  checkOptions(options);
  const paths = typeof sources === 'string' ? [sources] : [...sources];
  if (paths.length === 0) throw new OpmasError('USAGE', 'no recording to serve');
  const spooled = await spoolStdin(paths, options);
  try {
    const programme = await programmeOf(spooled?.paths ?? paths, options);
    const usesTimes = options.rate === undefined && options.speed !== 'max';
    const chooses = programme.from !== undefined || programme.to !== undefined;
    const beginning = await surveyBeginning(programme, usesTimes || chooses);
    const source = new ReplaySource({
      programme,
      length: await scheduleLength(programme, beginning),
      speed: options.speed ?? 1,
      shared: options.clock === 'shared' || options.lifecycle === true,
      exitWhenDone: options.exitWhenDone === true,
      stallMs: options.limits?.closePatienceMs ?? DEFAULT_LIMITS.closePatienceMs,
      precise: options.precise === true,
      clock: systemClock,
      onNotice: options.onNotice ?? (() => undefined),
    });
    const server = await startWith(source, options);
    return new RecordingServer(server, source, options.exitWhenDone === true, spooled?.spool);
  } catch (error) {
    await spooled?.spool.remove();
    throw error;
  }
}

async function startWith(source: ReplaySource, options: ServeRecordingOptions): Promise<MockServer> {
  try {
    await source.prepare();
    return await startServer(source, options);
  } catch (error) {
    await source.stop();
    throw error;
  }
}

async function spoolStdin(
  paths: readonly string[],
  { stdin = process.stdin, signal }: ServeRecordingOptions,
): Promise<{ paths: string[]; spool: Spool } | undefined> {
  if (!paths.includes('-')) return undefined;
  if (paths.indexOf('-') !== paths.lastIndexOf('-')) {
    throw new OpmasError('USAGE', 'stdin (-) can be read only once');
  }
  const kept = await spool(stdin, signal);
  return { paths: paths.map((path) => (path === '-' ? kept.path : path)), spool: kept };
}

async function programmeOf(paths: readonly string[], options: ServeRecordingOptions): Promise<Programme> {
  const { loop = false, lifecycle = false, rate, maxGapMs } = options;
  return {
    sources: paths,
    filter: options.filter ?? (await compileFilter()),
    from: momentOf(options.from, 'from'),
    to: momentOf(options.to, 'to'),
    pace: { rate, maxGap: maxGapMs === undefined ? undefined : maxGapMs * 1000 },
    passes: loop === true ? Number.POSITIVE_INFINITY : loop === false ? 1 : loop,
    lifecycle,
    lanes: new LaneTable(),
    strict: options.strict === true,
    onProblem: onceEach(options.onProblem ?? (() => undefined)),
  };
}

/** A recording is read once for each client and pass; its damage is told once. */
function onceEach(onProblem: (problem: ReadProblem) => void): (problem: ReadProblem) => void {
  const lastLines = new Map<string, number>();
  return (problem) => {
    if (problem.line <= (lastLines.get(problem.source) ?? 0)) return;
    lastLines.set(problem.source, problem.line);
    onProblem(problem);
  };
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

function checkOptions({ speed, rate, maxGapMs, loop, clock, lifecycle }: ServeRecordingOptions): void {
  const wrong = (message: string) => new OpmasError('USAGE', message);
  if (speed !== undefined && speed !== 'max' && !(speed > 0 && speed <= HIGHEST)) {
    throw wrong(`a speed is above 0 and at most ${HIGHEST}, or max`);
  }
  if (rate !== undefined && !(rate > 0 && rate <= HIGHEST)) {
    throw wrong(`a rate is above 0 and at most ${HIGHEST} events a second`);
  }
  if (maxGapMs !== undefined && !(maxGapMs >= 0)) throw wrong('a longest gap is not negative');
  if (typeof loop === 'number' && !(Number.isInteger(loop) && loop >= 1)) {
    throw wrong('a loop is a whole number of passes, 1 or more');
  }
  if (rate !== undefined && speed === 'max') throw wrong('a rate and the speed max exclude each other');
  if (lifecycle === true && (rate !== undefined || speed === 'max')) {
    throw wrong('lifecycle needs the recorded times: it goes with no rate, and not with the speed max');
  }
  if (lifecycle === true && clock === 'client') throw wrong('lifecycle needs the shared clock');
}

const HIGHEST = 1_000_000;

/** The server and its source as one thing. */
class RecordingServer implements ReplayServer {
  readonly finished: Promise<void>;
  readonly stopped: Promise<void>;
  readonly #server: MockServer;
  readonly #source: ReplaySource;
  readonly #spool: Spool | undefined;

  constructor(server: MockServer, source: ReplaySource, exitWhenDone: boolean, kept: Spool | undefined) {
    this.#server = server;
    this.#source = source;
    this.#spool = kept;
    this.stopped = server.finished;
    const done = exitWhenDone ? server.finished : Promise.race([source.played, server.finished]);
    this.finished = done.then(() => undefined);
    this.finished.catch(() => undefined);
    if (kept !== undefined) {
      const remove = () => kept.remove();
      server.finished.then(remove, remove);
    }
  }

  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  get token(): string {
    return this.#server.token;
  }

  get clients(): number {
    return this.#server.clients;
  }

  get eventsSent(): number {
    return this.#server.eventsSent;
  }

  get warnings(): readonly string[] {
    return this.#server.warnings;
  }

  get status(): ReplayStatus {
    return this.#source.status;
  }

  createToken(options?: { subject?: string; lifeMs?: number }): Promise<string> {
    return this.#server.createToken(options);
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

  async close(): Promise<void> {
    await this.#server.close();
    await this.#spool?.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
