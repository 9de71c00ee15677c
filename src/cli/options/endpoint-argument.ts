import { ENDPOINTS, OpmasError } from '../../index.js';
import { editDistance, isEndpointName } from '../../internal.js';

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
