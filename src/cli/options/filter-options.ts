import type { Command } from 'commander';
import type { FilterOptions } from '../../index.js';

/** Options that choose events: `tail`, `record` and `replay` share them. */
export interface FilterCommandOptions {
  type?: string[];
  excludeType?: string[];
  subject?: string[];
  excludeSubject?: string[];
  where?: string;
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
      "keep these subjects: NATS wildcards, repeatable ('opmas.devices.*')",
      collect,
    )
    .option('--exclude-subject <pattern>', 'drop these subjects; wins over --subject', collect)
    .option('-w, --where <expr>', "keep events for which this CEL expression is true ('data.cpu > 90')");
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
