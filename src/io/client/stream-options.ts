import { OpmasError } from '../../core/errors.js';
import type { Filter } from '../../core/filter/filter.js';
import { givenOf, type OptionNames, refuseUnknownOptions } from '../../core/options.js';
import { type EndpointName, isEndpointName } from '../../core/protocol.js';
import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { defaultRetry, type RetryOptions } from '../../core/retry.js';
import { type Clock, systemClock } from '../clock.js';
import type { Environment } from '../http/proxy-choice.js';
import type { TokenProvider } from '../token/token.js';

/** The longest message, in bytes: Node holds strings of half a gigabyte, and a message that is not JSON grows by a third. */
export const LARGEST_MESSAGE_LIMIT = 256 * 1024 ** 2;

/** Something that happened to the connection of one endpoint. */
export interface LifecycleEvent {
  endpoint: string;
  /** Timestamp of the recording format. */
  receivedAt: string;
  connection: ConnectionEvent;
  /** With `closed`: milliseconds since the last byte from the server. */
  silentMs?: number;
}

/** The options of {@link subscribe}. Times are milliseconds, sizes bytes. Only `url`, `endpoints` and `token` are required. */
export interface SubscribeOptions {
  /** Base URL, from `parseBaseUrl`. */
  url: URL;
  /** Names of endpoints, or paths that begin with `/`; each gets a connection of its own. */
  endpoints: readonly (EndpointName | (string & {}))[];
  token: TokenProvider;
  /** Keeps the events that match; default all. Lines that are not events match no filter. */
  filter?: Filter | undefined;
  /** Puts lifecycle lines into the stream. Default false. */
  lifecycle?: boolean | undefined;
  /** The name of the program that writes the lines, for the `connecting` line. Default `opmas-ws`. */
  recorder?: string | undefined;
  /** Called with every event of a connection, at once, whether or not it is in the stream. */
  onLifecycle?: ((event: LifecycleEvent) => void) | undefined;
  /** Called when events begin to be dropped because the lines are not read; their number comes as `dropped`. */
  onDropping?: ((endpoint: string) => void) | undefined;
  /** Called when an endpoint is given up; others may go on. */
  onGiveUp?: ((endpoint: string, error: OpmasError) => void) | undefined;
  /** Stops everything: connections close, queued lines are still delivered, then the stream ends normally. */
  signal?: AbortSignal | undefined;
  /** Stops after this many matching events, over all endpoints; at least 1. */
  count?: number | undefined;
  /** Stops after this time. */
  durationMs?: number | undefined;
  retry?: { [Name in keyof RetryOptions]?: RetryOptions[Name] | undefined } | undefined;
  /** Default 10,000. */
  connectTimeoutMs?: number | undefined;
  /** Default 30,000; `false` sends none. */
  heartbeatMs?: number | false | undefined;
  /** Default 25,000. */
  deadAfterMs?: number | undefined;
  /** Default 16 MiB, at most {@link LARGEST_MESSAGE_LIMIT}. */
  maxMessageBytes?: number | undefined;
  /** Buffer limit for a slow reader. Default 64 MiB. */
  maxBufferBytes?: number | undefined;
  /** PEM of a CA to trust in place of the system's. */
  ca?: string | undefined;
  /** Leaves the server's certificate unverified. Default false. */
  insecure?: boolean | undefined;
  /** Environment variables that may name a proxy. Default `process.env`. */
  environment?: Environment | undefined;
  clock?: Clock | undefined;
  /** Between 0 and 1. Default `Math.random`. */
  random?: (() => number) | undefined;
}

/** The same with every default filled in. */
export type ResolvedStreamOptions = ReturnType<typeof resolveStreamOptions>;

