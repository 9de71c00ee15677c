import { CloseCode, canBeSent } from '../../core/close-code.js';
import type { Clock } from '../clock.js';
import type { ServedClient } from '../server/stream-source.js';
import type { FrameChunk } from './frame-chunk.js';
import type { EndpointTable } from './replay-plan.js';

/** Limit of what a channel keeps for late clients. */
const LARGEST_CATCH_UP_BYTES = 4 * 1024 * 1024;
/** Unsent bytes are discarded this long after a cut. */
const CUT_AFTER_MS = 1000;

/** Rules for the clients that join an endpoint late. */
export interface CatchUpRule {
  /** Clients that join up to this time of the monotonic clock get everything from the beginning. */
  untilMs: number;
  /** Only the first client does. */
  firstOnly: boolean;
}

/** A connection that has ended before a client came for it. */
interface MissedConnection {
  untilMs: number;
  code: number;
  reason: string;
}

/** The clients of one endpoint in one playback, and what a late client still gets. */
export class EndpointChannel {
  readonly subscribers = new Set<ServedClient>();
  #rule: CatchUpRule | undefined;
  /** Frames for late clients. They are copies: a slice would hold the memory of a whole chunk. */
  #catchUpBuffer: { frames: Buffer; events: number }[] = [];
  #catchUpBytes = 0;
  /** Events in the catch-up buffer that no client has got so far. */
  #waiting = 0;
  /** Events that no client got, and that none can get any more. */
  #undelivered = 0;
  /** `true` when a client was there since the catch-up buffer began. */
  #attended = false;
  #missed: MissedConnection | undefined;
  #everHadClient = false;

  /** The time up to which a client that was here before may return for what it has missed; 0 for nothing missed. */
  get expectsUntilMs(): number {
    return this.#everHadClient && this.#missed !== undefined ? this.#missed.untilMs : 0;
  }

