import { clearInterval, setInterval } from 'node:timers';
import type { Msg } from '@nats-io/transport-node';
import { OpmasError } from '../../core/errors.js';
import type { PublishWindow, WindowEntry } from '../../core/jetstream/publish-window.js';
import { deferred, monotonicMs, wallClockMs } from '../clock.js';
import type { NatsLink } from './connect.js';
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

/** The parts of a publisher that its {@link Session} needs. */
export interface SessionOwner {
  readonly window: PublishWindow;
  /** Returns the line with a number, which is in the window or the next after it; `undefined` when there is none now. */
  read(number: number): WindowEntry | undefined;
  /** Returns whether the stream has the line. It may throw, which ends the session. */
  isKnown(entry: WindowEntry): boolean;
  /** The stream has acknowledged a line. */
  onStored(): void;
  /** A line is larger than the server or the stream takes. */
  onTooLarge(entry: WindowEntry): void;
  /** Waits for more lines. @returns `false` at the end. */
  fill(): Promise<boolean>;
}

/** Bytes of the headers of a message, which count as part of it. */
export function headerBytesOf({ id }: WindowEntry): number {
  return HEADER_BYTES + id.length;
}

/** Sends the lines of a window on one connection, and takes the acknowledgements. */
export class Session {
  readonly #inbox: string;
  readonly #ended = deferred();
  /** Number of the next line to send. */
  #next: number;
  #inFlight = 0;
  #bytesInFlight = 0;
  /** Room in a stream that refuses messages when it is full. */
  readonly #room: StreamFacts['room'];
  #isFilling = false;
  #hasEnded = false;
  #isOver = false;
  #answeredMs = monotonicMs();

  constructor(
    private readonly owner: SessionOwner,
    private readonly link: NatsLink,
    private readonly facts: StreamFacts,
  ) {
    this.#inbox = link.nats.createInbox(link.access.inboxPrefix);
    this.#next = owner.window.base;
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
    const stop = () => this.#ended.resolve();
    signal.addEventListener('abort', stop, { once: true });
    const timer = setInterval(() => {
      if (this.#inFlight === 0 || monotonicMs() - this.#answeredMs < ACK_LIMIT_MS) return;
      this.#fail(new OpmasError('NETWORK', `the NATS server ${this.link.host} acknowledges nothing`));
    }, CHECK_MS);
    try {
      this.#pump();
      if (!signal.aborted) await this.#ended.promise;
    } finally {
      this.#isOver = true;
      clearInterval(timer);
      signal.removeEventListener('abort', stop);
      subscription.unsubscribe();
    }
  }

  /** Sends what may be sent now. */
  #pump(): void {
    const { window } = this.owner;
    while (this.#hasRoom() && !this.link.nc.isClosed()) {
      const entry = this.owner.read(this.#next);
      if (entry === undefined) break;
      const number = this.#next++;
      if (entry.isSettled) continue;
      if (this.owner.isKnown(entry))
        window.settle(entry, entry.firstSentMs > 0 ? 'published' : 'alreadyThere');
      else if (entry.bytes.length + headerBytesOf(entry) > this.facts.maxBytes) this.owner.onTooLarge(entry);
      else this.#send(entry, number);
    }
    if (this.#next < window.end) return;
    if (this.#hasEnded) {
      if (window.base === window.end) this.#ended.resolve();
    } else if (this.#hasRoom()) this.#fill().catch((error: unknown) => this.#fail(error));
  }

  #hasRoom(): boolean {
    if (this.#inFlight === 0) return true;
    // Lines after a refused one must not be taken before it, so they wait.
    const isTight = this.#room.messages <= WINDOW || this.#room.bytes <= WINDOW_BYTES;
    // A line whose acknowledgement is lost holds back the lines after it, until the limit for answers.
    const isWide = this.#next - this.owner.window.base >= WINDOW;
    return !isTight && !isWide && this.#bytesInFlight < WINDOW_BYTES;
  }

  async #fill(): Promise<void> {
    if (this.#isFilling) return;
    this.#isFilling = true;
    this.#hasEnded = !(await this.owner.fill());
    this.#isFilling = false;
    if (!this.#isOver) this.#pump();
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
    const number = Number(message.subject.slice(this.#inbox.length + 1));
    const entry = this.owner.window.at(number);
    if (entry === undefined || entry.isSettled) return;
    this.#answeredMs = monotonicMs();
    this.#inFlight--;
    this.#bytesInFlight -= entry.bytes.length;
    const failure = this.#judge(message, entry);
    if (failure !== undefined) this.#fail(failure);
    else this.#pump();
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
      this.owner.onStored();
      // A line that was sent before is no repeat.
      const isOurs = !duplicate || entry.sends > 1;
      const there = this.facts.isRemoved(seq) ? 'removed' : 'alreadyThere';
      this.owner.window.settle(entry, isOurs ? 'published' : there);
      return undefined;
    }
    const { err_code: code, description = 'the answer is not one of JetStream' } = error ?? {};
    if (code === TOO_LARGE) {
      this.owner.onTooLarge(entry);
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
    this.#ended.reject(error);
  }
}
