import { checkPrefix, takesSome } from '../../core/jetstream/subjects.js';
import { connectNats, type NatsLink } from './connect.js';
import { findStream, jetStreamError, noStream, otherSubjects } from './stream.js';
import { type StreamOptions, type StreamTarget, targetOf } from './target.js';

/** Streams and prefixes that a hint names. */
const MOST_NAMED = 10;

/** A stream, and the connection to its server. */
interface ReadableStream {
  link: NatsLink;
  /** Number of its last message. */
  lastSequence: number;
  /** The time at which it was made: it tells the stream from a later one of its name. */
  created: string;
}

/**
 * Connects to a stream, and checks that it exists and has lines or may get some.
 *
 * @throws {OpmasError} `USAGE` with the streams that are there, or the prefixes that it may have; `AUTH`, `NETWORK`.
 */
export async function openReadable({ address, access, prefix }: StreamTarget): Promise<ReadableStream> {
  const link = await connectNats(address, access);
  try {
    return { link, ...(await checkReadable(link, address.stream, prefix)) };
  } catch (error) {
    await link.nc.close();
    throw jetStreamError(error, link);
  }
}

async function checkReadable(link: NatsLink, stream: string, prefix: string) {
  const { streams } = link.jsm;
  const found = await findStream(link, stream);
  if (found === undefined) throw noStream(link, stream, await streamsHint(link, prefix));
  const { state, created } = found;
  const { subjects = [], mirror, sources = [] } = found.config;
  // Streams that are fed from others have the subjects of these.
  const mayHave = mirror !== undefined || sources.length > 0 || takesSome(subjects, prefix);
  if (mayHave || (await streams.getMessage(stream, { last_by_subj: `${prefix}.>` })) !== null)
    return { lastSequence: state.last_seq, created };
  const taken = subjects.length === 0 ? 'no subject of its own' : listed(subjects);
  throw otherSubjects(stream, taken, prefix, prefixHint(subjects) ?? (await streamsHint(link, prefix)));
}

/** Names the prefixes that lines in a stream of these subjects may have. */
function prefixHint(subjects: readonly string[]): string | undefined {
  const prefixes = subjects.flatMap((subject) => {
    const [, prefix = ''] = /^([^*>]+?)(?:\.(?:event|connection|invalid))?\.>$/.exec(subject) ?? [];
    try {
      checkPrefix(prefix);
      return [`\`prefix\` ${prefix}`];
    } catch {
      return [];
    }
  });
  if (prefixes.length === 0) return undefined;
  return `If its lines have another prefix, name that: ${[...new Set(prefixes)].slice(0, MOST_NAMED).join(', or ')}`;
}

/** Names the streams that a reader may have meant. */
async function streamsHint({ jsm }: NatsLink, prefix: string): Promise<string> {
  const namesOf = (subject?: string) => jsm.streams.names(subject).next();
  try {
    const ours = await namesOf(`${prefix}.>`);
    if (ours.length > 0) return `Streams there with ${prefix}.>: ${listed(ours)}`;
    const all = await namesOf();
    return all.length > 0 ? `Streams there: ${listed(all)}` : 'There are no streams for this login.';
  } catch {
    return 'nats stream ls names the streams there.';
  }
}

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return `${names.slice(0, MOST_NAMED).join(', ')}${more > 0 ? `, and ${more} more` : ''}`;
}

/** Returns the line of a stream that was stored last; `undefined` without lines. @throws {OpmasError} As {@link openReadable}. */
export function lastLineOf(address: string, options?: StreamOptions): Promise<Buffer | undefined> {
  return ask(targetOf(address, options), async ({ link }, stream, prefix) => {
    const last = await link.jsm.streams.getMessage(stream, { last_by_subj: `${prefix}.>` });
    return last === null ? undefined : Buffer.from(last.data);
  });
}

/**
 * Returns the number of a message of a stream from which on there are so many events, or all.
 *
 * @throws {OpmasError} As {@link openReadable}.
 */
export function startOf(address: string, events: number, options?: StreamOptions): Promise<number> {
  return ask(targetOf(address, options), async ({ link, lastSequence }, stream, prefix) => {
    for (let back = events; ; back *= 4) {
      const start = Math.max(1, lastSequence - back + 1);
      const consumer = await link.js.consumers.get(stream, {
        filter_subjects: `${prefix}.event.>`,
        deliver_policy: 'by_start_sequence',
        opt_start_seq: start,
      });
      const { num_pending } = await consumer.info(true);
      void consumer.delete().catch(() => undefined);
      if (num_pending >= events || start === 1) return start;
    }
  });
}

async function ask<T>(
  target: StreamTarget,
  question: (opened: ReadableStream, stream: string, prefix: string) => Promise<T>,
): Promise<T> {
  const opened = await openReadable(target);
  try {
    return await question(opened, target.address.stream, target.prefix);
  } catch (error) {
    throw jetStreamError(error, opened.link);
  } finally {
    await opened.link.nc.close();
  }
}
