import { startMockServer } from '../../index.js';
import type { Command } from '../commander.js';
import { parseCount, parseRate } from '../options/quantity.js';
import { addServingOptions, resolveServing, runServer, type ServingCommandOptions } from '../serving.js';
import { runCommand, type Session } from '../session.js';

/** Options of `mock`. */
interface MockOptions extends ServingCommandOptions {
  rate: number;
  count?: number;
}

const HELP = `
The events begin with the first client, and late clients join mid-stream. Login accepts every user and password
except the password \`wrong\`. The first line on stdout is {"listening":"ws://…","token":"…"}.

Examples:
  $ opmas-ws mock                                   then run the command that it prints
  $ opmas-ws mock -p 0 --seed 7 --rate 50           use any free port, repeat the same events
  $ opmas-ws mock --token-life 30s --refuse http    watch tokens expire and be renewed
  $ opmas-ws mock --fault drop@10s..60s             test a client with a bad connection`;

/** Configures `mock`. */
export function configure(command: Command): void {
  command
    .value('--rate <n>', 'events a second on each endpoint', parseRate, '2')
    .value(
      '-n, --count <n>',
      'after N events on each endpoint, close the clients with 1000 and exit 0',
      parseCount,
    );
  addServingOptions(command)
    .addHelpText('after', HELP)
    .action((options: MockOptions) => runCommand(command, (session) => mock(session, options)));
}

/** Serves generated events until the user stops it, or until `--count` is reached. */
async function mock(session: Session, options: MockOptions): Promise<void> {
  const serving = resolveServing(session, options);
  const server = await startMockServer({ ...serving, rate: options.rate, count: options.count });
  await runServer(session, server, { auth: serving.auth, duration: options.duration });
}
