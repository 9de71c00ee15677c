import {
  type ConnectionEvent,
  type LifecycleEvent,
  noToken,
  OpmasError,
  parseBaseUrl,
  type SubscribeOptions,
  type Subscription,
  subscribe,
} from '../../src/index.js';
import { Arrivals } from './arrivals.js';

/** A line as JSON sees it. */
export interface ReadLine {
  received_at: string;
  endpoint: string;
  type?: string;
  subject?: string;
  data?: Record<string, unknown>;
  invalid?: { reason: string; text?: string; base64?: string };
  connection?: ConnectionEvent;
}

type StateOf<State extends ConnectionEvent['state']> = Extract<ConnectionEvent, { state: State }>;

/** Options of `subscribe`, the URL as text; everything else has a default. */
export type ReadOptions = Omit<Partial<SubscribeOptions>, 'url'> & { url: string };

/** A subscription that is being read, as fast as it gives. */
export class Reading {
  readonly subscription: Subscription;
  /** Lines as they came, without their LF. */
  readonly texts: string[] = [];
  readonly events = new Arrivals<ReadLine>('events');
  readonly invalid = new Arrivals<ReadLine>('invalid lines');
  readonly lifecycle = new Arrivals<LifecycleEvent>('lifecycle');
  readonly givenUp = new Arrivals<{ endpoint: string; error: OpmasError }>('endpoints that were given up');
  /** How it ended: `undefined` when as asked. */
  readonly end: Promise<OpmasError | undefined>;
  readonly #stop = new AbortController();

  constructor(options: ReadOptions) {
    this.subscription = subscribe({
      endpoints: ['devices'],
      token: noToken(),
      lifecycle: true,
      signal: this.#stop.signal,
      onLifecycle: (event) => this.lifecycle.add(event),
      onGiveUp: (endpoint, error) => this.givenUp.add({ endpoint, error }),
      ...options,
      retry: { retryDelayMs: 10, retryMaxMs: 40, ...options.retry },
      url: parseBaseUrl(options.url),
    });
    this.end = this.#read();
  }

  /** Stops it and gives its end. */
  stop(): Promise<OpmasError | undefined> {
    this.#stop.abort();
    return this.end;
  }

  /** The next event line. */
  event(): Promise<ReadLine> {
    return this.events.next();
  }

  /** The next time that a connection gets into a state. */
  async state<State extends ConnectionEvent['state']>(
    state: State,
    endpoint?: string,
  ): Promise<StateOf<State>> {
    const { connection } = await this.lifecycle.next(
      (event) => event.connection.state === state && (endpoint === undefined || event.endpoint === endpoint),
    );
    return connection as StateOf<State>;
  }

  /** All that a connection went through so far, in a word each. */
  get states(): string[] {
    return this.lifecycle.all.map(({ connection }) => connection.state);
  }

  async #read(): Promise<OpmasError | undefined> {
    try {
      for await (const { bytes, count } of this.subscription) {
        const lines = bytes.toString().split('\n');
        // Whole lines only, and as many as it says.
        if (lines.pop() !== '') throw new Error('a batch ends within a line');
        if (lines.length !== count) throw new Error(`a batch of ${lines.length} lines says it has ${count}`);
        for (const line of lines) this.#sort(line);
      }
      return undefined;
    } catch (error) {
      if (error instanceof OpmasError) return error;
      throw error;
    } finally {
      this.events.end();
      this.invalid.end();
      this.lifecycle.end();
      this.givenUp.end();
    }
  }

  #sort(line: string): void {
    this.texts.push(line);
    const parsed = JSON.parse(line) as ReadLine;
    if (Object.hasOwn(parsed, 'invalid')) this.invalid.add(parsed);
    else if (!Object.hasOwn(parsed, 'connection')) this.events.add(parsed);
  }
}
