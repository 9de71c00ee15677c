import { OpmasError } from '../../core/errors.js';
import { isStreamAddress } from '../../core/jetstream/address.js';
import type { IdKind } from '../../core/jetstream/message-ids.js';
import type { ReadOptions } from '../recording/open-sources.js';
import { RecordingReader } from '../recording/reader.js';
import { LineMessages, type Outcome, type PublishedLine, type PublishSource } from './publish-window.js';
import { Publisher } from './publisher.js';
import { RecordingPublisher, type RecordingPublisherOptions } from './recording-publisher.js';
import { type StreamOptions, type StreamTarget, targetOf } from './target.js';

/** Options of {@link publishRecording}, all optional. */
export interface PublishOptions extends StreamOptions, ReadOptions {
  /** The rule by which two lines are the same message. Default `line`. */
  ids?: IdKind | undefined;
  /** Make the stream where there is none. */
  createStream?: boolean | undefined;
  /** Go on with what is written to the recordings, and never give up, until the signal aborts. */
  follow?: boolean | undefined;
  /** Called with a sentence about a failure that is tried again. */
  onNotice?: ((message: string) => void) | undefined;
}

/** Numbers of lines by what became of them. */
export interface PublishReport extends Record<Outcome, number> {
  /** The error about lines that are not in the stream although all went well. */
  shortfall: OpmasError | undefined;
  /** Lines that are left, as far as that is known. */
  rest: number;
  /** Number of the line with which the last time ended; 0 = none, or not known. */
  linesBefore: number;
}

/** A lost connection is tried again for so long. */
const PATIENCE_MS = 60_000;

/**
 * Publishes recordings to a stream of NATS. Done twice it changes nothing.
 *
 * @param sources Paths, merged by time; `-` is standard input. One that was published while it was recorded goes on
 *   where that was left, with all of its parts.
 * @param to Address of the stream: `nats://HOST/STREAM`.
 * @throws {OpmasError} `USAGE`, `AUTH`, `NETWORK` for the server and the stream, others as for reading. Lines that are
 *   not published then are published the next time.
 */
export async function publishRecording(
  sources: readonly string[],
  to: string,
  options: PublishOptions = {},
): Promise<PublishReport> {
  const { ids = 'line', onNotice = () => undefined, onProblem = () => undefined, follow = false } = options;
  const signal = options.signal ?? new AbortController().signal;
  const target = targetOf(to, options);
  let isConnected = false;
  const publishing: Omit<RecordingPublisherOptions, 'onDeleted'> = {
    ids,
    follow,
    createStream: options.createStream,
    signal,
    onNotice,
    onProblem,
    onRead: options.onRead,
    persists: (error, idleMs) =>
      isConnected && (follow || (error.code === 'NETWORK' && idleMs < PATIENCE_MS)),
    onConnect: () => {
      isConnected = true;
    },
  };
  if (follow || (await isKnown(sources, target, ids))) {
    return followAll(sources, target, publishing);
  }
  await using reader = await RecordingReader.open(sources, { ...options, nats: options });
  const source = readerSource(reader, () => new LineMessages(target.prefix, ids));
  const publisher = new Publisher(source, { ...target, ...publishing });
  await publisher.run();
  return { ...publisher.window.counts, shortfall: publisher.shortfall, rest: 0, linesBefore: 0 };
}

/** Returns whether there is one recording, and the place up to which it was published is known. */
async function isKnown(sources: readonly string[], target: StreamTarget, ids: IdKind): Promise<boolean> {
  const [only = '-'] = sources;
  if (sources.length > 1 || only === '-' || isStreamAddress(only)) return false;
  return (await RecordingPublisher.cursorOf(only, target, ids).read()) !== undefined;
}

/** Publishes each recording on a connection of its own. The first failure ends all. */
async function followAll(
  paths: readonly string[],
  target: StreamTarget,
  options: Omit<RecordingPublisherOptions, 'onDeleted'>,
): Promise<PublishReport> {
  const wrong = paths.find((path) => path === '-' || isStreamAddress(path));
  if (wrong !== undefined) throw new OpmasError('USAGE', `follow needs a file, not ${wrong}`);
  const failing = new AbortController();
  const signal = AbortSignal.any([options.signal, failing.signal]);
  const counts: Record<Outcome, number> = { published: 0, alreadyThere: 0, removed: 0, tooLarge: 0 };
  const report: PublishReport = { ...counts, shortfall: undefined, rest: 0, linesBefore: 0 };
  const publishOne = async (path: string) => {
    const onDeleted = (_: number, all: number) =>
      options.onNotice(`lines of ${path} that were deleted before they were published so far: ${all}`);
    const publishing = new RecordingPublisher(path, target, { ...options, signal, onDeleted });
    try {
      await publishing.run();
    } catch (error) {
      failing.abort();
      throw error;
    } finally {
      report.rest += await publishing.close();
      report.linesBefore += publishing.linesBefore;
      const { window, shortfall } = publishing.publisher;
      report.shortfall ??= shortfall;
      for (const [outcome, count] of Object.entries(window.counts)) report[outcome as Outcome] += count;
    }
  };
  for (const end of await Promise.allSettled(paths.map(publishOne)))
    if (end.status === 'rejected') throw end.reason;
  return report;
}

function readerSource(reader: RecordingReader, create: () => LineMessages): PublishSource {
  // The same line in two files is one line: one is a copy of the other.
  const messagesOf = new Map<string, LineMessages>();
  return {
    next(): PublishedLine | undefined {
      const line = reader.next();
      if (line === undefined) return undefined;
      const messages = messagesOf.get(reader.source) ?? create();
      messagesOf.set(reader.source, messages);
      return messages.messageOf(line, reader.number);
    },
    fill: () => reader.fill(),
  };
}
