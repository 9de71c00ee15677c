import { type Command, Option } from '../commander.js';

/** What commander makes of the options that `replay` and `mock` share. */
export interface ServeCommandOptions {
  port: string;
  host?: string;
  auth: 'jwt' | 'secret' | 'none';
  refuse: 'close' | 'http';
  tokenLife: string;
  fault?: string[];
  seed?: string;
  allowOrigin?: string[];
}

/** Puts the options that `replay` and `mock` share on a command. */
export function addServeOptions(command: Command): Command {
  const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value];
  return command
    .option('-p, --port <n>', 'listen on this port; 0 = any free one', '8000')
    .option('--host <host>', 'listen on this address (default: 127.0.0.1 and ::1); others than loopback warn')
    .addOption(
      new Option('--auth <mode>', 'good tokens: any unexpired JWT; HS256 with OPMAS_MOCK_SECRET; anything')
        .choices(['jwt', 'secret', 'none'])
        .default('jwt'),
    )
    .addOption(
      new Option('--refuse <how>', 'a bad token gets close 4001 after accept, or HTTP 403')
        .choices(['close', 'http'])
        .default('close'),
    )
    .option('--token-life <t>', 'life of the tokens that its own login and refresh give out', '1h')
    .option(
      '--fault <spec>',
      'a fault on demand, repeatable: close:1011@30s, drop@10s..60s, refuse:503@5s+20s, stall@15s+10s, garbage@20s',
      collect,
    )
    .option('--seed <n>', 'the same seed gives the same faults (and events of mock)')
    .option(
      '--allow-origin <origin>',
      "a further browser origin, repeatable; loopback's are allowed",
      collect,
    );
}
