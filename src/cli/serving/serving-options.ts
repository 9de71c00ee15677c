import { FAULT_EXAMPLES } from '../../internal.js';
import { type Command, Option } from '../commander.js';

/** Options that `replay` and `mock` share, as commander parses them. */
export interface ServeCommandOptions {
  port: string;
  host?: string;
  auth: 'jwt' | 'secret' | 'none';
  refuse: 'close' | 'http';
  tokenLife?: string;
  fault?: string[];
  seed?: string;
  allowOrigin?: string[];
}

/** Adds the options that `replay` and `mock` share to a command. */
export function addServeOptions(command: Command): Command {
  const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value];
  return command
    .option('-p, --port <n>', 'listen on this port; 0 = any free one', '8000')
    .option('--host <host>', 'listen on this address (default: 127.0.0.1 and ::1); others than loopback warn')
    .addOption(
      new Option('--auth <mode>', 'valid tokens: any unexpired JWT; HS256 with OPMAS_MOCK_SECRET; anything')
        .choices(['jwt', 'secret', 'none'])
        .default('jwt'),
    )
    .addOption(
      new Option('--refuse <how>', 'a bad token gets close 4001 after accept, or HTTP 403')
        .choices(['close', 'http'])
        .default('close'),
    )
    .option(
      '--token-life <t>',
      'life of all tokens that it issues (default: 1h; 30 days for the token that it prints)',
    )
    .option('--fault <spec>', `a fault on demand, repeatable: ${FAULT_EXAMPLES}`, collect)
    .option('--seed <n>', 'the same seed gives the same faults (and events of mock)')
    .option(
      '--allow-origin <origin>',
      'a further browser origin, repeatable, or `null` for files; origins of this machine are allowed',
      collect,
    );
}
