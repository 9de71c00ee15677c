import { createHash } from 'node:crypto';
import { type IdKind, MessageIds } from '../../core/jetstream/message-ids.js';
import type { PublishedLine } from '../../core/jetstream/publish-window.js';
import { subjectOf } from '../../core/jetstream/subjects.js';
import type { LineView } from '../../core/recording/line-view.js';

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

/** 128 bits in hexadecimal. */
function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}
