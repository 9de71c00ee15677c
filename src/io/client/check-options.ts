import { OpmasError } from '../../core/errors.js';
import { isEndpointName } from '../../core/protocol.js';
import type { SubscribeOptions } from './stream-options.js';

const isPositive = (value: unknown) => typeof value === 'number' && value > 0;
const isCount = (value: unknown) =>
  isPositive(value) && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY);

/**
 * Looks at what a program without types may get wrong, before anything is connected.
 *
 * @throws {OpmasError} `USAGE`, naming the option.
 */
export function checkSubscribeOptions(options: SubscribeOptions): void {
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
  if (!isRight) throw new OpmasError('USAGE', `${name} has to be ${what}`);
}
