import { OpmasError } from '../../core/errors.js';
import { type IdKind, idKey, MessageIds } from '../../core/jetstream/message-ids.js';
import { LineView } from '../../core/recording/line-view.js';
import { wallClockMs } from '../clock.js';
import type { NatsLink } from './connect.js';
import { openMessages } from './messages.js';
import { hash, type WindowEntry } from './publish-window.js';
import { jetStreamError } from './stream.js';

/** Limit of the memory for ids: so many take 210 MB. More are not looked for. */
const MOST_IDS = 4_000_000;
/** Clocks of two machines may differ by so much. */
const SLACK_MS = 60_000;
const NEVER = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.NEGATIVE_INFINITY };

/** Finds the lines that a stream has had for longer than its server remembers their ids: these are read from the stream. */
export class KnownIds {
  /** Time for which the server folds messages of the same id. */
  duplicateWindowMs = 0;
  readonly #keys = new Set<bigint | undefined>();
  /** The ids of lines received in this time have been read. Milliseconds since 1970. */
  #lookedBack = NEVER;

  constructor(
    private readonly stream: string,
    private readonly prefix: string,
    private readonly onNotice: (message: string) => void,
  ) {}

  /** Returns whether {@link read} has to come before {@link has}. */
  needsRead(entry: WindowEntry): boolean {
    return this.#isOld(entry) && !this.#hasLookedBack(sentMsOf(entry));
  }

  /** Returns whether the stream has the line, as far as the ids were read. */
  has(entry: WindowEntry): boolean {
    if (this.#keys.has(idKey(entry.id))) return true;
    // The server knows what comes from here on.
    if (this.#keys.size > 0 && !this.#isOld(entry)) {
      this.#keys.clear();
      this.#lookedBack = NEVER;
    }
    return false;
  }

  /** Reads the ids in the stream since a line was received. No other line may be on its way. @throws {OpmasError} */
  async read(link: NatsLink, entry: WindowEntry): Promise<void> {
    const toMs = wallClockMs();
    const [sentMs, receivedMs] = [sentMsOf(entry), receivedMsOf(entry)];
    const before = this.#lookedBack;
    // What was there before the last time is known. Where times go back once, they may do so with each line.
    const goesOn = this.#hasLookedBack(receivedMs);
    let fromMs = goesOn ? sentMs : Math.min(sentMs, receivedMs - SLACK_MS);
    if (!goesOn && before !== NEVER && receivedMs < before.fromMs) fromMs = Number.NEGATIVE_INFINITY;
    await this.#readSince(link, fromMs - SLACK_MS);
    this.#lookedBack = { fromMs: goesOn ? Math.min(before.fromMs, fromMs) : fromMs, toMs };
  }

  async #readSince(link: NatsLink, sinceMs: number): Promise<void> {
    const { stream, prefix } = this;
    const opened = await openMessages(link, { stream, prefix, sinceMs, headersOnly: true });
    if (opened === undefined) return;
    try {
      for await (const message of opened.messages) {
        this.#keys.add(idKey(message.headers?.get('Nats-Msg-Id') ?? ''));
        if (message.info.pending === 0) return;
        if (this.#keys.size < MOST_IDS) continue;
        this.onNotice(
          `more than ${MOST_IDS} lines came since then: some of the others may be published twice`,
        );
        return;
      }
    } catch (error) {
      throw jetStreamError(error, link);
    } finally {
      opened.end();
    }
    if (link.nc.isClosed()) throw jetStreamError(new Error('the connection ended'), link);
  }

  #isOld(entry: WindowEntry): boolean {
    const safeMs = Math.max(this.duplicateWindowMs - SLACK_MS, this.duplicateWindowMs / 2);
    return wallClockMs() - sentMsOf(entry) > safeMs;
  }

  #hasLookedBack(atMs: number): boolean {
    return this.#lookedBack.fromMs <= atMs && atMs < this.#lookedBack.toMs;
  }
}

/** The time since which the stream may have the line: that at which it was sent, or received by its recorder. */
function sentMsOf(entry: WindowEntry): number {
  return entry.firstSentMs || receivedMsOf(entry);
}

/** A line without a time may be of any. */
function receivedMsOf({ receivedAt }: WindowEntry): number {
  return Number.isNaN(receivedAt) ? 0 : receivedAt / 1000;
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
    `the lines in the stream ${stream} have ids of the kind ${kind}, so lines with others would double them: use \`ids: '${kind}'\``,
  );
}