  /** Keeps what is sent from now on for clients that join a little later. */
  keepForLateClients(rule: CatchUpRule): void {
    this.dropCatchUp();
    this.#attended = this.subscribers.size > 0;
    if (!rule.firstOnly || !this.#attended) this.#rule = rule;
  }

  /** Drops what is kept: late clients join mid-stream. */
  dropCatchUp(): void {
    this.#undelivered += this.#waiting;
    this.#waiting = 0;
    this.#missed = undefined;
    this.#rule = undefined;
    this.#catchUpBuffer = [];
    this.#catchUpBytes = 0;
  }

  /** Events since the last call that no client got, and that none can get any more. */
  takeUndelivered(): number {
    const undelivered = this.#undelivered;
    this.#undelivered = 0;
    return undelivered;
  }

  /**
   * Sends frames of a chunk to every subscriber. Each socket holds the chunk until it has written them.
   *
   * @returns `false` when a subscriber is not ready for more.
   */
  send(frames: Buffer, events: number, chunk: FrameChunk, nowMs: number): boolean {
    if (this.#rule !== undefined) this.#keep(this.#rule, frames, events, nowMs);
    else if (this.subscribers.size === 0) this.#undelivered += events;
    let areReady = true;
    for (const client of this.subscribers) {
      chunk.retain();
      if (!client.send(frames, events, chunk.release)) areReady = false;
    }
    return areReady;
  }

  #keep(rule: CatchUpRule, frames: Buffer, events: number, nowMs: number): void {
    this.#catchUpBuffer.push({ frames: Buffer.from(frames), events });
    this.#catchUpBytes += frames.length;
    if (this.subscribers.size === 0) this.#waiting += events;
    if (nowMs > rule.untilMs || this.#catchUpBytes > LARGEST_CATCH_UP_BYTES) this.dropCatchUp();
  }

  join(client: ServedClient, nowMs: number): void {
    this.#attended = true;
    this.#everHadClient = true;
    const missed = this.#missed;
    if (missed !== undefined && nowMs <= missed.untilMs) {
      this.#catchUp(client);
      this.dropCatchUp();
      endClient(client, missed.code, missed.reason);
      return;
    }
    if (missed !== undefined) this.dropCatchUp();
    this.subscribers.add(client);
    const rule = this.#rule;
    if (rule === undefined) return;
    if (nowMs <= rule.untilMs) this.#catchUp(client);
    if (nowMs > rule.untilMs || rule.firstOnly) this.dropCatchUp();
  }

  #catchUp(client: ServedClient): void {
    for (const { frames, events } of this.#catchUpBuffer) client.send(frames, events);
    this.#waiting = 0;
  }

  leave(client: ServedClient): void {
    this.subscribers.delete(client);
  }

  /**
   * Ends the connection of every subscriber, as it was recorded.
   *
   * @param untilMs When no client was there, a client that joins up to this time gets the whole connection, its end
   *   included.
   */
  end(code: number, reason: string, untilMs: number): void {
    if (this.#attended || this.#rule === undefined) {
      this.dropCatchUp();
    } else {
      this.#rule = undefined;
      this.#missed = { untilMs, code, reason };
    }
    const clients = [...this.subscribers];
    this.subscribers.clear();
    for (const client of clients) endClient(client, code, reason);
  }
}

function endClient(client: ServedClient, code: number, reason: string): void {
  if (canBeSent(code) || code === CloseCode.WITHOUT_CODE) client.close(code, reason);
  else void cut(client);
}

/** Cuts a connection without a close frame, behind what was sent: the recorded client had got it. */
async function cut(client: ServedClient): Promise<void> {
  const timer = setTimeout(() => client.destroy(), CUT_AFTER_MS);
  await client.drained();
  clearTimeout(timer);
  client.destroy();
}

/** The channels of one playback, by the numbers of their endpoints. */
export class EndpointChannels {
  readonly #table: EndpointTable;
  readonly #channels: EndpointChannel[] = [];
  /** The rule for channels whose endpoint has not come yet. */
  #rule: CatchUpRule | undefined;
  #size = 0;
  /** Aborts when a client joins. */
  #joining = new AbortController();

  constructor(table: EndpointTable) {
    this.#table = table;
  }

  /** Number of clients on all channels, those included whose recorded connection has ended. */
  get clients(): number {
    return this.#size;
  }

  at(endpoint: number): EndpointChannel {
    let channel = this.#channels[endpoint];
    if (channel === undefined) {
      channel = new EndpointChannel();
      if (this.#rule !== undefined) channel.keepForLateClients(this.#rule);
      this.#channels[endpoint] = channel;
    }
    return channel;
  }

  /** Every channel keeps what is sent from now on for late clients. */
  keepForLateClients(rule: CatchUpRule): void {
    this.#rule = rule;
    for (const channel of this.#channels) channel?.keepForLateClients(rule);
  }

  *subscribers(): Generator<ServedClient> {
    for (const channel of this.#channels) if (channel !== undefined) yield* channel.subscribers;
  }

  join(client: ServedClient, nowMs: number): void {
    this.#size++;
    this.at(this.#table.indexOf(client.endpoint)).join(client, nowMs);
    this.#joining.abort();
  }

  leave(client: ServedClient): void {
    this.#size--;
    this.at(this.#table.indexOf(client.endpoint)).leave(client);
  }

  /** Resolves when no client may return any more for what it has missed, or when the signal aborts. */
  async untilNoClientIsExpected(clock: Clock, signal: AbortSignal): Promise<void> {
    for (;;) {
      let untilMs = 0;
      for (const channel of this.#channels) untilMs = Math.max(untilMs, channel?.expectsUntilMs ?? 0);
      const waitMs = untilMs - clock.monotonicMs();
      if (waitMs <= 0 || signal.aborted) return;
      this.#joining = new AbortController();
      await clock.sleep(waitMs, AbortSignal.any([signal, this.#joining.signal]));
    }
  }

  /** Drops what is kept, and counts for each endpoint the events that no client got. */
  *takeUndelivered(): Generator<{ endpoint: number; events: number }> {
    for (const [endpoint, channel] of this.#channels.entries()) {
      if (channel === undefined) continue;
      channel.dropCatchUp();
      yield { endpoint, events: channel.takeUndelivered() };
    }
  }

  /**
   * Resolves when every subscriber is ready for more.
   *
   * @param stallMs A client that takes nothing for this long while others wait for it is ended.
   */
  async ready(stallMs: number): Promise<void> {
    // Not before the playback has sent all frames of its chunk.
    await undefined;
    // The others go on taking meanwhile, so waiting for one after the other costs nothing.
    for (const client of this.subscribers()) {
      let { pending } = client;
      const watch = setInterval(() => {
        const stands = client.pending >= pending && this.#size > 1;
        if (stands) client.close(CloseCode.TRY_AGAIN_LATER, 'Client reads too slowly');
        pending = client.pending;
      }, stallMs);
      await client.ready();
      clearInterval(watch);
    }
  }

  /** Resolves when every subscriber has taken everything or is gone. */
  async drained(): Promise<void> {
    await Promise.all([...this.subscribers()].map((client) => client.drained()));
  }
}
