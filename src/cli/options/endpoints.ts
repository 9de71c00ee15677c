import type { Command } from 'commander';
import { ENDPOINTS, OpmasError } from '../../index.js';
import { editDistance, isEndpointName } from '../../internal.js';

/** Adds the argument `[endpoint...]` to a command. */
export function addEndpoints(command: Command): Command {
  return command.argument(
    '[endpoint...]',
    'devices, agents, rules, system, or a path that begins with /; default: all four',
  );
}

/**
 * Returns the endpoints that the user named; all four when there are none.
 *
 * @throws {OpmasError} `USAGE` for a word that is neither one of the four nor a path.
 */
export function endpointsOf(words: readonly string[]): readonly string[] {
  return words.length === 0 ? ENDPOINTS : words.map(checkEndpoint);
}

function checkEndpoint(word: string): string {
  if (isEndpointName(word) || /^\/[^?#\s]*$/.test(word)) return word;
  if (word.startsWith('/')) {
    throw new OpmasError('USAGE', `${JSON.stringify(word)} is not a valid endpoint path`, {
      hint: 'A path has no query, no fragment and no spaces: /api/v1/ws/device/42.',
    });
  }
  throw new OpmasError('USAGE', `unknown endpoint ${JSON.stringify(word)}`, { hint: hintFor(word) });
}

function hintFor(word: string): string {
  const nearest = ENDPOINTS.find((name) => editDistance(word.toLowerCase(), name) <= 2);
  if (nearest !== undefined) return `Did you mean ${nearest}?`;
  const parts = word.split(',').filter((part) => part !== '');
  if (parts.length > 1 && parts.every(isEndpointName)) {
    return `Separate endpoints with spaces: ${parts.join(' ')}.`;
  }
  if (/\.(nd)?jsonl?(\.gz)?$/i.test(word)) {
    return 'To print a recording, use `tail --file FILE`; to write one, use `record -o FILE`.';
  }
  return `Endpoints are ${ENDPOINTS.join(', ')}, or a path that begins with /.`;
}
