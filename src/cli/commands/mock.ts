import type { Command } from 'commander';
import { addServeOptions, type ServeCommandOptions } from '../serving/serving-options.js';
import { runCommand } from '../session.js';

export interface MockCommandOptions extends ServeCommandOptions {
  rate: string;
  count?: string;
}

const EXAMPLES = `
The story begins with the first client and goes on for all. Any user and password log in, but for the
password \`wrong\`. The first line on stdout is {"listening":"ws://…","token":"…"}.

Examples:
  $ opmas-ws mock                                   then, elsewhere: the command that it prints
  $ opmas-ws mock -p 0 --seed 7 --rate 50           any free port, the same events each time
  $ opmas-ws mock --token-life 30s --refuse http    watch tokens expire and be renewed
  $ opmas-ws mock --fault drop@10s..60s             a bad link, to try a client on`;

/** Puts `mock` together. */
export function configure(command: Command): void {
  addServeOptions(
    command
      .option('--rate <n>', 'events a second on each endpoint', '2')
      .option('-n, --count <n>', 'end after N events on each endpoint: close clients with 1000, exit 0'),
  )
    .addHelpText('after', EXAMPLES)
    .action(async (options: MockCommandOptions) => {
      const { patientStreams } = await import('../terminal/async-terminal.js');
      await runCommand(
        command,
        async (session) => {
          const { runMock } = await import('./run-mock.js');
          await runMock(session, options);
        },
        // A stopped terminal must not hold up the clients.
        patientStreams(),
      );
    });
}
