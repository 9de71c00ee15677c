import { createHash } from 'node:crypto';
import { OpmasError } from '../../core/errors.js';
import { type IdKind, MessageIds } from '../../core/jetstream/message-ids.js';
import { subjectOf } from '../../core/jetstream/subjects.js';
import type { LineView } from '../../core/recording/line-view.js';
import { monotonicMs, shared } from '../clock.js';

/** A line that is to be published. */
export interface PublishedLine {
  subject: string;
  id: string;
  /** The line without its line feed; the memory is the publisher's. */
  bytes: Buffer;
  /** Microseconds since 1970; `NaN` when the line does not say. */
  receivedAt: number;
  /** For {@link PublishSource.onSettled}. */
  place: unknown;
}

/** Makes messages of the lines of a recording, which it has to see in order. */
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
export function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

/** A line that was read. */
export interface WindowEntry extends PublishedLine {
  isSettled: boolean;
  /** Milliseconds since 1970 of the first time that it was sent; 0 = never. */
  firstSentMs: number;
  /** Number of times that it was sent. */
  sends: number;
}

/** The fate of a line: the stream took it, had it already, had it until it was removed, or does not take it. */
export type Outcome = 'published' | 'alreadyThere' | 'removed' | 'tooLarge';

/** Returns the error about lines that are settled, but not in the stream. @param windowMs Its duplicate window. */
export function shortfallOf(
  { removed, tooLarge }: Record<Outcome, number>,
  stream: string,
  windowMs: number,
): OpmasError | undefined {
  if (removed > 0) {
    const why = 'they were removed from it, but NATS still knows their ids and drops them';
    return new OpmasError('INCOMPLETE', `lines are missing in the stream ${stream}: ${why}`, {
      hint: `Publish them again when its duplicate window of ${windowMs / 1000} s has passed.`,
    });
  }
  if (tooLarge === 0) return undefined;
  return new OpmasError(
    'NETWORK',
    `lines are missing in the stream ${stream}: they are larger than it takes`,
    {
      hint: 'The recording has them. The limits are max_payload of the server and max_msg_size of the stream.',
    },
  );
}

/** Lines in order, and what has become of them. */
export interface PublishSource {
  /** Takes the next line; `undefined` when {@link fill} has to bring more. */
  next(): PublishedLine | undefined;
  /** Waits for more lines. @returns `false` at the end. */
  fill(): Promise<boolean>;
  /** All lines up to this place are in the stream, or never will be. */
  onSettled?(place: unknown): void;
}

/** The lines that were read and are not settled, in order. Each line has a number, from 0 on. */
export class PublishWindow {
  readonly counts: Record<Outcome, number> = { published: 0, alreadyThere: 0, removed: 0, tooLarge: 0 };
  /** Number of the first line that is not settled. */
  base = 0;
  /** When the last line was settled, or the start, on the monotonic clock. */
  settledMs = monotonicMs();
  /** No more lines come. */
  hasEnded = false;
  /** The error of the source, which then looks as if it had ended. */
  failure: unknown;
  readonly #entries: WindowEntry[] = [];
  /** The source has to be filled before it gives the next line. */
  #isDry = false;

  constructor(private readonly source: PublishSource) {}

  /** Returns the line with a number, which is in the window or the next after it; `undefined` when there is none now. */
  at(number: number): WindowEntry | undefined {
    while (number >= this.base + this.#entries.length) {
      const line = this.#isDry ? undefined : this.#next();
      this.#isDry = line === undefined;
      if (line === undefined) return undefined;
      this.#entries.push({ ...line, isSettled: false, firstSentMs: 0, sends: 0 });
    }
    return this.#entries[number - this.base];
  }

  /** Waits for more lines, or the end. The lines that it brings for a session that has ended meanwhile are there for the next. */
  readonly fill: () => Promise<void> = shared(async () => {
    if (this.failure !== undefined) throw this.failure;
    if (!this.#isDry || this.hasEnded) return;
    this.hasEnded = !(await this.source.fill().catch((error) => this.#fail(error)));
    this.#isDry = this.hasEnded;
  });

  #next(): PublishedLine | undefined {
    try {
      return this.source.next();
    } catch (error) {
      return this.#fail(error);
    }
  }

  #fail(error: unknown): never {
    this.failure = error;
    throw error;
  }

  settle(entry: WindowEntry, outcome: Outcome): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    this.counts[outcome]++;
    let count = 0;
    while (this.#entries[count]?.isSettled) count++;
    if (count === 0) return;
    const settled = this.#entries.splice(0, count);
    this.base += count;
    this.settledMs = monotonicMs();
    this.source.onSettled?.(settled.at(-1)!.place);
  }
}
