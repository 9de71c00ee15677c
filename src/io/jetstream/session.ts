import { clearInterval, setInterval } from 'node:timers';
import type { Msg } from '@nats-io/transport-node';
import { OpmasError } from '../../core/errors.js';
import { deferred, monotonicMs, unlessStopped, wallClockMs } from '../clock.js';
import type { NatsLink } from './connect.js';
import type { KnownIds } from './known-ids.js';
import type { PublishWindow, WindowEntry } from './publish-window.js';
import type { StreamFacts } from './stream.js';

/** Lines in flight. More gain nothing: a server acknowledges no faster. */
const WINDOW = 256;
const WINDOW_BYTES = 8 * 1024 * 1024;
const ACK_LIMIT_MS = 10_000;
const CHECK_MS = 1000;
const ID_HEADER = 'Nats-Msg-Id';
const HEADER_BYTES = `NATS/1.0\r\n${ID_HEADER}: \r\n\r\n`.length;
/** Bytes of a message in the store besides its subject and payload. */
const STORED_BYTES = 128;
/** JetStream's number of the error about a message that is longer than the stream takes. */
const TOO_LARGE = 10_054;
const IS_FULL = /maximum (messages|bytes)|insufficient|no space/i;

/** The answer of JetStream to a message. */
interface Answer {
  seq?: number;
  duplicate?: boolean;
  error?: { err_code?: number; description?: string };
}

/** The receiver of what happens in a {@link Session}. */
export interface SessionEvents {
  /** The stream has acknowledged a line, or nothing is left to send. */
  onStored(): void;
  /** Called with a sentence about a line that is left out. */
  onNotice(message: string): void;
}

/** Bytes of the headers of a message, which count as part of it. */
function headerBytesOf({ id }: WindowEntry): number {
  return HEADER_BYTES + id.length;
}

/** Sends the lines of a window on one connection, and takes the acknowledgements. */
export class Session {
  readonly #inbox: string;
  /** Rejects when the session has to begin anew. */
  readonly #failed = deferred();
  /** Resolves when more may be sent. */
  #changed = deferred();
  #inFlight = 0;
  #bytesInFlight = 0;
  /** Room in a stream that refuses messages when it is full. */
  readonly #room: StreamFacts['room'];
  #isOver = false;
  #answeredMs = monotonicMs();

  constructor(
    private readonly link: NatsLink,
    private readonly facts: StreamFacts,
    private readonly window: PublishWindow,
    private readonly ids: KnownIds,
    private readonly events: SessionEvents,
  ) {
    this.#inbox = link.nats.createInbox(link.access.inboxPrefix);
    this.#room = { ...facts.room };
  }

