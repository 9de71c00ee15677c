import { createRequire } from 'node:module';
import type * as Commander from 'commander';

/**
 * The library for commands and options. Required rather than imported: its ES module wrapper takes Node twice as long
 * to load, which would be a third of the time of `--version`.
 */
const commander = createRequire(import.meta.url)('commander') as typeof Commander;

export const Command: typeof Commander.Command = commander.Command;
export type Command = Commander.Command;
export const CommanderError: typeof Commander.CommanderError = commander.CommanderError;
export type CommanderError = Commander.CommanderError;
export const Option: typeof Commander.Option = commander.Option;
export type Option = Commander.Option;
export const InvalidArgumentError: typeof Commander.InvalidArgumentError = commander.InvalidArgumentError;
