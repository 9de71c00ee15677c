import { clearInterval, setInterval } from 'node:timers';
import type { Consumer, ConsumerConfig, ConsumerMessages } from '@nats-io/jetstream';
import type { NatsLink } from './connect.js';
import { jetStreamError } from './stream.js';

/** A part of a stream. */
export interface MessageRange {
  stream: string;
  prefix: string;
  /** Begin behind the message with this number; 0 does not count. */
  after?: number | undefined;
  /** Else begin with what was stored at this time, in milliseconds since 1970. Default: at the start. */
  sinceMs?: number | undefined;
  /** Leave out what the messages hold. */
  headersOnly?: boolean | undefined;
  /** Go on with new messages. Default: end with the last one. */
  follow?: boolean | undefined;
  /** Returns true when all messages have come, and new ones are waited for. */
  isCaughtUp?: (() => boolean) | undefined;
}

/** Messages that wait here, and the bytes of them when they are of the average size of their stream. */
const BATCH = 2000;
const BATCH_BYTES = 16 * 1024 * 1024;
/** While a stream is empty, its messages are taken to be of this size. */
const SIZE_BYTES = 32 * 1024;
const EMPTY_CHECK_MS = 3000;

/**
 * Opens the messages of a stream. They end with the connection, with an error when the stream is deleted, or by `end`.
 * Where nothing is from the time that is asked for, the last message comes: it tells that there are others.
 *
 * @returns `undefined` when there are none.
 * @throws {OpmasError} As {@link jetStreamError}.
 */
export async function openMessages(
  link: NatsLink,
  { stream, prefix, after = 0, sinceMs = 0, headersOnly = false, follow = false, isCaughtUp }: MessageRange,
): Promise<{ messages: ConsumerMessages; isEmpty: boolean; end(): void } | undefined> {
  let start: Partial<ConsumerConfig> = {};
  if (after > 0) start = { deliver_policy: 'by_start_sequence', opt_start_seq: after + 1 };
  else if (sinceMs > 0)
    start = { deliver_policy: 'by_start_time', opt_start_time: new Date(sinceMs).toISOString() };
  try {
    const open = async (begin: Partial<ConsumerConfig>) => {
      const config = { filter_subjects: `${prefix}.>`, headers_only: headersOnly, ...begin };
      const consumer = await link.js.consumers.get(stream, config);
      return { consumer, isEmpty: (await consumer.info(true)).num_pending === 0 };
    };
    let { consumer, isEmpty } = await open(start);
    if (!follow && isEmpty && start.opt_start_time !== undefined)
      ({ consumer, isEmpty } = await open({ deliver_policy: 'last' }));
    if (!follow && isEmpty) return undefined;
    const max_messages = headersOnly ? 2 * BATCH : await batchOf(link, stream);
    const options = { max_messages, abort_on_missing_resource: true };
    const messages = await consumer.consume(options);
    const timer = stopWhenEmpty(consumer, messages, isCaughtUp);
    const end = () => {
      clearInterval(timer);
      messages.stop();
      consumer.delete().catch(() => undefined);
    };
    // A reader whose connection has closed would wait.
    void link.nc.closed().then(end);
    return { messages, isEmpty, end };
  } catch (error) {
    throw jetStreamError(error, link);
  }
}

/** The client of NATS takes 100 messages at most with a limit of bytes, and then waits for long ones. */
async function batchOf({ jsm }: NatsLink, stream: string): Promise<number> {
  const { bytes, messages } = (await jsm.streams.info(stream)).state;
  const average = messages === 0 ? SIZE_BYTES : bytes / messages;
  return Math.max(2, Math.min(BATCH, Math.floor(BATCH_BYTES / average)));
}

/** Stops messages when nothing is left: what they wait for may have been deleted meanwhile. */
function stopWhenEmpty(
  consumer: Consumer,
  messages: ConsumerMessages,
  isCaughtUp = () => false,
): NodeJS.Timeout {
  let before = -1;
  return setInterval(async () => {
    const received = messages.getReceived();
    const isIdle = !isCaughtUp() && received === before && messages.getPending() === 0;
    before = received;
    const info = isIdle ? await consumer.info().catch(() => undefined) : undefined;
    if (info?.num_pending === 0) messages.stop();
  }, EMPTY_CHECK_MS);
}
