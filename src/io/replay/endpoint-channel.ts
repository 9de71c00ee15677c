import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import { CloseCode, canBeSent, fitCloseReason } from '../../core/close-code.js';
import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { CATCH_UP_MS } from '../../core/replay/downtime.js';
import type { ServedClient } from '../server/stream-source.js';
import type { FrameChunk } from './frame-chunk.js';
import type { ReplayPlan } from './replay-plan.js';

/** Limit of what a channel keeps for late clients. */
const LARGEST_CATCH_UP_BYTES = 4 * 1024 * 1024;
/** Unsent bytes are discarded this long after a cut. */
const CUT_AFTER_MS = 1000;
/** On a shared clock, the first client of each endpoint that comes within this time misses nothing. */
const START_GRACE_MS = 1000;
/** A client that comes this long after a recorded opening still gets everything that the connection brought. */
const CATCH_UP_AFTER_OPENING_MS = 30_000;
/** A connection that has ended before a client came is kept this long: for the script, and for the handshake. */
const MISSED_MS = CATCH_UP_MS + 250;

/** The frames that a late client still gets. */
interface CatchUp {
  /** Clients that join up to this time of the monotonic clock get it; without lifecycle only the first does. */
  untilMs: number;
  /** Frames. They are copies: a slice would hold the memory of a whole chunk. */
  readonly frames: { frames: Buffer; events: number }[];
  bytes: number;
  /** Events among them that no client has got so far. */
  waiting: number;
  /** The end of the connection, if it has ended before a client came for it. */
  end: { code: number; reason: string } | undefined;
}

/** The clients of one endpoint in one playback, and what a late client still gets. */
export class EndpointChannel {
  readonly subscribers = new Set<ServedClient>();
  #catchUp: CatchUp | undefined;
  /** Events that no client got or can still get. */
  #undelivered = 0;
  /** `true` when a client was there since the catch-up began. */
  #attended = false;
  #everHadClient = false;

  constructor(
    private readonly plan: ReplayPlan,
    private readonly endpoint: string,
  ) {}

  /** The time up to which a client that was here before may return for what it has missed; 0 for nothing missed. */
  get expectsUntilMs(): number {
    return this.#everHadClient && this.#catchUp?.end !== undefined ? this.#catchUp.untilMs : 0;
  }