/** Fills in the defaults. The command line states them in its help and in `docs/guide.md`. */
export function resolveStreamOptions(options: SubscribeOptions) {
  return {
    url: options.url,
    endpoints: options.endpoints,
    token: options.token,
    filter: options.filter,
    lifecycle: options.lifecycle ?? false,
    recorder: options.recorder ?? 'opmas-ws',
    retry: { ...defaultRetry, ...givenOf(options.retry) },
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    heartbeatMs: options.heartbeatMs ?? 30_000,
    deadAfterMs: options.deadAfterMs ?? 25_000,
    maxMessageBytes: Math.min(options.maxMessageBytes ?? 16 * 1024 ** 2, LARGEST_MESSAGE_LIMIT),
    maxBufferBytes: options.maxBufferBytes ?? 64 * 1024 ** 2,
    ca: options.ca,
    insecure: options.insecure ?? false,
    environment: options.environment ?? process.env,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}

/** The names that {@link checkSubscribeOptions} knows. */
const SUBSCRIBE_OPTIONS: OptionNames<SubscribeOptions> = {
  url: true,
  endpoints: true,
  token: true,
  filter: true,
  lifecycle: true,
  recorder: true,
  onLifecycle: true,
  onDropping: true,
  onGiveUp: true,
  signal: true,
  count: true,
  durationMs: true,
  retry: true,
  connectTimeoutMs: true,
  heartbeatMs: true,
  deadAfterMs: true,
  maxMessageBytes: true,
  maxBufferBytes: true,
  ca: true,
  insecure: true,
  environment: true,
  clock: true,
  random: true,
};
const RETRY_OPTIONS: OptionNames<RetryOptions> = {
  retryDelayMs: true,
  retryMaxMs: true,
  retries: true,
  reconnect: true,
  exitOnClose: true,
  waitForServer: true,
};

const isPositive = (value: unknown) => typeof value === 'number' && value > 0;
const isCount = (value: unknown) =>
  isPositive(value) && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY);

/**
 * Checks the options, because a program may not check types. Nothing is connected before.
 *
 * @throws {OpmasError} `USAGE`, naming the option.
 */
export function checkSubscribeOptions(options: SubscribeOptions): void {
  refuseUnknownOptions('subscribe', options, SUBSCRIBE_OPTIONS);
  refuseUnknownOptions('retry', options.retry, RETRY_OPTIONS);
  const { url, endpoints, token, filter, count, durationMs, heartbeatMs, retry } = options;
  demand(url instanceof URL, 'url', 'a URL, from parseBaseUrl');
  demand(Array.isArray(endpoints) && endpoints.length > 0, 'endpoints', 'an array of names or paths');
  for (const endpoint of endpoints) {
    const isKnown = typeof endpoint === 'string' && (isEndpointName(endpoint) || endpoint.startsWith('/'));
    demand(isKnown, 'endpoints', `devices, agents, rules, system or a path, not ${String(endpoint)}`);
  }
  demand(typeof token?.token === 'function', 'token', 'a token provider: tokenFromText(…), noToken(), …');
  demand(
    filter === undefined || typeof filter?.matches === 'function',
    'filter',
    'what compileFilter resolves to',
  );
  demand(count === undefined || isCount(count), 'count', 'a whole number above 0');
  demand(
    durationMs === undefined || durationMs === 0 || isPositive(durationMs),
    'durationMs',
    'a number of milliseconds',
  );
  demand(
    heartbeatMs === undefined || heartbeatMs === false || isPositive(heartbeatMs),
    'heartbeatMs',
    'a number of milliseconds above 0, or false',
  );
  for (const name of ['connectTimeoutMs', 'deadAfterMs', 'maxMessageBytes', 'maxBufferBytes'] as const) {
    demand(options[name] === undefined || isPositive(options[name]), name, 'a number above 0');
  }
  for (const name of ['retryDelayMs', 'retryMaxMs', 'retries'] as const) {
    demand(retry?.[name] === undefined || isPositive(retry[name]), `retry.${name}`, 'a number above 0');
  }
}

function demand(isRight: boolean, name: string, what: string): void {
  if (!isRight) throw new OpmasError('USAGE', `${name} must be ${what}`);
}
