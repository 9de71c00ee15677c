import { compileFilter, type Filter, OpmasError, type SubscribeOptions } from '../../index.js';
import {
  checkContext,
  defaultRetry,
  LARGEST_MESSAGE_LIMIT,
  STREAM_DEFAULTS,
  version,
} from '../../internal.js';
import type { Command } from '../commander.js';
import { withExpiryMessages } from '../connection/expiry-messages.js';
import { resolveConnection } from '../connection/resolve-connection.js';
import {
  formatDuration,
  formatSize,
  parseCount,
  parsePositiveDuration,
  parsePositiveSize,
  parseSize,
} from '../options/quantity.js';
import {
  addEndpoints,
  addFilterOptions,
  type ContextCommandOptions,
  endpointsOf,
  type FilterCommandOptions,
  filterOptionsOf,
} from '../options/selection.js';
import { addTokenOptions, type TokenOptions } from '../options/server-options.js';
import type { Session } from '../session.js';

/** Options that `tail`, `top`, `wait` and `record` share. Times are milliseconds, sizes are bytes. */
export interface StreamCommandOptions extends FilterCommandOptions, ContextCommandOptions, TokenOptions {
  count?: number;
  duration?: number;
  exitOnClose?: boolean;
  reconnect: boolean;
  retries?: number;
  retryDelay: number;
  retryMax: number;
  connectTimeout: number;
  heartbeat: number | false;
  deadAfter: number;
  maxMessage: number;
  maxBuffer: number;
}

/** Adds the endpoints and options of {@link StreamCommandOptions} to a command, without {@link addConnectionOptions}. */
export function addStreamOptions(command: Command): Command {
  addEndpoints(command)
    .value('-n, --count <n>', 'stop after N matching events', parseCount)
    .value('--duration <t>', 'stop after this time: 500ms, 30s, 5m, 1h', parsePositiveDuration)
    .option('--exit-on-close', 'stop an endpoint when the server closes it normally (1000)');
  return addFilterOptions(command);
}

/** Adds those of {@link StreamCommandOptions} that are about connections and the way to the server. */
export function addConnectionOptions(command: Command): Command {
  const addTime = (flags: string, description: string, defaultMs: number) =>
    command.value(flags, description, parsePositiveDuration, formatDuration(defaultMs));
  const sizeText = (bytes: number) => formatSize(bytes).replace(' ', '');
  const { retryDelayMs, retryMaxMs } = defaultRetry;
  const { connectTimeoutMs, heartbeatMs, deadAfterMs, maxMessageBytes, maxBufferBytes } = STREAM_DEFAULTS;
  command
    .optionsGroup('Connections:')
    .option('--no-reconnect', 'stop an endpoint when its connection ends for any reason')
    .value(
      '--retries <n>',
      'give up after N failed attempts in a row, or `forever` (default: forever; on a terminal 5 until connected; 2 for errors that rarely go away)',
      parseRetries,
    );
  addTime('--retry-delay <t>', 'first wait before a new attempt; then twice as long', retryDelayMs);
  addTime('--retry-max <t>', 'longest wait', retryMaxMs);
  addTime('--connect-timeout <t>', 'limit for one attempt', connectTimeoutMs);
  addTime('--heartbeat <t>', "interval of the API's ping messages", heartbeatMs);
  command.option('--no-heartbeat', 'send no ping messages');
  addTime('--dead-after <t>', 'reconnect when nothing has come for this long', deadAfterMs);
  command
    .value(
      '--max-message <size>',
      'close the connection on a larger message; at most 256MiB, for record 48MiB',
      parseMessageLimit,
      sizeText(maxMessageBytes),
    )
    .value(
      '--max-buffer <size>',
      'buffer limit for a slow reader',
      parsePositiveSize,
      sizeText(maxBufferBytes),
    );
  return addTokenOptions(command);
}

/**
 * Translates the options for `subscribe`, and prints warnings before anything connects.
 *
 * @param filter Default: that of the filter options.
 * @throws {OpmasError} `USAGE` when an option, an endpoint, a filter or the configuration is wrong.
 */
export async function resolveStream(
  session: Session,
  words: readonly string[],
  options: StreamCommandOptions,
  filter?: Filter,
): Promise<SubscribeOptions> {
  const { messages } = session.terminal;
  const { reconnect, retries } = options;
  if (!reconnect && retries !== undefined) {
    throw new OpmasError('USAGE', '--no-reconnect and --retries cannot be combined');
  }
  filter ??= await compileFilter(filterOptionsOf(options));
  const { before, after } = options;
  checkContext({ before, after, filter });
  const endpoints = endpointsOf(words);
  const { url, token, route, warnings } = await resolveConnection(session, options);
  messages.warn(...filter.hints, ...warnings);
  return {
    url,
    endpoints,
    token: withExpiryMessages(token, messages),
    ...route,
    filter,
    before,
    after,
    count: options.count,
    durationMs: options.duration,
    connectTimeoutMs: options.connectTimeout,
    heartbeatMs: options.heartbeat,
    deadAfterMs: options.deadAfter,
    maxMessageBytes: options.maxMessage,
    maxBufferBytes: options.maxBuffer,
    retry: {
      retryDelayMs: options.retryDelay,
      retryMaxMs: options.retryMax,
      retries,
      reconnect,
      exitOnClose: options.exitOnClose,
      // People at a terminal want an answer; a service or a pipeline is to start when the server does.
      waitForServer: !messages.isTerminal && reconnect && retries === undefined,
    },
    signal: session.stop,
    recorder: `opmas-ws/${version}`,
  };
}

function parseMessageLimit(text: string, name: string): number {
  const bytes = parseSize(text, name);
  if (bytes >= 1 && bytes <= LARGEST_MESSAGE_LIMIT) return bytes;
  throw new OpmasError('USAGE', `${name} must be between 1B and 256MiB`);
}

function parseRetries(text: string, name: string): number {
  if (text === 'forever') return Number.POSITIVE_INFINITY;
  try {
    return parseCount(text, name);
  } catch (error) {
    throw new OpmasError('USAGE', (error as Error).message, {
      hint: 'For a single attempt: 1. To never give up: forever.',
    });
  }
}
