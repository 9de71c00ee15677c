import type { LifecycleEvent } from '../../index.js';
import { formatDuration } from '../options/quantity.js';

/** This many losses after the same silence are not chance. */
const LOSSES = 3;
/** Silences that differ by less than this are the same; timers of proxies are this coarse. */
const SAME_SHARE = 0.1;
const SAME_MS = 300;
/** A shorter silence comes from a failing server, not from one that waits for us. */
const SHORTEST_MS = 800;
/** The link counts as dead so early that the ping before it comes well within the limit. */
const PING_SHARE = 0.8;
const DEAD_LINKS = 2;

/** Finds out why connections are lost again and again after a silence, and names the option that helps; once each. */
export class SilenceHints {
  readonly #silences = new Map<string, number[]>();
  readonly #deadLinks = new Map<string, number>();
  #hasNamedProxy = false;
  #hasNamedPings = false;

  /** @returns A hint to print after the message of this event. */
  hintAfter({ endpoint, connection, silentMs }: LifecycleEvent): string | undefined {
    if (connection.state !== 'closed' || connection.retry_in_ms === undefined) return undefined;
    if (connection.code === 1006 && connection.reason.startsWith('nothing came for')) {
      return this.#afterDeadLink(endpoint);
    }
    if (connection.code !== 1006 || silentMs === undefined || silentMs < SHORTEST_MS) {
      this.#silences.delete(endpoint);
      return undefined;
    }
    const last = [...(this.#silences.get(endpoint) ?? []), silentMs].slice(-LOSSES);
    this.#silences.set(endpoint, last);
    const [shortest, longest] = [Math.min(...last), Math.max(...last)];
    const isSame = longest - shortest <= Math.max(SAME_MS, longest * SAME_SHARE);
    if (last.length < LOSSES || !isSame || this.#hasNamedProxy) return undefined;
    this.#hasNamedProxy = true;
    const limit = formatDuration(Math.floor(shortest * PING_SHARE));
    return `closed after ${formatDuration(shortest)} of silence each time; a proxy's idle limit? --dead-after ${limit}`;
  }

  #afterDeadLink(endpoint: string): string | undefined {
    const count = (this.#deadLinks.get(endpoint) ?? 0) + 1;
    this.#deadLinks.set(endpoint, count);
    if (count < DEAD_LINKS || this.#hasNamedPings) return undefined;
    this.#hasNamedPings = true;
    return 'a server that is quiet and answers no pings looks dead; --dead-after 10m waits longer';
  }
}
