import { ENDPOINTS, type FilterOptions, OpmasError } from '../../index.js';
import { isEndpointName, nearestOf } from '../../internal.js';
import type { Command } from '../commander.js';

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
  const nearest = nearestOf(word, ENDPOINTS, 2);
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

/** Options that choose events: `tail`, `record` and `replay` share them. */
export interface FilterCommandOptions {
  type?: string[];
  excludeType?: string[];
  subject?: string[];
  excludeSubject?: string[];
  where?: string[];
}

/** Adds the options of {@link FilterCommandOptions} to a command. */
export function addFilterOptions(command: Command): Command {
  return command
    .option(
      '-t, --type <pattern>',
      "keep these event types: globs, separated by commas, repeatable ('device.*')",
      collect,
    )
    .option('--exclude-type <pattern>', 'drop these event types; wins over --type', collect)
    .option(
      '-s, --subject <pattern>',
      "keep these subjects: NATS wildcards, separated by commas, repeatable ('opmas.devices.*')",
      collect,
    )
    .option('--exclude-subject <pattern>', 'drop these subjects; wins over --subject', collect)
    .option(
      '-w, --where <expr>',
      "keep events for which this CEL expression is true ('data.cpu > 90'); repeatable: all must be true",
      collect,
    );
}

/** Collects the values of a repeatable option. */
export function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

/** Translates the options for `compileFilter`. */
export function filterOptionsOf(options: FilterCommandOptions): FilterOptions {
  return {
    types: options.type,
    excludeTypes: options.excludeType,
    subjects: options.subject,
    excludeSubjects: options.excludeSubject,
    where: options.where,
  };
}
