import { createHash } from 'node:crypto';
import { OpmasError } from '../../core/errors.js';
import { type IdKind, MessageIds } from '../../core/jetstream/message-ids.js';
import { subjectOf } from '../../core/jetstream/subjects.js';
import { LineView } from '../../core/recording/line-view.js';
import type { NatsLink } from './connect.js';
import type { PublishedLine } from './publish-window.js';

/** Makes messages of the lines of one file, which it has to see in order. */
export class LineMessages {
  readonly #prefix: string;
  readonly #ids: MessageIds;

  constructor(prefix: string, kind: IdKind) {
    this.#prefix = prefix;
    this.#ids = new MessageIds(kind, hash);
  }

  /** @param number Number of the line in its file. @param place See {@link PublishedLine}. */
  messageOf(line: LineView, number: number, place?: unknown): PublishedLine {
    const { bytes, start, end, kind, endpoint, receivedAt } = line;
    const subject = kind === 'event' ? line.frame.subject : undefined;
    return {
      subject: subjectOf(this.#prefix, kind, endpoint, subject),
      id: this.#ids.next(line, number),
      bytes: Buffer.from(bytes.subarray(start, end)),
      receivedAt,
      place,
    };
  }
}

/**
 * Checks that the last event in a stream has an id of the kind that other lines will have.
 *
 * @throws {OpmasError} `USAGE` when it has one of the other kind: all lines could be there twice.
 */
export async function checkIdKind(
  { jsm }: NatsLink,
  { stream, prefix, ids }: { stream: string; prefix: string; ids: IdKind },
): Promise<void> {
  // A login that may not do this can publish.
  const last = await jsm.streams
    .getMessage(stream, { last_by_subj: `${prefix}.event.>` })
    .catch(() => undefined);
  const line = new LineView();
  if (!last || line.read(Buffer.from(last.data), 0, last.data.length) === undefined) return;
  const hashOf = (id: string) => id.replace(/-.*/, '');
  const hasId = (kind: IdKind) =>
    hashOf(new MessageIds(kind, hash).next(line, 0)) === hashOf(last.header.get('Nats-Msg-Id'));
  const kind = (['line', 'event'] as const).find(hasId);
  if (kind === undefined || kind === ids) return;
  throw new OpmasError(
    'USAGE',
    `the lines in the stream ${stream} have ids of the kind ${kind}, so lines with others would double them: add \`ids: '${kind}'\``,
  );
}

/** 128 bits in hexadecimal. */
function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}
