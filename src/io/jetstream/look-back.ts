import type { ConsumerConfig } from '@nats-io/jetstream';
import type { IdSet } from '../../core/jetstream/message-ids.js';
import type { NatsLink } from './connect.js';
import { endWhenEmpty, jetStreamError } from './stream.js';

/** Memory for ids; more are not looked for. */
const MOST_IDS = 4_000_000;
const BATCH = 4000;

/**
 * Adds the ids of the messages in a stream to a set.
 *
 * @param sinceMs Milliseconds since 1970; 0 and less read all.
 * @throws {OpmasError} As {@link jetStreamError}.
 */
export async function readIdsSince(
  link: NatsLink,
  ids: IdSet,
  { stream, prefix, sinceMs }: { stream: string; prefix: string; sinceMs: number },
  onNotice: (message: string) => void,
): Promise<void> {
  const start: Partial<ConsumerConfig> =
    sinceMs <= 0 ? {} : { deliver_policy: 'by_start_time', opt_start_time: new Date(sinceMs).toISOString() };
  try {
    const consumer = await link.js.consumers.get(stream, {
      filter_subjects: `${prefix}.>`,
      headers_only: true,
      ...start,
    });
    if ((await consumer.info(true)).num_pending > 0) {
      const messages = await consumer.consume({ max_messages: BATCH });
      // A reader whose connection has closed would wait.
      void link.nc.closed().then(() => messages.stop());
      const end = endWhenEmpty(consumer, messages);
      try {
        for await (const message of messages) {
          ids.add(message.headers?.get('Nats-Msg-Id') ?? '');
          if (message.info.pending === 0) break;
          if (ids.size < MOST_IDS) continue;
          onNotice(`more than ${MOST_IDS} lines came since then: some of the others may be published twice`);
          break;
        }
      } finally {
        end();
      }
      if (link.nc.isClosed()) throw new Error('the connection ended');
    }
  } catch (error) {
    throw jetStreamError(error, link);
  }
}