  /** Sends until the lines end and all are settled, or the signal aborts. @throws {OpmasError} When it has to begin anew. */
  async run(signal: AbortSignal): Promise<void> {
    const { nc } = this.link;
    const subscription = nc.subscribe(`${this.#inbox}.*`, {
      callback: (_, message) => {
        // The client would print the error on stdout, and read no further.
        try {
          this.#onAnswer(message);
        } catch (error) {
          this.#fail(error);
        }
      },
    });
    const lost = new OpmasError('NETWORK', `the connection to the NATS server ${this.link.host} was lost`);
    void nc.closed().then((error) => this.#fail(error ?? lost));
    void this.#watch();
    const timer = setInterval(() => {
      if (this.#inFlight === 0 || monotonicMs() - this.#answeredMs < ACK_LIMIT_MS) return;
      this.#fail(new OpmasError('NETWORK', `the NATS server ${this.link.host} acknowledges nothing`));
    }, CHECK_MS);
    try {
      await unlessStopped(Promise.race([this.#failed.promise, this.#sendAll()]), signal);
    } finally {
      this.#isOver = true;
      clearInterval(timer);
      subscription.unsubscribe();
    }
  }

  async #sendAll(): Promise<void> {
    const { window, ids, link } = this;
    // The window may move past the next line: the session before may have settled lines behind the first one.
    for (let next = window.base; !this.#isOver; next = Math.max(next, window.base)) {
      const hasRoom = this.#hasRoom(next);
      const entry = hasRoom ? window.at(next) : undefined;
      if (entry === undefined) {
        const isIdle = next === window.base;
        if (isIdle && window.hasEnded) return;
        if (isIdle) this.events.onStored();
        await this.#change(hasRoom);
      } else if (entry.isSettled) next++;
      else if (!ids.needsRead(entry)) this.#handle(entry, next++);
      // Until then, the lines before it may be on their way.
      else if (next > window.base) await this.#change();
      else await ids.read(link, entry);
    }
  }

  /** Waits until more may be sent. @param fills Also for further lines. */
  async #change(fills = false): Promise<void> {
    const changed = deferred();
    this.#changed = changed;
    if (fills && !this.window.hasEnded) this.window.fill().then(changed.resolve, changed.reject);
    await changed.promise;
  }

  #hasRoom(next: number): boolean {
    if (this.#inFlight === 0) return true;
    // Lines after a refused one must not be taken before it, so they wait.
    const isTight = this.#room.messages <= WINDOW || this.#room.bytes <= WINDOW_BYTES;
    // A line whose acknowledgement is lost holds back the lines after it, until the limit for answers.
    const isWide = next - this.window.base >= WINDOW;
    return !isTight && !isWide && this.#bytesInFlight < WINDOW_BYTES;
  }

  #handle(entry: WindowEntry, number: number): void {
    if (this.ids.has(entry)) this.window.settle(entry, entry.firstSentMs > 0 ? 'published' : 'alreadyThere');
    else if (entry.bytes.length + headerBytesOf(entry) > this.facts.maxBytes) this.#leaveOut(entry);
    else this.#send(entry, number);
  }

  #leaveOut(entry: WindowEntry): void {
    if (this.window.counts.tooLarge === 0) {
      const { length } = entry.bytes;
      this.events.onNotice(
        `a line of ${length} bytes is left out of the stream: with its id it is a message of ${length + headerBytesOf(entry)} bytes, and the stream takes ${this.facts.maxBytes}`,
      );
    }
    this.window.settle(entry, 'tooLarge');
  }

  #send(entry: WindowEntry, number: number): void {
    const { nats, nc } = this.link;
    const headers = nats.headers();
    headers.set(ID_HEADER, entry.id);
    nc.publish(entry.subject, entry.bytes, { headers, reply: `${this.#inbox}.${number}` });
    if (this.#inFlight === 0) this.#answeredMs = monotonicMs();
    entry.firstSentMs ||= wallClockMs();
    entry.sends++;
    this.#inFlight++;
    this.#bytesInFlight += entry.bytes.length;
    this.#room.messages--;
    this.#room.bytes -= entry.bytes.length + entry.subject.length + STORED_BYTES;
  }

  #onAnswer(message: Msg): void {
    const entry = this.window.at(Number(message.subject.slice(this.#inbox.length + 1)));
    if (entry === undefined || entry.isSettled) return;
    this.#answeredMs = monotonicMs();
    this.#inFlight--;
    this.#bytesInFlight -= entry.bytes.length;
    const failure = this.#judge(message, entry);
    if (failure !== undefined) this.#fail(failure);
    else this.#changed.resolve();
  }

  #judge(message: Msg, entry: WindowEntry): OpmasError | undefined {
    const { host } = this.link;
    // The client would call this "jetstream is not enabled".
    if (message.headers?.code === 503) {
      return new OpmasError(
        'NETWORK',
        `no stream on ${host} takes the subject ${entry.subject}: it was deleted or changed, or JetStream is starting`,
      );
    }
    const { seq = 0, duplicate = false, error }: Answer = message.json();
    if (error === undefined && seq > 0) {
      this.events.onStored();
      // A line that was sent before is no repeat.
      const isOurs = !duplicate || entry.sends > 1;
      const there = this.facts.isRemoved(seq) ? 'removed' : 'alreadyThere';
      this.window.settle(entry, isOurs ? 'published' : there);
      return undefined;
    }
    const { err_code: code, description = 'the answer is not one of JetStream' } = error ?? {};
    if (code === TOO_LARGE) {
      this.#leaveOut(entry);
      return undefined;
    }
    const why = IS_FULL.test(description) ? 'is full' : 'refuses a line';
    return new OpmasError('NETWORK', `the stream at ${host} ${why}: ${description}`);
  }

  /** Missing rights of the login are reported beside the messages, which are never acknowledged then. */
  async #watch(): Promise<void> {
    for await (const status of this.link.nc.status()) {
      const isRefusal = status.type === 'error' && status.error.name === 'PermissionViolationError';
      if (isRefusal) this.#fail(status.error);
    }
  }

  #fail(error: unknown): void {
    this.#failed.reject(error);
  }
}
