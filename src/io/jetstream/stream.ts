import type { StreamConfig, StreamInfo, StreamState } from '@nats-io/jetstream';
import { OpmasError } from '../../core/errors.js';
import type { StreamAddress } from '../../core/jetstream/address.js';
import { coversPrefix } from '../../core/jetstream/subjects.js';
import { quoted } from '../../core/text.js';
import { type NatsLink, natsError } from './connect.js';

/** The facts about a stream that publishers need. */
export interface StreamFacts {
  /** Time for which the server folds messages of the same id. */
  duplicateWindowMs: number;
  /** Longest line that is taken, its headers included, in bytes. */
  maxBytes: number;
  /** Room in a stream that refuses messages when it is full; others drop their oldest ones. */
  room: { messages: number; bytes: number };
  isEmpty: boolean;
  /** Returns whether a message that was stored is no longer there. */
  isRemoved(sequence: number): boolean;
  /** Warnings for publishers. */
  warnings: string[];
}

const NANOS_PER_MS = 1_000_000;
const SHORTEST_WINDOW_MS = 120_000;
const CREATED_WINDOW_MS = 600_000;
/** JetStream's number of the error about a stream that does not exist. */
const NOT_FOUND = 10_059;
/** That of the error about subjects that another stream has. */
const OVERLAP = 10_065;
/** Longer lists of single messages that were removed are not asked for. */
const MOST_REMOVED = 50_000;

/**
 * Checks that a stream exists and takes our subjects, for publishing.
 *
 * @param use `create` makes the stream where there is none.
 * @throws {OpmasError} `USAGE` with the command that makes the stream; `AUTH` and `NETWORK` as for a connection.
 */
export async function checkStream(
  link: NatsLink,
  { stream, host, isSecure }: StreamAddress,
  prefix: string,
  use: 'publish' | 'create',
): Promise<StreamFacts> {
  const server = isSecure ? `tls://${host}` : host;
  const own = link.access.servers === undefined ? { server } : {};
  const addCommand = (name: string) =>
    natsCommand('add', name, { subjects: `${prefix}.>`, 'dupe-window': '10m', ...own });
  const found = await findStream(link, stream);
  if (found === undefined && use !== 'create') {
    throw noStream(link, stream, `Make it: ${addCommand(stream)}\nor let it be made with \`createStream\`.`);
  }
  const { config, state } = found ?? (await makeStream(link, stream, prefix));
  const { subjects = [], max_msg_size, duplicate_window = 0, max_msgs, max_bytes, discard } = config;
  if (!coversPrefix(subjects, prefix)) {
    const taken = subjects.length === 0 ? 'only the messages of other streams' : subjects.join(', ');
    const others = subjects.filter((each) => /^[^$*>]+\.>$/.test(each)).map((each) => each.slice(0, -2));
    const meant = others.map((other) => `\`prefix\` ${quoted(other)}`).join(' or ');
    const hints = [
      ...(meant === '' ? [] : [`The prefix of its subjects may be meant: ${meant}`]),
      `To add the subject: ${natsCommand('edit', stream, { subjects: [...subjects, `${prefix}.>`].join(','), ...own })}`,
      `A new stream: ${addCommand('NAME')}`,
    ];
    throw otherSubjects(stream, taken, prefix, hints.join('\n'));
  }
  const duplicateWindowMs = duplicate_window / NANOS_PER_MS;
  const warnings: string[] = [];
  if (duplicateWindowMs < SHORTEST_WINDOW_MS) {
    warnings.push(
      `the duplicate window of the stream ${stream} is only ${duplicateWindowMs / 1000} s; make it longer: ${natsCommand('edit', stream, { 'dupe-window': '10m', ...own })}`,
    );
  }
  if (config.retention === 'interest') {
    warnings.push(
      `the stream ${stream} has the retention interest: it drops lines for which no consumer waits`,
    );
  }
  const unfit = unfitBecause(config);
  if (unfit !== undefined) {
    throw new OpmasError('USAGE', `the stream ${stream} cannot be published to: ${unfit}`, {
      hint: `Choose another one. A new stream: ${addCommand('NAME')}`,
    });
  }
  const removed = await removedFrom(link, stream, state);
  const limits = [link.nc.info?.max_payload ?? 0, max_msg_size].filter((bytes) => bytes > 0);
  const roomOf = (limit: number, used: number) =>
    discard === 'new' && limit > 0 ? limit - used : Number.POSITIVE_INFINITY;
  return {
    duplicateWindowMs,
    maxBytes: Math.min(...limits),
    room: { messages: roomOf(max_msgs, state.messages), bytes: roomOf(max_bytes, state.bytes) },
    isEmpty: state.messages === 0,
    isRemoved: (sequence) => sequence < state.first_seq || removed.has(sequence),
    warnings,
  };
}

