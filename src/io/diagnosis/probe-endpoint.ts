import type { Failure } from '../../core/failure/failure.js';
import { Connection } from '../client/connection/connection.js';
import type { ConnectionOptions } from '../client/connection/connection-options.js';

/** The result of an attempt to open one endpoint. */
export interface ProbeResult {
  /** The reason why it did not open, or did not stay open; `undefined` when it did. */
  failure: Failure | undefined;
  /** From the beginning to the upgrade or its refusal. */
  upgradeMs: number;
  /** From our protocol ping to the pong; `undefined` when none came. */
  roundTripMs: number | undefined;
}

/** How long a pong is waited for. */
export const PONG_LIMIT_MS = 5000;
/** A server that accepts first and rejects the token then, does so within this time. */
const LATE_REFUSAL_MS = 1000;
const CONNECT_LIMIT_MS = 10_000;
const DEAD_AFTER_MS = 25_000;
const MAX_MESSAGE_BYTES = 16 * 1024 ** 2;

/** The parameters of a probe; the rest is the same for all. */
export type ProbeOptions = Pick<
  ConnectionOptions,
  'url' | 'token' | 'clock' | 'agent' | 'ca' | 'insecure'
> & { signal: AbortSignal | undefined };

/** Opens an endpoint as a client does, pings it, and waits for a refusal that comes late. */
export async function probeEndpoint({ signal, ...options }: ProbeOptions): Promise<ProbeResult> {
  const probe = new Probe(options);
  const stop = () => probe.stop();
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    return await probe.result;
  } finally {
    signal?.removeEventListener('abort', stop);
    options.agent?.destroy();
  }
}

/** Watches one connection until the result is known. */
class Probe {
  readonly result: Promise<ProbeResult>;
  readonly #connection: Connection;
  readonly #startedAtMs = performance.now();
  #upgradedAtMs: number | undefined;
  #pongAtMs: number | undefined;
  #hasEvent = false;
  /** We ended it, before the server did. */
  #isDone = false;
  #limit: NodeJS.Timeout | undefined;

  constructor(options: Omit<ProbeOptions, 'signal'>) {
    const limits = {
      connectTimeoutMs: CONNECT_LIMIT_MS,
      deadAfterMs: DEAD_AFTER_MS,
      heartbeatMs: undefined,
      maxMessageBytes: MAX_MESSAGE_BYTES,
    };
    this.#connection = new Connection(
      { ...options, ...limits },
      {
        onOpen: () => this.#open(),
        onBytes: () => undefined,
        onMessage: () => this.#takeEvent(),
        onPong: () => this.#takePong(),
      },
    );
    this.result = this.#connection.ended.then((failure) => this.#resultOf(failure));
  }

  /** Ends the probe. A connection that is open then is good. */
  stop(): void {
    clearTimeout(this.#limit);
    this.#isDone = true;
    this.#connection.close();
  }

  #open(): void {
    this.#upgradedAtMs = performance.now();
    this.#connection.ping();
    this.#stopIn(PONG_LIMIT_MS);
  }

  #takePong(): void {
    this.#pongAtMs ??= performance.now();
    // An event is proof enough that the token was accepted; without one, a refusal may still come.
    this.#stopIn(this.#hasEvent ? 0 : LATE_REFUSAL_MS);
  }

  #takeEvent(): true {
    this.#hasEvent = true;
    if (this.#pongAtMs !== undefined) this.stop();
    return true;
  }

  #stopIn(waitMs: number): void {
    clearTimeout(this.#limit);
    this.#limit = setTimeout(() => this.stop(), waitMs);
  }

  #resultOf(failure: Failure): ProbeResult {
    clearTimeout(this.#limit);
    const upgradedAtMs = this.#upgradedAtMs;
    return {
      failure: upgradedAtMs !== undefined && this.#isDone ? undefined : failure,
      upgradeMs: (upgradedAtMs ?? performance.now()) - this.#startedAtMs,
      roundTripMs:
        upgradedAtMs === undefined || this.#pongAtMs === undefined
          ? undefined
          : this.#pongAtMs - upgradedAtMs,
    };
  }
}
