import { OpmasError } from '../../core/errors.js';
import type { StreamAddress } from '../../core/jetstream/address.js';
import { checkPrefix, takesSome } from '../../core/jetstream/subjects.js';
import { connectNats, type NatsLink } from './connect.js';
import { jetStreamError, NOT_FOUND } from './stream.js';
import { type StreamOptions, targetOf } from './target.js';

/** Streams and prefixes that a hint names. */
const MOST_NAMED = 10;

/**
 * Checks that a stream exists, and that it has lines or may get some.
 *
 * @throws {OpmasError} `USAGE` with the streams that are there, or the prefixes that it may have; `AUTH`, `NETWORK`.
 */
export async function checkReadable(
  link: NatsLink,
  { stream }: StreamAddress,
  prefix: string,
): Promise<{ lastSequence: number; created: string }> {
  const { jsm, host } = link;
  try {
    const { config, state, created } = await jsm.streams.info(stream);
    const { subjects = [], mirror, sources = [] } = config;
    // Streams that are fed from others have the subjects of these.
    const mayHave = mirror !== undefined || sources.length > 0 || takesSome(subjects, prefix);
    if (mayHave || (await jsm.streams.getMessage(stream, { last_by_subj: `${prefix}.>` })) !== null)
      return { lastSequence: state.last_seq, created };
    const taken = subjects.length === 0 ? 'no subject of its own' : listed(subjects);
    throw new OpmasError('USAGE', `the stream ${stream} takes ${taken}, but not ${prefix}.>`, {
      hint: prefixHint(subjects) ?? (await streamsHint(link, prefix)),
    });
  } catch (error) {
    if (error instanceof OpmasError) throw error;
    if ((error as { code?: unknown }).code !== NOT_FOUND) throw jetStreamError(error, link);
    throw new OpmasError('USAGE', `the NATS server ${host} has no stream ${stream}`, {
      hint: await streamsHint(link, prefix),
      cause: error,
    });
  }
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

/** Returns the line of a stream that was stored last; `undefined` without lines. @throws {OpmasError} As {@link checkReadable}. */
export function lastLineOf(address: string, options?: StreamOptions): Promise<Buffer | undefined> {
  return ask(address, options, async ({ jsm }, stream, prefix) => {
    const last = await jsm.streams.getMessage(stream, { last_by_subj: `${prefix}.>` });
    return last === null ? undefined : Buffer.from(last.data);
  });
}

/**
 * Returns the number of a message of a stream from which on there are so many events, or all.
 *
 * @throws {OpmasError} As {@link checkReadable}.
 */
export function startOf(address: string, events: number, options?: StreamOptions): Promise<number> {
  return ask(address, options, async ({ js }, stream, prefix, lastSequence) => {
    for (let back = events; ; back *= 4) {
      const start = Math.max(1, lastSequence - back + 1);
      const consumer = await js.consumers.get(stream, {
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
  text: string,
  options: StreamOptions | undefined,
  question: (link: NatsLink, stream: string, prefix: string, lastSequence: number) => Promise<T>,
): Promise<T> {
  const { address, access, prefix } = targetOf(text, options);
  const link = await connectNats(address, access);
  try {
    const { lastSequence } = await checkReadable(link, address, prefix);
    return await question(link, address.stream, prefix, lastSequence);
  } catch (error) {
    throw jetStreamError(error, link);
  } finally {
    await link.nc.close();
  }
}
