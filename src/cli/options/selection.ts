import { ENDPOINTS, type FilterOptions, OpmasError } from '../../index.js';
import { endpointLabel, unknownEndpoint } from '../../internal.js';
import type { Command } from '../commander.js';

/** Adds the argument `[endpoint...]` to a command. */
export function addEndpoints(command: Command): Command {
  return command.argument(
    '[endpoint...]',
    'devices, agents, rules, system, device/ID, agent/ID, rule/ID, or a path that begins with /; default: the first four',
  );
}

/**
 * Returns the labels of the endpoints that the user named; all four when there are none.
 *
 * @throws {OpmasError} `USAGE` for a word that names no endpoint.
 */
export function endpointsOf(words: readonly string[]): readonly string[] {
  return words.length === 0 ? ENDPOINTS : words.map(labelOf);
}

function labelOf(word: string): string {
  const label = endpointLabel(word);
  if (label !== undefined) return label;
  const error = unknownEndpoint(word);
  throw new OpmasError('USAGE', error.message, { hint: habitOf(word) ?? error.hint });
}

/** Recognizes what users of other tools type in the place of endpoints. */
function habitOf(word: string): string | undefined {
  const parts = word.split(',').filter((part) => part !== '');
  if (parts.length > 1 && parts.every((part) => endpointLabel(part) !== undefined)) {
    return `Separate endpoints with spaces: ${parts.join(' ')}.`;
  }
  const rewritten = /^[a-z]:[\\/](?:.*[\\/]api[\\/]v1[\\/]ws[\\/](.*))?/i.exec(word);
  if (rewritten !== null) {
    const [, name = ''] = rewritten;
    const instead =
      endpointLabel(name) === undefined ? 'put MSYS_NO_PATHCONV=1 before the command' : `type ${name}`;
    return `Git Bash rewrites words that begin with /: ${instead}.`;
  }
  if (!/\.(nd)?jsonl?(\.gz)?$/i.test(word)) return undefined;
  return 'To print a recording, use `tail --file FILE`; to write one, use `record -o FILE`.';
}

/** Options that choose events: `tail`, `record` and `replay` share them. */
export interface FilterCommandOptions {
  type?: string[];
  excludeType?: string[];
  subject?: string[];
  excludeSubject?: string[];
  where?: string[];
  problems?: boolean;
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
    )
    .option('--problems', 'keep problems only: events of severity critical and error, and recoveries');
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
    problems: options.problems,
  };
}
