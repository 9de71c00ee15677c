import { OpmasError } from '../../core/errors.js';
import { parseStreamAddress } from '../../core/jetstream/address.js';
import type { IdKind } from '../../core/jetstream/message-ids.js';
import type { Outcome, PublishedLine } from '../../core/jetstream/publish-window.js';
import { checkPrefix, DEFAULT_PREFIX } from '../../core/jetstream/subjects.js';
import type { ReadOptions } from '../recording/read-options.js';
import { RecordingReader } from '../recording/reader.js';
import type { NatsAccess } from './connect.js';
import { LineMessages } from './published-line.js';
import { Publisher, type PublisherOptions, type PublishSource } from './publisher.js';

/** How lines become messages of a stream. */
export interface StreamOptions {
  access?: NatsAccess | undefined;
  /** First tokens of the subjects. Default `opmas-ws`. */
  prefix?: string | undefined;
}

/** Options of {@link publishRecording}, all optional. */
export interface PublishOptions extends StreamOptions, ReadOptions {
  /** What makes two lines the same message. Default `line`. */
  ids?: IdKind | undefined;
  /** Make the stream where there is none. */
  createStream?: boolean | undefined;
  /** Called with a sentence about a failure that is tried again. */
  onNotice?: ((message: string) => void) | undefined;
}

/** Numbers of lines by what became of them. */
export type PublishReport = Readonly<Record<Outcome, number>>;

/** A lost connection is tried again for so long. */
const PATIENCE_MS = 60_000;

/**
 * Publishes recordings to a stream of NATS. Done twice it changes nothing.
 *
 * @param sources Paths, merged by time; `-` is standard input.
 * @param to Address of the stream: `nats://HOST/STREAM`.
 * @throws {OpmasError} `USAGE`, `AUTH`, `NETWORK` for the server and the stream, others as for reading. What is not
 *   published then is published the next time.
 */
export async function publishRecording(
  sources: readonly string[],
  to: string,
  options: PublishOptions = {},
): Promise<PublishReport> {
  const { ids = 'line', onNotice = () => undefined } = options;
  const signal = options.signal ?? new AbortController().signal;
  const target = targetOf(to, options);
  await using reader = await RecordingReader.open(sources, options);
  let isConnected = false;
  const publisher = new Publisher(readerSource(reader, new LineMessages(target.prefix, ids)), {
    ...target,
    createStream: options.createStream,
    signal,
    onNotice,
    persists: (error, idleMs) => isConnected && error.code === 'NETWORK' && idleMs < PATIENCE_MS,
    onConnect: () => {
      isConnected = true;
    },
  });
  await publisher.run();
  return publisher.window.counts;
}

/** @throws {OpmasError} `USAGE` for an address or a prefix that cannot be used. */
export function targetOf(
  to: string,
  { access = {}, prefix = DEFAULT_PREFIX }: StreamOptions,
): Pick<PublisherOptions, 'address' | 'access' | 'prefix'> {
  const address = parseStreamAddress(to);
  checkPrefix(prefix);
  if (address.host === '' && access.servers === undefined) {
    throw new OpmasError('USAGE', 'the address of the stream names no host', {
      hint: 'Write it like nats://nats.example.org/EVENTS, or name the server with --nats-context.',
    });
  }
  return { address, access: address.host === '' ? access : { ...access, servers: undefined }, prefix };
}

function readerSource(reader: RecordingReader, messages: LineMessages): PublishSource {
  return {
    next(): PublishedLine | undefined {
      const line = reader.next();
      return line === undefined ? undefined : messages.messageOf(line, reader.number);
    },
    fill: () => reader.fill(),
  };
}
