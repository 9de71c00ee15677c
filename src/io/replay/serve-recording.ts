import { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import { isStreamAddress } from '../../core/jetstream/address.js';
import { unlessStopped } from '../clock.js';
import { changeHandler, withoutLocks } from '../recording/open-sources.js';
import { openPart, partOf, sinceOf, withKnownEnds } from '../recording/part.js';
import { startsOf } from '../recording/recording-end.js';
import { type RepeatableSources, repeatable } from '../recording/repeatable-sources.js';
import type { MockServer } from '../server/serving-options.js';
import { StreamServer } from '../server/stream-server.js';
import { RecordingIndex } from './recording-index.js';
import {
  checkReplay,
  type PlaybackControls,
  type ReplayStatus,
  type ServeRecordingOptions,
} from './replay-options.js';
import { planOf } from './replay-plan.js';
import { ReplaySource } from './replay-source.js';

const LINE_FEED = Buffer.from('\n');

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
  checkReplay(options);
  const paths = typeof sources === 'string' ? [sources] : [...(sources ?? [])];
  if (paths.length === 0) throw new OpmasError('USAGE', 'no recording to serve');
  const recordings = withoutLocks(paths, options.onProblem);
  const { stdin, signal, onNotice, nats } = options;
  const onSlow = (source: string) => onNotice?.({ kind: 'copying', source });
  // A stream is copied from the time on that is wanted.
  const isStored = recordings.every(isStreamAddress);
  const part = partOf(options);
  const known = isStored ? await withKnownEnds(part, recordings, options) : part;
  const { last, ...others } = part;
  const isSeekable = last !== undefined && Object.values(others).every((rule) => rule === undefined);
  const starts = isSeekable
    ? await unlessStopped(startsOf(recordings.filter(isStreamAddress), last, nats), signal)
    : undefined;
  const onChange = changeHandler(options.onProblem);
  let copies = await repeatable(recordings, onSlow, signal, stdin, (path) => ({
    nats,
    sinceMs: sinceOf(known),
    start: starts?.get(path),
    onChange: onChange(path),
  }));
  let chosen = options;
  let source: ReplaySource | undefined;
  try {
    if (last !== undefined) [copies, chosen] = await withLast(copies, options);
    const plan = await planOf(copies, chosen);
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

/** Copies what `last` selects to a temporary file: else each pass for each client would search for it anew. */
async function withLast(
  all: RepeatableSources,
  options: ServeRecordingOptions,
): Promise<[RepeatableSources, ServeRecordingOptions]> {
  const lines: Buffer[] = [];
  await using reader = await openPart(all.paths, { ...options, names: all.names });
  await reader.visit(({ bytes, start, end }) =>
    lines.push(Buffer.from(bytes.subarray(start, end)), LINE_FEED),
  );
  // A file without lines is no recording.
  if (lines.length === 0) return [all, options];
  const stdin = Readable.from(lines, { objectMode: false });
  const copy = await repeatable(['-'], () => undefined, options.signal, stdin);
  const name = all.paths.map((path) => all.names.get(path) ?? path).join(', ');
  const removeCopies = async () => {
    await copy.removeCopies();
    await all.removeCopies();
  };
  return [
    { ...copy, names: new Map([[copy.paths[0] ?? '', name]]), removeCopies },
    { ...options, from: undefined, to: undefined },
  ];
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