  /** Keeps what is sent from now on for clients that join a little later. */
  keepForLateClients(nowMs: number): void {
    const { lifecycle } = this.plan;
    this.dropCatchUp();
    this.#attended = this.subscribers.size > 0;
    if (this.#attended && !lifecycle) return;
    const untilMs = nowMs + (lifecycle ? CATCH_UP_AFTER_OPENING_MS : START_GRACE_MS);
    this.#catchUp = { untilMs, frames: [], bytes: 0, waiting: 0, end: undefined };
  }

  /** Drops what is kept: late clients join mid-stream. */
  dropCatchUp(): void {
    this.#undelivered += this.#catchUp?.waiting ?? 0;
    this.#catchUp = undefined;
  }

  /** Tells of events since the last call that no client got or can still get. */
  reportUndelivered(): void {
    const { endpoint } = this;
    const events = this.#undelivered;
    this.#undelivered = 0;
    if (events > 0) this.plan.onNotice({ kind: 'unseen', endpoint, events });
  }

  /**
   * Sends frames of a chunk to every subscriber. Each socket holds the chunk until it has written them.
   *
   * @returns `false` when a subscriber is not ready for more.
   */
  send(frames: Buffer, events: number, chunk: FrameChunk, nowMs: number): boolean {
    const isUnseen = this.subscribers.size === 0;
    const catchUp = this.#catchUp;
    if (catchUp !== undefined && catchUp.end === undefined) {
      catchUp.frames.push({ frames: Buffer.from(frames), events });
      catchUp.bytes += frames.length;
      if (isUnseen) catchUp.waiting += events;
      if (nowMs > catchUp.untilMs || catchUp.bytes > LARGEST_CATCH_UP_BYTES) this.dropCatchUp();
    } else if (isUnseen) {
      this.#undelivered += events;
    }
    let areReady = true;
    for (const client of this.subscribers) {
      chunk.retain();
      if (!client.send(frames, events, chunk.release)) areReady = false;
    }
    return areReady;
  }

  join(client: ServedClient, nowMs: number): void {
    this.#attended = true;
    this.#everHadClient = true;
    const catchUp = nowMs <= (this.#catchUp?.untilMs ?? 0) ? this.#catchUp : undefined;
    if (catchUp !== undefined) {
      for (const { frames, events } of catchUp.frames) client.send(frames, events);
      catchUp.waiting = 0;
    }
    if (catchUp?.end === undefined) this.subscribers.add(client);
    else endClient(client, catchUp.end.code, catchUp.end.reason);
    if (catchUp === undefined || catchUp.end !== undefined || !this.plan.lifecycle) this.dropCatchUp();
  }

  /** Does to the subscribers what was done to the recorded client. */
  play(connection: ConnectionEvent, nowMs: number): void {
    if (connection.state === 'open') this.keepForLateClients(nowMs);
    else if (connection.state === 'closed') {
      this.#end(connection.code, fitCloseReason(connection.reason), nowMs);
    }
    this.reportUndelivered();
  }

  #end(code: number, reason: string, nowMs: number): void {
    if (this.#attended || this.#catchUp === undefined || this.#catchUp.end !== undefined) {
      this.dropCatchUp();
    } else {
      // No client was there: a client that joins soon gets the whole connection, its end included.
      this.#catchUp.end = { code, reason };
      this.#catchUp.untilMs = nowMs + MISSED_MS;
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

/** The channels of one playback, by endpoint. */
export class EndpointChannels {
  /** Number of clients on all channels, those included whose recorded connection has ended. */
  clients = 0;
  readonly #channels = new Map<string, EndpointChannel>();
  /** When the playback began to keep frames, for channels whose endpoint has not come yet. */
  #keptSinceMs: number | undefined;

  constructor(private readonly plan: ReplayPlan) {}

  at(endpoint: string): EndpointChannel {
    let channel = this.#channels.get(endpoint);
    if (channel === undefined) {
      channel = new EndpointChannel(this.plan, endpoint);
      if (this.#keptSinceMs !== undefined) channel.keepForLateClients(this.#keptSinceMs);
      this.#channels.set(endpoint, channel);
    }
    return channel;
  }

  /** Every channel keeps what is sent from now on for late clients. */
  keepForLateClients(nowMs: number): void {
    this.#keptSinceMs = nowMs;
    for (const channel of this.#channels.values()) channel.keepForLateClients(nowMs);
  }

  *subscribers(): Generator<ServedClient> {
    for (const channel of this.#channels.values()) yield* channel.subscribers;
  }

  join(client: ServedClient, nowMs: number): void {
    this.clients++;
    this.at(client.endpoint).join(client, nowMs);
  }

  leave(client: ServedClient): void {
    this.clients--;
    this.at(client.endpoint).subscribers.delete(client);
  }

  /** The time up to which some client may still return for what it has missed; 0 for nothing missed. */
  get expectsUntilMs(): number {
    return Math.max(0, ...[...this.#channels.values()].map((channel) => channel.expectsUntilMs));
  }

  /** Drops what is kept, and tells for each endpoint of the events that no client got. */
  reportUndelivered(): void {
    for (const channel of this.#channels.values()) {
      channel.dropCatchUp();
      channel.reportUndelivered();
    }
  }

  /**
   * Resolves when every subscriber is ready for more. A client that takes nothing for `stallMs` while others wait for
   * it is ended.
   */
  async ready(): Promise<void> {
    // Waits until the playback has sent all frames of its chunk.
    await undefined;
    // The others go on taking meanwhile, so waiting for one after the other costs nothing.
    for (const client of this.subscribers()) {
      let { pending } = client;
      const watch = setInterval(() => {
        const stands = client.pending >= pending && this.clients > 1;
        if (stands) client.close(CloseCode.TRY_AGAIN_LATER, 'Client reads too slowly');
        pending = client.pending;
      }, this.plan.stallMs);
      await client.ready();
      clearInterval(watch);
    }
  }

  /** Resolves when every subscriber has taken everything or is gone. */
  async drained(): Promise<void> {
    await Promise.all([...this.subscribers()].map((client) => client.drained()));
  }
}
