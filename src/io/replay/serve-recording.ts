import { OpmasError } from '../../core/errors.js';
import { compileFilter } from '../../core/filter/filter.js';
import { systemClock } from '../clock.js';
import type { ReadProblem } from '../recording/read-problems.js';

import { checkServing, DEFAULT_LIMITS, type MockServer } from '../server/serving-options.js';
import { startServer } from '../server/stream-server.js';
import { LaneTable } from './lane-table.js';
import type { PlaybackControls } from './playback.js';
import type { Programme } from './read-frames.js';
import { type RepeatableSources, repeatable } from './repeatable-sources.js';
import { checkOptions, type ServeRecordingOptions, windowOf } from './replay-options.js';
import { ReplaySource, type ReplayStatus } from './replay-source.js';
import { scheduleLength } from './schedule-length.js';
import { surveyBeginning } from './survey.js';

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
  checkServing(options);
  const paths = typeof sources === 'string' ? [sources] : [...(sources ?? [])];
  if (paths.length === 0) throw new OpmasError('USAGE', 'no recording to serve');
  const window = windowOf(options);
  const kept = await repeatable(paths, options);
  try {
    const programme = await programmeOf(kept, options, window);
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
    return new RecordingServer(server, source, options.exitWhenDone === true, kept);
  } catch (error) {
    await kept.remove();
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

async function programmeOf(
  { paths, names }: RepeatableSources,
  options: ServeRecordingOptions,
  window: Pick<Programme, 'from' | 'to'>,
): Promise<Programme> {
  const { loop = false, lifecycle = false, rate, maxGapMs, onNotice } = options;
  return {
    sources: paths,
    names,
    ...window,
    filter: options.filter ?? (await compileFilter()),
    pace: { rate, maxGap: maxGapMs === undefined ? undefined : maxGapMs * 1000 },
    passes: loop === true ? Number.POSITIVE_INFINITY : loop === false ? 1 : loop,
    lifecycle,
    lanes: new LaneTable(),
    strict: options.strict === true,
    onProblem: onceEach(options.onProblem ?? (() => undefined)),
    onNothing: once(() => onNotice?.({ kind: 'nothing' })),
  };
}

/** Every client of a recording without an event finds that out anew. */
function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
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

/** The server and its source as one thing. */
class RecordingServer implements ReplayServer {
  readonly finished: Promise<void>;
  readonly stopped: Promise<void>;
  readonly #server: MockServer;
  readonly #source: ReplaySource;
  readonly #kept: RepeatableSources;

  constructor(server: MockServer, source: ReplaySource, exitWhenDone: boolean, kept: RepeatableSources) {
    this.#server = server;
    this.#source = source;
    this.#kept = kept;
    this.stopped = server.finished;
    const done = exitWhenDone ? server.finished : Promise.race([source.played, server.finished]);
    this.finished = done.then(() => undefined);
    this.finished.catch(() => undefined);
    const remove = () => kept.remove();
    server.finished.then(remove, remove);
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
    await this.#kept.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
