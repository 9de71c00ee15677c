import { compileFilter, OpmasError, type SubscribeOptions } from '../../index.js';
import { LARGEST_MESSAGE_LIMIT } from '../../internal.js';
import { type Command, Option } from '../commander.js';
import { resolveConnection } from '../connection/resolve-connection.js';
import { addTokenOptions, addTrustOptions, type TokenOptions } from '../options/common-options.js';
import { parseCount, parsePositiveDuration, parseSize, positive } from '../options/quantity.js';
import {
  addEndpoints,
  addFilterOptions,
  endpointsOf,
  type FilterCommandOptions,
  filterOptionsOf,
} from '../options/selection.js';
import type { Session } from '../session.js';
import { version } from '../version.js';

/** Options that `tail` and `record` share. */
export interface StreamCommandOptions extends FilterCommandOptions, TokenOptions {
  count?: string;
  duration?: string;
  exitOnClose?: boolean;
  reconnect: boolean;
  retries?: string;
  retryDelay: string;
  retryMax: string;
  connectTimeout: string;
  heartbeat: string | false;
  deadAfter: string;
  maxMessage: string;
  maxBuffer: string;
}

/** Adds the endpoints and the options of {@link StreamCommandOptions} to a command. */
export function addStreamOptions(command: Command): Command {
  addFilterOptions(addEndpoints(command))
    .option('-n, --count <n>', 'stop after N matching events')
    .option('--duration <t>', 'stop after this time: 500ms, 30s, 5m, 1h')
    .option('--exit-on-close', 'stop an endpoint when the server closes it normally (1000)')
    .option('--no-reconnect', 'stop an endpoint when its connection ends for any reason')
    .option(
      '--retries <n>',
      'give up after N failed attempts in a row, or `forever` (default: 5 until the first connection, or forever if stderr is not a terminal; 2 for errors that rarely go away; after the first connection forever)',
    )
    .option('--retry-delay <t>', 'first wait before a new attempt; each further wait is twice as long', '1s')
    .option('--retry-max <t>', 'longest wait', '30s')
    .option('--connect-timeout <t>', 'limit for one attempt, from TCP to the WebSocket upgrade', '10s')
    .addOption(new Option('--heartbeat <t>', "interval of the API's ping messages").default('30s'))
    .option('--no-heartbeat', 'send no ping messages')
    .option('--dead-after <t>', 'reconnect when the server has sent nothing for this long', '25s')
    .option(
      '--max-message <size>',
      'close the connection on a larger message; at most 256MiB, for record 48MiB',
      '16MiB',
    )
    .option('--max-buffer <size>', 'buffer limit for a slow reader', '64MiB');
  return addTrustOptions(addTokenOptions(command));
}

/**
 * Translates the options for `subscribe`, and prints warnings before anything connects.
 *
 * @throws {OpmasError} `USAGE` when an option, an endpoint, a filter or the configuration is wrong.
 */
export async function resolveStream(
  session: Session,
  endpoints: readonly string[],
  options: StreamCommandOptions,
): Promise<SubscribeOptions> {
  const filterOptions = filterOptionsOf(options);
  const hasFilter = Object.values(filterOptions).some((value) => value !== undefined);
  const filter = hasFilter ? await compileFilter(filterOptions) : undefined;
  const fixed = {
    endpoints: endpointsOf(endpoints),
    ...(filter === undefined ? {} : { filter }),
    ...limitsOf(options),
    // People at a terminal want an answer; a service or a pipeline is to start when the server does.
    retry: retryOf(options, !session.terminal.messages.isTerminal),
    signal: session.stop,
    environment: session.environment,
    recorder: `opmas-ws/${version}`,
  };
  const { url, token, ca, insecure, warnings } = await resolveConnection(session, options);
  session.terminal.messages.warn(...(filter?.hints ?? []), ...warnings);
  return { ...fixed, url, token, insecure, ...(ca === undefined ? {} : { ca }) };
}

function limitsOf(options: StreamCommandOptions) {
  const { heartbeat } = options;
  const maxMessageBytes = parseSize(options.maxMessage, '--max-message');
  if (maxMessageBytes < 1 || maxMessageBytes > LARGEST_MESSAGE_LIMIT) {
    throw new OpmasError('USAGE', '--max-message must be between 1B and 256MiB');
  }
  return {
    maxMessageBytes,
    maxBufferBytes: positive(parseSize(options.maxBuffer, '--max-buffer'), '--max-buffer'),
    connectTimeoutMs: parsePositiveDuration(options.connectTimeout, '--connect-timeout'),
    deadAfterMs: parsePositiveDuration(options.deadAfter, '--dead-after'),
    heartbeatMs: heartbeat === false ? (false as const) : parsePositiveDuration(heartbeat, '--heartbeat'),
    ...(options.count === undefined ? {} : { count: parseCount(options.count, '--count') }),
    ...(options.duration === undefined
      ? {}
      : { durationMs: parsePositiveDuration(options.duration, '--duration') }),
  };
}

function retryOf(options: StreamCommandOptions, waitForServer: boolean) {
  const { retries, reconnect } = options;
  return {
    retryDelayMs: parsePositiveDuration(options.retryDelay, '--retry-delay'),
    retryMaxMs: parsePositiveDuration(options.retryMax, '--retry-max'),
    reconnect,
    exitOnClose: options.exitOnClose === true,
    waitForServer: waitForServer && reconnect && retries === undefined,
    ...(retries === undefined ? {} : { retries: parseRetries(retries) }),
  };
}

function parseRetries(text: string): number {
  if (text === 'forever') return Number.POSITIVE_INFINITY;
  try {
    return parseCount(text, '--retries');
  } catch (error) {
    throw new OpmasError('USAGE', (error as Error).message, { hint: 'Or write forever.' });
  }
}
