import { type Command, Option } from '../commander.js';
import { addFilterOptions, type FilterCommandOptions } from '../options/filter-options.js';
import { addTokenOptions, addTrustOptions, type TokenOptions } from '../options/token-options.js';

/** What commander makes of the options that `tail` and `record` share. */
export interface StreamCommandOptions extends FilterCommandOptions, TokenOptions {
  count?: string;
  duration?: string;
  exitOnClose?: boolean;
  reconnect: boolean;
  retries?: string;
  retryDelay: string;
  retryMax: string;
  connectTimeout: string;
  heartbeat: string | false;
  deadAfter: string;
  maxMessage: string;
  maxBuffer: string;
}

/** Puts the endpoints and the options that `tail` and `record` share on a command. */
export function addStreamOptions(command: Command): Command {
  command.argument(
    '[endpoint...]',
    'devices, agents, rules, system, or a path that begins with /; all four when none is named',
  );
  addFilterOptions(command)
    .option('-n, --count <n>', 'stop after N kept events')
    .option('--duration <t>', 'stop after this time: 500ms, 30s, 5m, 1h')
    .option('--exit-on-close', "a server's normal close (1000) ends that endpoint")
    .option('--no-reconnect', 'the first end of a connection ends that endpoint')
    .option(
      '--retries <n>',
      'give up after N failed attempts in a row, or `forever` (default: 5 before the first open, 2 where trying again hardly helps; then forever)',
    )
    .option('--retry-delay <t>', 'first wait before another attempt; it doubles', '1s')
    .option('--retry-max <t>', 'longest wait', '30s')
    .option('--connect-timeout <t>', 'limit of an attempt, from TCP to the upgrade', '10s')
    .addOption(new Option('--heartbeat <t>', "time between the API's ping messages").default('30s'))
    .option('--no-heartbeat', 'send no ping messages')
    .option('--dead-after <t>', 'no byte from the server for so long = the link is dead', '25s')
    .option(
      '--max-message <size>',
      'a larger message ends the connection; up to 256MiB, for record 48MiB',
      '16MiB',
    )
    .option('--max-buffer <size>', 'memory for output that is not taken yet', '64MiB');
  return addTrustOptions(addTokenOptions(command));
}
