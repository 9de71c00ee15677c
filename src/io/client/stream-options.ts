import type { OpmasError } from '../../core/errors.js';
import type { Filter } from '../../core/filter/filter.js';
import { checkOptions, each, givenOf, type OptionRules } from '../../core/options.js';
import { type EndpointName, endpointLabel } from '../../core/protocol.js';
import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { CONTEXT_RULE, type ContextOptions, checkContext } from '../../core/recording/event-context.js';
import { defaultRetry, type RetryOptions } from '../../core/retry.js';
import { type Clock, systemClock } from '../clock.js';
import { ROUTE_RULES, type RouteOptions, ServerRoute } from '../http/server-route.js';
import type { TokenProvider } from '../token/token.js';

/** The longest message, in bytes: Node holds strings of half a gigabyte, and a message that is not JSON grows by a third. */
export const LARGEST_MESSAGE_LIMIT = 256 * 1024 ** 2;

/** The defaults of {@link SubscribeOptions}, in milliseconds and bytes. The command line shows them in its help. */
export const STREAM_DEFAULTS = {
  connectTimeoutMs: 10_000,
  heartbeatMs: 30_000,
  deadAfterMs: 25_000,
  maxMessageBytes: 16 * 1024 ** 2,
  maxBufferBytes: 64 * 1024 ** 2,
} as const;

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
export interface SubscribeOptions extends RouteOptions, ContextOptions {
  /** Base URL, from `parseBaseUrl`. */
  url: URL;
  /**
   * Names of endpoints, single objects (`device/42`), or paths that begin with `/`; each gets a connection of its own.
   * The label in lines is the name, or the path: `/api/v1/ws/device/42`.
   */
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
  /** Called after `open`, when the server has kept the connection for half a second, or sent an event. */
  onKept?: ((endpoint: string) => void) | undefined;
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
  clock?: Clock | undefined;
  /** Between 0 and 1. Default `Math.random`. */
  random?: (() => number) | undefined;
}

/** The same with every default filled in. */
export type ResolvedStreamOptions = ReturnType<typeof resolveStreamOptions>;

/** Fills in the defaults. */
export function resolveStreamOptions(options: SubscribeOptions) {
  return {
    route: new ServerRoute(options.url, options),
    endpoints: options.endpoints.map((endpoint) => endpointLabel(endpoint) ?? endpoint),
    token: options.token,
    filter: options.filter,
    lifecycle: options.lifecycle ?? false,
    recorder: options.recorder ?? 'opmas-ws',
    retry: { ...defaultRetry, ...givenOf(options.retry) },
    connectTimeoutMs: options.connectTimeoutMs ?? STREAM_DEFAULTS.connectTimeoutMs,
    heartbeatMs: options.heartbeatMs ?? STREAM_DEFAULTS.heartbeatMs,
    deadAfterMs: options.deadAfterMs ?? STREAM_DEFAULTS.deadAfterMs,
    maxMessageBytes: Math.min(
      options.maxMessageBytes ?? STREAM_DEFAULTS.maxMessageBytes,
      LARGEST_MESSAGE_LIMIT,
    ),
    maxBufferBytes: options.maxBufferBytes ?? STREAM_DEFAULTS.maxBufferBytes,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}

const isPositive = (value: number) => typeof value === 'number' && value > 0;
const ABOVE_0 = [isPositive, 'must be a number above 0'] as const;

/** Rules for the options that every function has which connects to endpoints. */
export const SERVER_RULES: Pick<OptionRules<SubscribeOptions>, 'url' | 'endpoints' | 'token'> = {
  url: [(url) => url instanceof URL, 'must be a URL, from parseBaseUrl'],
  endpoints: [
    (endpoints) => Array.isArray(endpoints) && endpoints.length > 0 && endpoints.every(isEndpoint),
    'must be an array of devices, agents, rules, system, device/ID, agent/ID, rule/ID and paths that begin with /',
  ],
  token: [
    (token) => typeof token?.token === 'function',
    'must be a token provider: tokenFromText(…), noToken(), …',
  ],
};
const SUBSCRIBE_RULES: OptionRules<SubscribeOptions> = {
  ...SERVER_RULES,
  filter: [(filter) => typeof filter?.matches === 'function', 'must be what compileFilter resolves to'],
  count: [
    (count) => isPositive(count) && (Number.isInteger(count) || count === Number.POSITIVE_INFINITY),
    'must be a whole number above 0',
  ],
  durationMs: [
    (durationMs) => durationMs === 0 || isPositive(durationMs),
    'must be a number of milliseconds',
  ],
  heartbeatMs: [
    (heartbeatMs) => heartbeatMs === false || isPositive(heartbeatMs),
    'must be a number of milliseconds above 0, or false',
  ],
  ...each(ABOVE_0, 'connectTimeoutMs', 'deadAfterMs', 'maxMessageBytes', 'maxBufferBytes'),
  ...each(true, 'lifecycle', 'recorder', 'signal', 'retry', 'clock', 'random'),
  ...each(true, 'onLifecycle', 'onKept', 'onDropping', 'onGiveUp'),
  ...each(CONTEXT_RULE, 'before', 'after'),
  ...ROUTE_RULES,
};
const RETRY_RULES: OptionRules<RetryOptions> = {
  ...each(ABOVE_0, 'retryDelayMs', 'retryMaxMs', 'retries'),
  ...each(true, 'reconnect', 'exitOnClose', 'waitForServer'),
};

function isEndpoint(endpoint: unknown): boolean {
  return typeof endpoint === 'string' && endpointLabel(endpoint) !== undefined;
}

/**
 * Checks the options, because a program may not check types. Nothing is connected before.
 *
 * @throws {OpmasError} `USAGE`, naming the option.
 */
export function checkSubscribeOptions(options: SubscribeOptions): void {
  checkOptions('subscribe', options, SUBSCRIBE_RULES, ['url', 'endpoints', 'token']);
  checkOptions('retry', options.retry, RETRY_RULES);
  checkContext(options);
}