/** Says why a stream cannot keep lines that are published. */
function unfitBecause({ sealed, no_ack, retention }: StreamConfig): string | undefined {
  if (sealed) return 'it is sealed, so it takes no more messages';
  if (no_ack) return 'it acknowledges nothing (no_ack), so lost lines would not be noticed';
  if (retention === 'workqueue') return 'with the retention workqueue each line is there for one reader only';
  return undefined;
}

/** Finds the messages that were removed from the middle of a stream. */
async function removedFrom(
  { jsm }: NatsLink,
  stream: string,
  { num_deleted = 0 }: StreamState,
): Promise<ReadonlySet<number>> {
  if (num_deleted === 0 || num_deleted > MOST_REMOVED) return new Set();
  const info = await jsm.streams.info(stream, { deleted_details: true }).catch(() => undefined);
  return new Set(info?.state.deleted);
}

/** Asks for the facts about a stream; `undefined` when there is none. @throws {OpmasError} As for a connection. */
export async function findStream(link: NatsLink, stream: string): Promise<StreamInfo | undefined> {
  return link.jsm.streams.info(stream).catch((error: { code?: unknown }) => {
    if (error.code !== NOT_FOUND) throw jetStreamError(error, link);
    return undefined;
  });
}

/** Makes the error for a stream that does not exist. */
export function noStream({ host }: NatsLink, stream: string, hint: string): OpmasError {
  return new OpmasError('USAGE', `the NATS server ${host} has no stream ${stream}`, { hint });
}

/** Makes the error for a stream in which no line of ours can be. */
export function otherSubjects(stream: string, taken: string, prefix: string, hint: string): OpmasError {
  return new OpmasError('USAGE', `the stream ${stream} takes ${taken}, but not ${prefix}.>`, { hint });
}

async function makeStream(link: NatsLink, stream: string, prefix: string): Promise<StreamInfo> {
  try {
    return await link.jsm.streams.add({
      name: stream,
      subjects: [`${prefix}.>`],
      duplicate_window: CREATED_WINDOW_MS * NANOS_PER_MS,
    });
  } catch (error) {
    const { code, message } = error as Error & { code?: number };
    if (typeof code !== 'number') throw jetStreamError(error, link);
    const isTaken = code === OVERLAP;
    throw new OpmasError('USAGE', `the stream ${stream} cannot be made: ${message}`, {
      hint: isTaken ? `Choose subjects of its own, for example \`prefix\` site-7.${prefix}` : undefined,
      cause: error,
    });
  }
}

/** Turns an error of JetStream's API into one for the user. */
export function jetStreamError(error: unknown, link: NatsLink): OpmasError {
  const { name = '', message = '' } = error as Error;
  if (/not enabled|no responders/i.test(`${name} ${message}`)) {
    return new OpmasError('NETWORK', `the NATS server ${link.host} offers no JetStream to this login`, {
      hint: 'It may be starting. Otherwise its operator turns JetStream on: nats-server -js',
      cause: error,
    });
  }
  return natsError(error, link.host, link.access);
}

/** Writes a command of NATS's own command line. */
function natsCommand(
  verb: 'add' | 'edit',
  stream: string,
  options: Readonly<Record<string, string>>,
): string {
  const words = Object.entries(options).map(([name, value]) => `--${name} ${quoted(value)}`);
  return ['nats stream', verb, stream, ...words].join(' ');
}
