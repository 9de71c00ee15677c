import { OpmasError } from '../../core/errors.js';
import { compileFilter } from '../../core/filter/filter.js';
import { EndpointTable } from '../../core/replay/endpoint-table.js';
import { systemClock } from '../clock.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { checkServing, DEFAULT_LIMITS, type MockServer } from '../server/serving-options.js';
import { startServer } from '../server/stream-server.js';
import { RecordingIndex } from './recording-index.js';
import { type RepeatableSources, repeatable } from './repeatable-sources.js';
import {
  checkOptions,
  type PlaybackControls,
  type ReplayPlan,
  type ReplayStatus,
  type ServeRecordingOptions,
  windowOf,
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
    const choosesByTime = plan.from !== undefined || plan.to !== undefined;
    const needsTimes = usesTimes || choosesByTime;
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
    const server = await startWith(source, options);
    return new RecordingServer(server, source, options.exitWhenDone === true, copies);
  } catch (error) {
    await copies.remove();
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

async function planOf(
  { paths, names }: RepeatableSources,
  options: ServeRecordingOptions,
  window: Pick<ReplayPlan, 'from' | 'to'>,
): Promise<ReplayPlan> {
  const { loop = false, lifecycle = false, rate, maxGapMs, onNotice } = options;
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
    onNothing: once(() => onNotice?.({ kind: 'nothing' })),
  };
}

/** Each playback of a recording without an event reports that again. */
function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
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

/** The server and its source as one thing. */
class RecordingServer implements ReplayServer {
  readonly finished: Promise<void>;
  readonly stopped: Promise<void>;
  readonly #server: MockServer;
  readonly #source: ReplaySource;
  readonly #copies: RepeatableSources;

  constructor(server: MockServer, source: ReplaySource, exitWhenDone: boolean, copies: RepeatableSources) {
    this.#server = server;
    this.#source = source;
    this.#copies = copies;
    this.stopped = server.finished;
    const done = exitWhenDone ? server.finished : Promise.race([source.played, server.finished]);
    this.finished = done.then(() => undefined);
    this.finished.catch(() => undefined);
    const remove = () => copies.remove();
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
    await this.#copies.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
