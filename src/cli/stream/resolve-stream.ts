import {
  compileFilter,
  ENDPOINTS,
  editDistance,
  escapeUnsafe,
  isEndpointName,
  LARGEST_MESSAGE_LIMIT,
  OpmasError,
  type SubscribeOptions,
} from '../../index.js';
import { resolveConnection } from '../connection/resolve-connection.js';
import { filterOptionsOf } from '../options/filter-options.js';
import { parseCount, parseDuration, parseSize } from '../options/quantity.js';
import type { StreamCommandOptions } from '../options/stream-options.js';
import type { Session } from '../session.js';
import { version } from '../version.js';

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

/** @throws {OpmasError} `USAGE` for a word that is neither one of the four endpoints nor a path. */
export function checkEndpoint(word: string): string {
  if (isEndpointName(word)) return word;
  if (/^\/[^?#\s]*$/.test(word)) return word;
  if (word.startsWith('/')) {
    throw new OpmasError('USAGE', `${JSON.stringify(word)} is no path of an endpoint`, {
      hint: 'A path has no query, no fragment and no blanks: /api/v1/ws/device/42.',
    });
  }
  throw new OpmasError('USAGE', `there is no endpoint ${JSON.stringify(word)}`, { hint: hintFor(word) });
}

function hintFor(word: string): string {
  const nearest = ENDPOINTS.find((name) => editDistance(word.toLowerCase(), name) <= 2);
  if (nearest !== undefined) return `Did you mean ${nearest}?`;
  const parts = word.split(',').filter((part) => part !== '');
  if (parts.length > 1 && parts.every(isEndpointName)) {
    return `Separate them by blanks: ${parts.join(' ')}.`;
  }
  if (/\.(nd)?jsonl?(\.gz)?$/i.test(word)) {
    return 'A recording is printed with `tail --file FILE`, and written with `record -o FILE`.';
  }
  return `Endpoints are ${ENDPOINTS.join(', ')}, or a path that begins with /.`;
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
