import type { Command } from 'commander';
import type { FilterOptions } from '../../index.js';

/** What commander makes of the options that {@link addFilterOptions} adds. */
export interface FilterCommandOptions {
  type?: string[];
  excludeType?: string[];
  subject?: string[];
  excludeSubject?: string[];
  where?: string;
}

/** Puts the options that choose events on a command: `tail`, `record` and `replay` share them. */
export function addFilterOptions(command: Command): Command {
  const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value];
  return command
    .option(
      '-t, --type <pattern>',
      "keep these event types: globs, commas split, repeatable ('device.*')",
      collect,
    )
    .option('--exclude-type <pattern>', 'drop these event types; wins over --type', collect)
    .option(
      '-s, --subject <pattern>',
      "keep these subjects: NATS wildcards, repeatable ('opmas.devices.*')",
      collect,
    )
    .option('--exclude-subject <pattern>', 'drop these subjects; wins over --subject', collect)
    .option('-w, --where <expr>', "keep events for which a CEL expression is true ('data.cpu > 90')");
}

/** What the options say, for `compileFilter`. */
export function filterOptionsOf(options: FilterCommandOptions): FilterOptions {
  return {
    types: options.type,
    excludeTypes: options.excludeType,
    subjects: options.subject,
    excludeSubjects: options.excludeSubject,
    where: options.where,
  };
}
