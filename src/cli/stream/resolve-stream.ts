import { compileFilter, ENDPOINTS, escapeUnsafe, OpmasError, type SubscribeOptions } from '../../index.js';
import { LARGEST_MESSAGE_LIMIT } from '../../internal.js';
import { resolveConnection } from '../connection/resolve-connection.js';
import { checkEndpoint } from '../options/endpoint-argument.js';
import { filterOptionsOf } from '../options/filter-options.js';
import { parseCount, parseDuration, parseSize } from '../options/quantity.js';
import type { Session } from '../session.js';
import { version } from '../version.js';
import type { StreamCommandOptions } from './stream-options.js';

/**
 * Makes of the options what `subscribe` takes, and prints what the user should know before anything connects.
 *
 * @throws {OpmasError} `USAGE` when an option, an endpoint, a filter or the configuration is wrong.
 */
export async function resolveStream(
  session: Session,
  endpoints: readonly string[],
  options: StreamCommandOptions,
): Promise<SubscribeOptions> {
  const asked = filterOptionsOf(options);
  const isAsked = Object.values(asked).some((value) => value !== undefined);
  const filter = isAsked ? await compileFilter(asked) : undefined;
  const fixed = {
    endpoints: endpoints.length === 0 ? ENDPOINTS : endpoints.map(checkEndpoint),
    ...(filter === undefined ? {} : { filter }),
    ...limitsOf(options),
    retry: retryOf(options),
    signal: session.stop,
    recorder: `opmas-ws/${version}`,
  };
  const { url, token, ca, insecure, warnings } = await resolveConnection(session, options);
  for (const hint of [...(filter?.hints ?? []), ...warnings])
    session.terminal.messages.warn(escapeUnsafe(hint));
  return { ...fixed, url, token, insecure, ...(ca === undefined ? {} : { ca }) };
}

function limitsOf(options: StreamCommandOptions) {
  const maxMessageBytes = parseSize(options.maxMessage, '--max-message');
  if (maxMessageBytes < 1 || maxMessageBytes > LARGEST_MESSAGE_LIMIT) {
    throw new OpmasError('USAGE', '--max-message has to be between 1B and 256MiB');
  }
  return {
    maxMessageBytes,
    maxBufferBytes: atLeastOne(parseSize(options.maxBuffer, '--max-buffer'), '--max-buffer'),
    connectTimeoutMs: atLeastOne(
      parseDuration(options.connectTimeout, '--connect-timeout'),
      '--connect-timeout',
    ),
    deadAfterMs: atLeastOne(parseDuration(options.deadAfter, '--dead-after'), '--dead-after'),
    heartbeatMs:
      options.heartbeat === false
        ? (false as const)
        : atLeastOne(parseDuration(options.heartbeat, '--heartbeat'), '--heartbeat'),
    ...(options.count === undefined ? {} : { count: parseCount(options.count, '--count') }),
    ...(options.duration === undefined ? {} : { durationMs: parseDuration(options.duration, '--duration') }),
  };
}

function retryOf(options: StreamCommandOptions) {
  const forever = options.retries === 'forever';
  return {
    retryDelayMs: atLeastOne(parseDuration(options.retryDelay, '--retry-delay'), '--retry-delay'),
    retryMaxMs: atLeastOne(parseDuration(options.retryMax, '--retry-max'), '--retry-max'),
    reconnect: options.reconnect,
    exitOnClose: options.exitOnClose === true,
    ...(options.retries === undefined
      ? {}
      : { retries: forever ? Number.POSITIVE_INFINITY : parseCount(options.retries, '--retries') }),
  };
}

function atLeastOne(value: number, name: string): number {
  if (value >= 1) return value;
  throw new OpmasError('USAGE', `${name} cannot be zero`);
}
